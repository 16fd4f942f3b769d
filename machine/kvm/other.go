//go:build !linux || !amd64 || purego || race

package kvm

import (
	"errors"
	"runtime"

	"example.com/pvlock/machine"
	"example.com/pvlock/paravirt"
)

// Probe reports why machines can't run here, in one line that says what to do about it.
func Probe() error {
	switch {
	case runtime.GOOS != "linux" || runtime.GOARCH != "amd64":
		return errors.New("kvm: this is " + runtime.GOOS + "/" + runtime.GOARCH +
			": its virtual machines need linux/amd64")
	case race:
		return errors.New("kvm: built with -race, whose runtime isn't there in a guest: build " +
			"without")
	default:
		return errors.New("kvm: built with the tag purego, without the assembly that a guest " +
			"needs: build without")
	}
}

// Machine is a virtual machine. There are none here.
type Machine struct{}

// New returns what [Probe] does.
func New(machine.Config) (*Machine, error) { return nil, Probe() }

// Paravirt returns nil.
func (*Machine) Paravirt() *paravirt.Machine { return nil }

// Run returns what [Probe] does.
func (*Machine) Run(func(), func(*paravirt.CPU)) (machine.Usage, error) {
	return machine.Usage{}, Probe()
}

// Stop does nothing.
func (*Machine) Stop() {}
