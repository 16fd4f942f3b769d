package spinlock

import (
	"example.com/pvlock/internal/arch"
	"example.com/pvlock/paravirt"
)

// TAS is test-and-set with PAUSE: what a queued spinlock becomes in a guest
// whose hypervisor offers nothing (Linux's virt_spin_lock; seed 2015's series).
//
// It is not fair at all, and has no queue that could stand still: a waiter that is
// off its CPU is in nobody's way. A holder that is costs the waiters their slices.
//
// The kernel of the seed's day exchanged without looking first; the look was added
// in September 2015 and is here, for without it waiters take the line from the
// holder in each round.
type TAS struct{ word arch.Word }

// The values of the locked byte, here and in the queued locks.
const (
	unlocked = 0
	locked   = 1
)

// Lock takes the lock.
func (l *TAS) Lock(c *paravirt.CPU) {
	// Acquires: a locked instruction. Its partner is the store in Unlock.
	if !c.Cas32(l.word.Whole(), unlocked, locked) {
		l.lockSlow(c)
	}
}

// lockSlow is outlined so that Lock can be inlined.
func (l *TAS) lockSlow(c *paravirt.CPU) {
	a := c.Contend()
	tasSlow(c, l.word.Whole(), &a)
	c.Acquired(&a)
}

// tasSlow takes a lock word, whose whole value is 0 when it is free, by test-and-set.
func tasSlow(c *paravirt.CPU, word *arch.U32, a *paravirt.Acquisition) {
	for {
		c.Head(0)
		for v := c.Load32(word); v != unlocked; {
			var n uint32
			v, n = c.SpinWhile32(word, ^uint32(0), v, arch.Forever)
			a.Rounds += uint64(n)
		}
		if c.Cas32(word, unlocked, locked) {
			return
		}
	}
}

// Unlock releases the lock.
func (l *TAS) Unlock(c *paravirt.CPU) {
	if debug {
		mustHold(c, l.IsLocked(c), "TAS")
	}
	c.Store8(l.word.Byte(0), unlocked)
}

// TryLock takes the lock if it is free.
func (l *TAS) TryLock(c *paravirt.CPU) bool {
	return c.Load32(l.word.Whole()) == unlocked && c.Cas32(l.word.Whole(), unlocked, locked)
}

// IsLocked reports whether the lock is held.
func (l *TAS) IsLocked(c *paravirt.CPU) bool { return c.Load32(l.word.Whole()) != unlocked }

// IsContended reports whether somebody waits: a test-and-set lock can't tell,
// and says no.
func (l *TAS) IsContended(c *paravirt.CPU) bool { return false }

func tas() methods[TAS] {
	type l = TAS
	return methods[l]{(*l).IsLocked, (*l).IsContended, (*l).Lock, (*l).TryLock, (*l).Unlock}
}
