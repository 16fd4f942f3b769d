// Package machine shows how to bring a machine of one's own beneath the locks: something that isn't
// an OS thread, a goroutine of the Go scheduler's or a virtual CPU, and that knows its own way to
// put a CPU to sleep and to wake it.
//
// Here a CPU is a goroutine, and sleeps on a condition variable of its own. The machine supplies
// both contracts of package paravirt:
//
//   - an event channel for each CPU (paravirt.ChannelOps), which the locks of 2008 block on:
//     pending or not, under the CPU's mutex;
//   - Wait and Kick, which the queued locks of 2015 block by. Without these, paravirt builds them
//     on the channel; the machine has something better, because it can look at the lock's byte and
//     go to sleep in one critical section.
//
// Any lock of the catalogue runs on it unchanged. That it keeps the contracts is shown by the test
// that every machine here passes, paravirt/contract.
package machine

import (
	"fmt"
	"sync"

	"example.com/pvlock/paravirt"
)

// A Machine is a number of CPUs.
type Machine struct {
	pv   *paravirt.Machine
	beds []bed
}

// A bed is where a CPU sleeps. pending is its event channel's state. To the queued locks the same
// says that a kick has come: like a real event channel, one bed serves both.
type bed struct {
	mu      sync.Mutex
	wake    sync.Cond
	pending bool
	sleeps  uint64
	_       [64]byte
}

// New makes a machine of so many CPUs; the tunables are the lock's that will run on it, for a
// budget in rounds is worth something else on each machine.
func New(cpus int, tune paravirt.Tunables) (*Machine, error) {
	m := &Machine{beds: make([]bed, max(cpus, 0))}
	for i := range m.beds {
		m.beds[i].wake.L = &m.beds[i].mu
	}
	var err error
	m.pv, err = paravirt.New(paravirt.Config{
		CPUs: cpus,
		Channel: paravirt.ChannelOps{Clear: m.clear, Set: m.set, Test: m.test, Poll: m.poll,
			Notify: m.notify},
		Wait:     m.wait,
		Kick:     m.notify,
		Tunables: tune,
		Stats:    true,
	})
	if err != nil {
		return nil, fmt.Errorf("machine: %w", err)
	}
	return m, nil
}

// Paravirt returns the machine as locks see it.
func (m *Machine) Paravirt() *paravirt.Machine { return m.pv }

// Run brings all CPUs up, runs body on each, and takes them down.
func (m *Machine) Run(body func(c *paravirt.CPU)) error {
	for i := range m.beds {
		// A channel here is two fields: there is nothing to bind that could fail.
		if err := m.pv.CPU(i).Up(); err != nil {
			return fmt.Errorf("machine: CPU %d: %w", i, err)
		}
	}
	var done sync.WaitGroup
	for i := range m.beds {
		done.Go(func() {
			c := m.pv.CPU(i)
			body(c)
			c.Down()
		})
	}
	done.Wait()
	return nil
}

// Sleeps returns how often the CPUs slept. They must be down.
func (m *Machine) Sleeps() (n uint64) {
	for i := range m.beds {
		n += m.beds[i].sleeps
	}
	return n
}

func (m *Machine) bed(c *paravirt.CPU) *bed { return &m.beds[c.ID()] }

// clear makes the caller's channel not pending. It has to be a full fence: a waiter clears, then
// looks at the lock, and an unlocker releases, then notifies. If the look came before the clearing,
// it could miss the release, and the clearing wipe out the notification. That sync.Mutex orders its
// critical sections isn't enough where the processor may move the look into one, hence the fence.
func (m *Machine) clear(c *paravirt.CPU) {
	b := m.bed(c)
	b.mu.Lock()
	b.pending = false
	b.mu.Unlock()
	c.Fence()
}

func (m *Machine) set(c *paravirt.CPU) { m.notify(c, c.ID()) }

func (m *Machine) test(c *paravirt.CPU) bool {
	b := m.bed(c)
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.pending
}

// poll sleeps until the channel is pending, and leaves it so.
func (m *Machine) poll(c *paravirt.CPU) {
	b := m.bed(c)
	b.mu.Lock()
	defer b.mu.Unlock()
	for !b.pending {
		b.sleep()
	}
}

// notify makes a CPU's channel pending. The fence, before it, is clear's partner: what c stored
// before is seen by a CPU that finds the channel pending, and by one that clears it later.
func (m *Machine) notify(c *paravirt.CPU, cpu uint32) {
	c.Fence()
	b := &m.beds[cpu]
	b.mu.Lock()
	b.pending = true
	b.mu.Unlock()
	b.wake.Signal()
}

// wait is paravirt's Wait: it sleeps if *p == v, until a kick.
//
//	waiter                                    kicker
//	                                          *p = something else
//	one section: pending? *p == v? sleep      one section: pending
//	                                          wake
//
// If the kicker's section comes first, the waiter finds pending. If it comes later, the waiter is
// on the condition variable when it is woken, or has returned. A kick that came before anybody
// waited ends the next wait and is used up by it; that is allowed, for a wait may return for no
// reason, and the caller looks again.
//
// A CPU that is not bound would not be kicked, and one in a non-maskable interrupt must not sleep:
// both return at once. Other interrupts there are none here; where there are, one that waits must
// leave the CPU pending, or it swallows the outer wait's kick (see paravirt.WaitEvent).
func (m *Machine) wait(c *paravirt.CPU, p *paravirt.U8, v uint8) {
	if !c.Bound() || c.InNMI() {
		return
	}
	b := m.bed(c)
	b.mu.Lock()
	defer b.mu.Unlock()
	for !b.pending && c.Load8(p) == v {
		b.sleep()
	}
	b.pending = false
}

// sleep is called with the bed's mutex held.
func (b *bed) sleep() {
	b.sleeps++
	b.wake.Wait()
}
