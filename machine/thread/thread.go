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
	"runtime"
	"sync"

	"example.com/pvlock/internal/arch"
	"example.com/pvlock/machine"
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
	if err := checkAffinity(cfg.HostCPUs); err != nil {
		return nil, err
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
	restore := raiseProcs(m.cfg.VCPUs + spareProcs)
	defer restore()

	var (
		n      = m.cfg.VCPUs
		usages = make([]machine.Usage, n)
		errs   = make([]error, n)
		up     sync.WaitGroup
		done   sync.WaitGroup
		begin  = make(chan bool)
	)
	up.Add(n)
	for i := range n {
		done.Go(func() {
			runtime.LockOSThread()
			c := m.pv.CPU(i)
			var putBack func() error
			putBack, errs[i] = m.bringUp(c)
			up.Done()
			if errs[i] == nil {
				if <-begin {
					before := threadUsage()
					body(c)
					usages[i] = since(before, threadUsage())
				}
				c.Down()
			}
			if putBack() == nil {
				runtime.UnlockOSThread()
			}
			// Else the thread ends with the goroutine.
		})
	}
	up.Wait()
	err := errors.Join(errs...)
	if err == nil {
		ready()
	}
	for _, e := range errs {
		if e == nil {
			begin <- err == nil
		}
	}
	done.Wait()

	var total machine.Usage
	for _, u := range usages {
		total.CPU += u.CPU
		total.Voluntary += u.Voluntary
		total.Involuntary += u.Involuntary
	}
	return total, err
}

// bringUp makes the calling thread into vCPU c. What it returns makes it an
// ordinary thread again.
func (m *Machine) bringUp(c *paravirt.CPU) (putBack func() error, err error) {
	putBack, err = become(c.ChannelName(), m.cfg.HostCPUs)
	if err == nil {
		err = c.Up()
	}
	if err != nil {
		err = fmt.Errorf("thread: vCPU %d: %w", c.ID(), err)
	}
	return putBack, err
}

func since(before, after machine.Usage) machine.Usage {
	return machine.Usage{
		CPU:         after.CPU - before.CPU,
		Voluntary:   after.Voluntary - before.Voluntary,
		Involuntary: after.Involuntary - before.Involuntary,
	}
}

// spareProcs is for what runs beside the vCPUs: the harness, a watchdog, the
// collector's workers.
const spareProcs = 4

// procs raises GOMAXPROCS for as long as any machine needs it.
var procs struct {
	sync.Mutex
	users    int
	original int
}

// raiseProcs makes GOMAXPROCS at least n until what it returns is called.
func raiseProcs(n int) (restore func()) {
	procs.Lock()
	defer procs.Unlock()
	if procs.users == 0 {
		procs.original = runtime.GOMAXPROCS(0)
	}
	procs.users++
	if runtime.GOMAXPROCS(0) < n {
		runtime.GOMAXPROCS(n)
	}
	return func() {
		procs.Lock()
		defer procs.Unlock()
		if procs.users--; procs.users == 0 {
			runtime.GOMAXPROCS(procs.original)
		}
	}
}
