// Package rig is what locks are driven on by those who measure them and those who try to break
// them: the machines by their names, and the host as results describe it.
package rig

import (
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"example.com/pvlock/host"
	"example.com/pvlock/internal/arch"
	"example.com/pvlock/machine"
	"example.com/pvlock/machine/goroutine"
	"example.com/pvlock/machine/kvm"
	"example.com/pvlock/machine/thread"
	"example.com/pvlock/machine/xen"
	"example.com/pvlock/paravirt"
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

// Host describes the host, but for the steal time. Its Unknown says what isn't known.
func Host() result.Host {
	f := host.Collect()
	arch.Calibrate()
	const unknown = "unknown"
	h := result.Host{
		CPU: f.CPUModel.Or(unknown), CPUs: f.NumCPUs,
		Hypervisor: f.Hypervisor.Or(host.Hypervisor{Name: unknown}).Name,
		Emulated:   f.Emulated, Kernel: f.Kernel.Or(unknown),
		GOOS: runtime.GOOS, GOARCH: runtime.GOARCH, Go: runtime.Version(), GOMAXPROCS: f.GOMAXPROCS,
		QuotaCPUs: f.Quota.Or(host.Quota{}).CPUs, PauseNanos: arch.PauseNanos(),
		Revision: revision(),
	}
	if f.Quota.State() != host.Known {
		h.Unknown = append(h.Unknown, "quota_cpus "+f.Quota.String())
	}
	return h
}

// revision returns pvlock's own, as the Go command has written it into the program: of its tree, or
// of its module.
func revision() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	var of, dirty string
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			of = s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			dirty = "+dirty"
		}
	}
	if of == "" && info.Main.Version != "(devel)" {
		of = info.Main.Version
	}
	return of + dirty
}

// Steal notes how much time has been stolen, and again when what it returns is called. Where that
// isn't told, there is no note.
func Steal(h *result.Host) (end func()) {
	before, told := host.Steal().Get()
	return func() {
		if after, ok := host.Steal().Get(); ok && told {
			h.Steal = &result.Steal{BeforeNanos: before.Steal().Nanoseconds(),
				AfterNanos: after.Steal().Nanoseconds()}
		}
	}
}

// CheckOvercommit returns an error if a machine's vCPUs can't be so many for each of its CPUs.
func CheckOvercommit(cpus int, overcommit []float64) error {
	if cpus == 0 {
		return errors.New("no CPUs to run on: want at least 1")
	}
	if len(overcommit) == 0 {
		return errors.New("no overcommit given: want a list of numbers of at least 1, such as " +
			"1,2,4")
	}
	for _, o := range overcommit {
		// Written so that NaN fails.
		if !(o >= 1) || o*float64(cpus) > paravirt.MaxCPUs {
			return fmt.Errorf("overcommit %v of %d CPUs: want at least 1, and at most %d vCPUs", o,
				cpus, paravirt.MaxCPUs)
		}
	}
	return nil
}
