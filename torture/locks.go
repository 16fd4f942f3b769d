package torture

import (
	"context"
	"runtime"
	"time"

	"example.com/pvlock/internal/arch"
	"example.com/pvlock/paravirt"
	"example.com/pvlock/result"
	"example.com/pvlock/rig"
	"example.com/pvlock/spinlock"
)

// lock is a lock that can be tortured.
type lock struct {
	kind spinlock.Kind
	// control is the finding that it must show; "" if it is no control.
	control string
	// by is the torment without which a control can't show what it must; "" if it needs none.
	by string
	// known are the findings that are known of it.
	known []string
	// on is the only machine that it is for; "" is any.
	on string
	// give is Lock that may give up.
	give func(w *arch.Word, c *paravirt.CPU) bool
	// yield lets others run while the lock is held, which only some locks allow.
	yield func()
	// stretch is by how much the critical section and the time between two are longer than others':
	// a mutex whose waiters sleep is seldom found taken by two goroutines that do little else. 0 is
	// not at all.
	stretch stretch
	// keeps says that its memory may not be used for something else while an Unlock is still under
	// way.
	keeps bool
}

type stretch struct{ critical, think uint32 }

// locks returns all locks: the catalogue, what a program imports, and the controls.
func locks() []lock {
	var all []lock
	for _, k := range spinlock.Kinds() {
		l := lock{kind: k}
		if k.LosesWakeups {
			l.known = []string{result.FindingLost}
		}
		all = append(all, l)
	}
	all = append(all,
		lock{
			kind: spinlock.Kind{
				Name: "mutex", About: "pvlock.Mutex", From: "what a program imports", Sleeps: true,
				MaxCPUs: paravirt.MaxCPUs,
				Lock:    mutexLock, Unlock: mutexUnlock, TryLock: mutexTry, IsLocked: wordIs,
				IsContended: never,
			},
			on: rig.Goroutines, give: mutexGive, yield: runtime.Gosched, keeps: true,
			stretch: stretch{30, 45},
		},
		lock{
			kind: spinlock.Kind{
				Name: "spinlock", About: "pvlock.Spinlock", From: "what a program imports",
				Sleeps: true, MaxCPUs: paravirt.MaxCPUs,
				Lock: spinlockLock, Unlock: spinlockUnlock, TryLock: spinlockTry, IsLocked: wordIs,
				IsContended: never,
			},
			on: rig.Goroutines,
		},
	)
	return append(all, controlLocks()...)
}

// Locks returns the names of all locks, controls included.
func Locks() []string {
	var names []string
	for _, l := range locks() {
		names = append(names, l.kind.Name)
	}
	return names
}

func wordIs(w *arch.Word, c *paravirt.CPU) bool { return c.Load32(w.Whole()) != 0 }

// The locks that a program imports keep no counters. What counts as the slow path is to have found
// it taken, by a TryLock just before.

func mutexLock(w *arch.Word, c *paravirt.CPU) {
	if m := mutexOf(w); !m.TryLock() {
		c.Count(paravirt.Contended)
		m.Lock()
	}
}

func mutexUnlock(w *arch.Word, _ *paravirt.CPU)   { mutexOf(w).Unlock() }
func mutexTry(w *arch.Word, _ *paravirt.CPU) bool { return mutexOf(w).TryLock() }

// mutexGive gives up after a while that many waits outlast.
func mutexGive(w *arch.Word, c *paravirt.CPU) bool {
	m := mutexOf(w)
	if m.TryLock() {
		return true
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if m.LockContext(ctx) != nil {
		return false
	}
	c.Count(paravirt.Contended)
	return true
}

const patience = 20 * time.Microsecond

func spinlockLock(w *arch.Word, c *paravirt.CPU) {
	if l := spinlockOf(w); !l.TryLock() {
		c.Count(paravirt.Contended)
		l.Lock()
	}
}

func spinlockUnlock(w *arch.Word, _ *paravirt.CPU)   { spinlockOf(w).Unlock() }
func spinlockTry(w *arch.Word, _ *paravirt.CPU) bool { return spinlockOf(w).TryLock() }
