// Package osthread runs the vCPUs of a machine on OS threads: each is a goroutine that is locked to
// a thread of its own, confined to some of the host's CPUs, and scheduled by the kernel, not by
// Go.
//
// GOMAXPROCS is raised while they run, so that each has a P of its own. Where the runtime chose it,
// it does so again afterwards.
package osthread

import (
	"cmp"
	"errors"
	"fmt"
	"runtime"
	"sync"

	"example.com/pvlock/internal/gomaxprocs"
	"example.com/pvlock/machine"
	"example.com/pvlock/paravirt"
)

// BringUp makes the calling thread, which is a vCPU's already, into whatever else the machine needs
// it to be. What it returns undoes that, and may be nil.
type BringUp func(c *paravirt.CPU) (tearDown func(), err error)

// Run runs body on each CPU of pv, on threads confined to hostCPUs; see machine.Machine. Each
// thread calls bringUp, if that is not nil, before its CPU comes up.
func Run(pv *paravirt.Machine, hostCPUs []int, bringUp BringUp, ready func(),
	body func(c *paravirt.CPU)) (machine.Usage, error) {
	n := pv.CPUs()
	restore := raiseProcs(n + spareProcs)
	defer restore()

	var (
		usages = make([]usage, n)
		errs   = make([]error, n) // of bringing up
		gone   = make([]error, n) // the CPUs
		vcpus  = make([]vcpu, n)
		up     sync.WaitGroup
		done   sync.WaitGroup
		begin  = make(chan bool)
	)
	up.Add(n)
	for i := range n {
		done.Go(func() {
			runtime.LockOSThread()
			t := &vcpus[i]
			t.c = pv.CPU(i)
			errs[i] = t.up(hostCPUs, bringUp)
			up.Done()
			if errs[i] == nil && <-begin {
				before := threadUsage()
				body(t.c)
				usages[i] = threadUsage().since(before)
				gone[i] = lost(hostCPUs)
			}
			if t.down() == nil {
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
	if err == nil {
		err = cmp.Or(gone...) // a CPU that is taken away is taken from all
	}
	total := sum(usages)
	for i := range vcpus {
		if err := vcpus[i].unbound; err != nil {
			total.Unbound = append(total.Unbound, fmt.Errorf("vCPU %d: %w", i, err))
		}
	}
	return total, err
}

// vcpu is a thread that is a vCPU. Undo lists what makes it an ordinary thread
// again, in the order in which it was done.
type vcpu struct {
	c       *paravirt.CPU
	unbound error // why its event channel couldn't be bound
	undo    []func() error
}

func (t *vcpu) up(hostCPUs []int, bringUp BringUp) error {
	putBack, err := become(t.c.ChannelName(), hostCPUs)
	t.undo = append(t.undo, putBack)
	if err == nil && bringUp != nil {
		var tearDown func()
		if tearDown, err = bringUp(t.c); tearDown != nil {
			t.undo = append(t.undo, func() error { tearDown(); return nil })
		}
	}
	if err != nil {
		return fmt.Errorf("vCPU %d: %w", t.c.ID(), err)
	}
	t.unbound = t.c.Up()
	t.undo = append(t.undo, func() error { t.c.Down(); return nil })
	return nil
}

func (t *vcpu) down() (err error) {
	for i := len(t.undo) - 1; i >= 0; i-- {
		err = errors.Join(err, t.undo[i]())
	}
	return err
}

// spareProcs is for what runs beside the vCPUs: the harness, a watchdog, the
// collector's workers.
const spareProcs = 4

// procs raises GOMAXPROCS for as long as any machine needs it.
var procs struct {
	sync.Mutex
	users   int
	restore func()
}

// raiseProcs makes GOMAXPROCS at least n until what it returns is called.
func raiseProcs(n int) (restore func()) {
	procs.Lock()
	defer procs.Unlock()
	if procs.users == 0 {
		procs.restore = gomaxprocs.Save()
	}
	procs.users++
	if runtime.GOMAXPROCS(0) < n {
		runtime.GOMAXPROCS(n)
	}
	return func() {
		procs.Lock()
		defer procs.Unlock()
		if procs.users--; procs.users == 0 {
			procs.restore()
		}
	}
}
