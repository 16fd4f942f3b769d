// Package thread is the machine whose vCPUs are OS threads: what is taken away from them is
// their CPU, by the kernel, in slices of a few milliseconds. Each vCPU is a
// goroutine locked to a thread of its own, whose event channel is a futex. Confined
// to a few CPUs by affinity, they are overcommitted.
//
// GOMAXPROCS is raised while they run, so that each has a P of its own and it is the kernel
// that schedules them, not Go. Where there are no futexes the event channel
// parks the goroutine; where there is no affinity the vCPUs share all CPUs, and New refuses fewer.
package thread

import (
	"errors"
	"fmt"

	"example.com/pvlock/internal/arch"
	"example.com/pvlock/machine"
	"example.com/pvlock/machine/internal/osthread"
	"example.com/pvlock/paravirt"
)

// Machine is a machine of OS threads.
type Machine struct {
	pv  *paravirt.Machine
	cfg machine.Config
}

// New makes a machine of cfg.VCPUs threads on cfg.HostCPUs.
func New(cfg machine.Config) (*Machine, error) {
	if len(cfg.HostCPUs) == 0 {
		return nil, errors.New("thread: no host CPUs to run on")
	}
	if err := osthread.CheckAffinity(cfg.HostCPUs); err != nil {
		return nil, fmt.Errorf("thread: %w", err)
	}
	arch.Calibrate()
	pv, err := paravirt.New(cfg.Paravirt(channel(cfg.VCPUs)))
	if err != nil {
		return nil, err
	}
	return &Machine{pv: pv, cfg: cfg}, nil
}

// Paravirt returns the machine as lock text sees it.
func (m *Machine) Paravirt() *paravirt.Machine { return m.pv }

// Run runs body on each vCPU; see machine.Machine.
func (m *Machine) Run(ready func(), body func(c *paravirt.CPU)) (machine.Usage, error) {
	usage, err := osthread.Run(m.pv, m.cfg.HostCPUs, nil, ready, body)
	if err != nil {
		err = fmt.Errorf("thread: %w", err)
	}
	return usage, err
}
