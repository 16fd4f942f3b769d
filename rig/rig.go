// Package rig is what locks are driven on by those who measure them and those who try to break them:
// the machines by their names, and the host as results describe it.
package rig

import (
	"fmt"
	"runtime"
	"strings"

	"example.com/pvlock/host"
	"example.com/pvlock/internal/arch"
	"example.com/pvlock/machine"
	"example.com/pvlock/machine/goroutine"
	"example.com/pvlock/machine/kvm"
	"example.com/pvlock/machine/thread"
	"example.com/pvlock/machine/xen"
	"example.com/pvlock/result"
)

// The machines.
const (
	Threads    = "threads"
	Goroutines = "goroutines"
	KVM        = "kvm"
	Xen        = "xen"
)

// Machines returns the names of the machines.
func Machines() []string { return []string{Threads, Goroutines, KVM, Xen} }

// Probe reports why there can be no such machine here, or nil.
func Probe(on string) error {
	switch on {
	case Threads, Goroutines:
		return nil
	case KVM:
		return kvm.Probe()
	case Xen:
		return xen.Probe()
	}
	return unknown(on)
}

// New makes the machine of that name.
func New(on string, cfg machine.Config) (machine.Machine, error) {
	switch on {
	case Threads:
		return thread.New(cfg)
	case Goroutines:
		return goroutine.New(cfg)
	case KVM:
		return kvm.New(cfg)
	case Xen:
		return xen.New(cfg)
	}
	return nil, unknown(on)
}

func unknown(on string) error {
	return fmt.Errorf("unknown machine %q: want one of %s", on, strings.Join(Machines(), ", "))
}

// Host describes the host, but for the steal time. What isn't known is unknown in it.
func Host() result.Host {
	f, _ := host.Collect()
	arch.Calibrate()
	return result.Host{
		CPU: f.CPUModel, CPUs: f.NumCPUs, Hypervisor: f.Hypervisor.Name, Emulated: f.Emulated, Kernel: f.Kernel,
		GOOS: runtime.GOOS, GOARCH: runtime.GOARCH, Go: runtime.Version(), GOMAXPROCS: f.GOMAXPROCS,
		QuotaCPUs: f.Quota.CPUs, PauseNanos: arch.PauseNanos(),
	}
}
