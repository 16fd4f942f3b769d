//go:build !linux

package xen

import (
	"errors"
	"runtime"

	"example.com/pvlock/machine"
	"example.com/pvlock/paravirt"
)

// Machine is a machine with event channels. There are none here.
type Machine struct{}

// Probe reports why machines can't run here.
func Probe() error { return errNoDevice(errors.New("this is " + runtime.GOOS)) }

// New returns what [Probe] does.
func New(machine.Config) (*Machine, error) { return nil, Probe() }

// Paravirt returns nil.
func (*Machine) Paravirt() *paravirt.Machine { return nil }

// Run returns what [Probe] does.
func (*Machine) Run(func(), func(*paravirt.CPU)) (machine.Usage, error) {
	return machine.Usage{}, Probe()
}

// Inspect tells what it can of the Xen beneath: here, nothing.
func Inspect() (info Info, ok bool) { return Info{}, false }
