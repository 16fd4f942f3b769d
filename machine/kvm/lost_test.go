//go:build linux && amd64 && !purego && !race

package kvm_test

import (
	"sync/atomic"
	"testing"
	"time"

	"example.com/pvlock/internal/arch"
	"example.com/pvlock/machine"
	"example.com/pvlock/paravirt"
	"example.com/pvlock/spinlock"
)

// duel is two CPUs and a lock: in each round CPU 0 holds it and releases it at about the time when
// CPU 1, whose budget is 0, is about to sleep; then it waits for CPU 1 to have had it. So no later
// unlock makes a lost wake-up good: CPU 1 sleeps, and nothing moves.
type duel struct {
	lock spinlock.Word
	_    [60]byte
	turn arch.Word // the round that CPU 1 may begin
	_    [60]byte
	out  arch.Word // the round in which CPU 0 has returned from Unlock
	_    [60]byte
	had  arch.Word // the round that CPU 1 has had
	_    [60]byte
	stop arch.Word
	_    [60]byte
}

func (d *duel) fight(c *paravirt.CPU, k *spinlock.Kind) {
	random := arch.NewRand(1, uint64(c.ID()))
	for round := uint32(1); ; round++ {
		if c.ID() == 0 {
			if c.Load32(d.stop.Whole()) != 0 {
				c.Store32(d.turn.Whole(), ^uint32(0))
				return
			}
			k.Lock(&d.lock, c)
			c.Store32(d.turn.Whole(), round)
			c.Work(random.Below(200))
			k.Unlock(&d.lock, c)
			c.Store32(d.out.Whole(), round)
			c.SpinWhile32(d.had.Whole(), ^uint32(0), round-1, arch.Forever)
			continue
		}
		turn, _ := c.SpinWhile32(d.turn.Whole(), ^uint32(0), round-1, arch.Forever)
		if turn == ^uint32(0) {
			return
		}
		c.Work(random.Below(200))
		k.Lock(&d.lock, c)
		k.Unlock(&d.lock, c)
		c.Store32(d.had.Whole(), round)
	}
}

// What xen2008 loses is found from outside, made good and counted; xen loses nothing. (How often
// xen2008's unlock looks for waiters before its store of the free byte is seen is a matter of the
// processor's, some in a million rounds. It may be never in the time that the test has.)
func TestLostWakeUpsAreMadeGood(t *testing.T) {
	for _, name := range []string{"xen2008", "xen"} {
		t.Run(name, func(t *testing.T) {
			k := kind(t, name)
			k.Tunables.Spin = paravirt.None
			newMachine(t, 2)
			d := new(duel)
			m, err := onKVM(
				machine.Config{VCPUs: 2, HostCPUs: testCPUs(t), Tunables: k.Tunables, Stats: true})
			if err != nil {
				t.Fatal(err)
			}
			lost, over := 0, atomic.Bool{}
			watched := make(chan struct{})
			_, err = m.Run(
				func() {
					go func() {
						defer close(watched)
						var c arch.Core
						end := time.Now().Add(*hold)
						for last := uint32(0); !over.Load(); time.Sleep(5 * time.Millisecond) {
							if time.Now().After(end) {
								c.Store32(d.stop.Whole(), 1)
							}
							had := c.Load32(d.had.Whole())
							// Asleep, and the vCPU that could have woken it has done so already.
							if had == last && c.Load32(d.out.Whole()) == had+1 &&
								m.Paravirt().Asleep(1) {
								lost++
								m.Paravirt().Rescue(1)
							}
							last = had
						}
					}()
				},
				func(c *paravirt.CPU) { d.fight(c, &k) },
			)
			over.Store(true)
			<-watched
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%d lost in %d rounds, %d polls", lost, arch.Core{}.Load32(d.had.Whole()),
				m.Paravirt().CPU(1).Stats().Events[paravirt.EventWakeup].Value())
			if !k.LosesWakeups && lost > 0 {
				t.Errorf("%d lost wake-ups", lost)
			}
		})
	}
}
