// Package goroutine is the machine whose vCPUs are goroutines: what is taken away
// from them is their thread, by the Go scheduler, in slices of 10 ms. Their event channel
// parks the goroutine. GOMAXPROCS is the number of host CPUs while they run.
package goroutine

import (
	"errors"
	"fmt"
	"runtime"
	"sync"

	"example.com/pvlock/internal/arch"
	"example.com/pvlock/internal/gomaxprocs"
	"example.com/pvlock/machine"
	"example.com/pvlock/machine/internal/park"
	"example.com/pvlock/paravirt"
)

// Machine is a machine of goroutines.
type Machine struct {
	pv  *paravirt.Machine
	cfg machine.Config
}

// New makes a machine of cfg.VCPUs goroutines on as many Ps as there are
// cfg.HostCPUs. Which CPUs they are is left to the kernel.
func New(cfg machine.Config) (*Machine, error) {
	if len(cfg.HostCPUs) == 0 {
		return nil, errors.New("goroutine: no host CPUs to run on")
	}
	arch.Calibrate()
	pv, err := paravirt.New(cfg.Paravirt(park.Channel(cfg.VCPUs)))
	if err != nil {
		return nil, err
	}
	return &Machine{pv: pv, cfg: cfg}, nil
}

// Paravirt returns the machine as lock text sees it.
func (m *Machine) Paravirt() *paravirt.Machine { return m.pv }

// running keeps two machines from changing GOMAXPROCS under each other.
var running sync.Mutex

// Run runs body on each vCPU; see machine.Machine. Machines of goroutines run one
// at a time, because each sets GOMAXPROCS. The CPU time is that of the whole process, which is all
// that can be known.
func (m *Machine) Run(ready func(), body func(c *paravirt.CPU)) (machine.Usage, error) {
	running.Lock()
	defer running.Unlock()
	defer gomaxprocs.Save()()
	runtime.GOMAXPROCS(len(m.cfg.HostCPUs))

	usage := machine.Usage{Voluntary: -1, Involuntary: -1}
	for i := range m.cfg.VCPUs {
		if err := m.pv.CPU(i).Up(); err != nil {
			usage.Unbound = append(usage.Unbound, fmt.Errorf("goroutine: vCPU %d: %w", i, err))
		}
	}
	ready()
	before := processCPU()
	var done sync.WaitGroup
	for i := range m.cfg.VCPUs {
		done.Go(func() {
			c := m.pv.CPU(i)
			body(c)
			c.Down()
		})
	}
	done.Wait()
	usage.CPU = processCPU() - before
	return usage, nil
}
