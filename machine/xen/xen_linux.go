package xen

import (
	"errors"
	"fmt"
	"sync"

	"example.com/pvlock/internal/arch"
	"example.com/pvlock/machine"
	"example.com/pvlock/machine/internal/osthread"
	"example.com/pvlock/paravirt"
)

// Machine is a machine of OS threads with event channels.
type Machine struct {
	pv  *paravirt.Machine
	cfg machine.Config

	mu     sync.Mutex
	unbind error // what went wrong when channels were ended
}

// Probe reports why machines can't run here, in one line that says what to do about it, or nil: it
// binds a channel and notifies it.
func Probe() error {
	var ch channel
	if err := ch.bind(); err != nil {
		return prefixed(err)
	}
	if err := ch.unbind(); err != nil {
		return prefixed(err)
	}
	return nil
}

// New makes a machine of cfg.VCPUs threads on cfg.HostCPUs, which are the domain's vCPUs.
func New(cfg machine.Config) (*Machine, error) {
	if len(cfg.HostCPUs) == 0 {
		return nil, errors.New("xen: no CPUs of the domain to run on")
	}
	if err := Probe(); err != nil {
		return nil, err
	}
	if err := osthread.CheckAffinity(cfg.HostCPUs); err != nil {
		return nil, fmt.Errorf("xen: %w", err)
	}
	arch.Calibrate()
	m := &Machine{cfg: cfg}
	pv, err := paravirt.New(cfg.Paravirt(ops(make([]channel, max(cfg.VCPUs, 0)), m.ended)))
	if err != nil {
		return nil, err
	}
	m.pv = pv
	return m, nil
}

// ended notes that a channel did not end as it should.
func (m *Machine) ended(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.unbind = errors.Join(m.unbind, err)
}

// Paravirt returns the machine as lock text sees it.
func (m *Machine) Paravirt() *paravirt.Machine { return m.pv }

// Run runs body on each vCPU; see machine.Machine. When it returns, no port is bound and no
// descriptor open, whatever it returns.
func (m *Machine) Run(ready func(), body func(c *paravirt.CPU)) (machine.Usage, error) {
	usage, err := osthread.Run(m.pv, m.cfg.HostCPUs, nil, ready, body)
	if err := errors.Join(err, m.unbind); err != nil {
		return usage, prefixed(err)
	}
	return usage, nil
}
