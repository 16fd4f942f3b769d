package bench

import (
	"sync"

	"example.com/pvlock/internal/arch"
	"example.com/pvlock/paravirt"
	"example.com/pvlock/spinlock"
	"example.com/pvlock/workload"
)

// A contender is a lock that takes part: of the catalogue, or a peer to compare
// the catalogue with.
type contender struct {
	kind spinlock.Kind
	peer bool
	// ops returns the functions for one lock.
	ops func() workload.Ops
}

// contenders returns the locks that can be measured on a machine, the catalogue
// first.
func contenders(on string) []contender {
	var all []contender
	for _, k := range spinlock.Kinds() {
		all = append(all, contender{kind: k, ops: func() workload.Ops {
			return workload.Ops{Lock: k.Lock, Unlock: k.Unlock}
		}})
	}
	if on == OnKVM {
		// The peers call the Go runtime and the kernel. In a guest there is neither.
		return all
	}
	all = append(all, contender{
		kind: spinlock.Kind{Name: syncName, About: "Go's mutex", From: "peer",
			MaxCPUs: paravirt.MaxCPUs},
		peer: true, ops: syncMutex,
	})
	if arch.HasFutex && (on == OnThreads || on == OnXen) {
		// On goroutines a sleeping thread would be more than the goroutine that waits.
		all = append(all, contender{
			kind: spinlock.Kind{Name: "futex", About: "three-state futex mutex, 100 rounds",
				From: "peer", MaxCPUs: paravirt.MaxCPUs},
			peer: true, ops: func() workload.Ops {
				return workload.Ops{Lock: futexLock, Unlock: futexUnlock}
			},
		})
	}
	return all
}

// syncName is the peer that keeps no counters.
const syncName = "sync.Mutex"

func syncMutex() workload.Ops {
	var mu sync.Mutex
	return workload.Ops{
		Lock:   func(*arch.Word, *paravirt.CPU) { mu.Lock() },
		Unlock: func(*arch.Word, *paravirt.CPU) { mu.Unlock() },
	}
}

// The futex mutex of Drepper's "Futexes are tricky" (the third one): 0 free, 1 held, 2 held and
// perhaps waited for; with a spin before the sleep, as adaptive mutexes have.
const futexSpin = 100

func futexLock(w *arch.Word, c *paravirt.CPU) {
	if !c.Cas32(w.Whole(), 0, 1) {
		futexLockSlow(w, c)
	}
}

func futexLockSlow(w *arch.Word, c *paravirt.CPU) {
	a := c.Contend()
	defer c.Acquired(&a)
	v := c.Load32(w.Whole())
	for budget := uint32(futexSpin); budget > 0; {
		if v == 0 {
			if c.Cas32(w.Whole(), 0, 1) {
				return
			}
			v = 1
		}
		var n uint32
		v, n = c.SpinWhile32(w.Whole(), ^uint32(0), v, budget)
		a.Rounds += uint64(n)
		budget -= n
	}
	for c.Xchg32(w.Whole(), 2) != 0 {
		a.Blocks++
		c.ParkThread(w.Whole(), 2)
	}
}

func futexUnlock(w *arch.Word, c *paravirt.CPU) {
	if c.Xchg32(w.Whole(), 0) == 2 {
		c.UnparkThread(w.Whole(), 1)
	}
}
