package spinlock

import (
	"example.com/pvlock/internal/arch"
	"example.com/pvlock/paravirt"
)

// Backoff is test-and-set with exponential backoff (T. E. Anderson, 1990): a waiter that finds the
// lock taken looks again later, and waits twice as long each time. The holder keeps its cache line
// for longer than with [TAS]. Unfair, and more so than TAS: an old waiter looks seldom.
type Backoff struct{ word arch.Word } // 0 free, 1 held

// maxDelay is after how many rounds a waiter looks again at the latest: some µs.
const maxDelay = 1 << 7

// Lock takes the lock.
func (l *Backoff) Lock(c *paravirt.CPU) {
	// Acquires: a locked instruction. Its partner is the store in Unlock.
	if !c.Cas32(l.word.Whole(), unlocked, locked) {
		l.lockSlow(c)
	}
}

// lockSlow is outlined so that Lock can be inlined.
func (l *Backoff) lockSlow(c *paravirt.CPU) {
	a := c.Contend()
	for delay := uint32(1); ; delay = min(2*delay, maxDelay) {
		c.Head(delay)
		if l.TryLock(c) {
			c.Acquired(&a)
			return
		}
		c.Delay(delay)
		a.Rounds += uint64(delay)
	}
}

// Unlock releases the lock.
func (l *Backoff) Unlock(c *paravirt.CPU) {
	if debug {
		mustHold(c, l.IsLocked(c), "Backoff")
	}
	c.Store8(l.word.Byte(0), unlocked)
}

// TryLock takes the lock if it is free.
func (l *Backoff) TryLock(c *paravirt.CPU) bool {
	return c.Load32(l.word.Whole()) == unlocked && c.Cas32(l.word.Whole(), unlocked, locked)
}

// IsLocked reports whether the lock is held.
func (l *Backoff) IsLocked(c *paravirt.CPU) bool { return c.Load32(l.word.Whole()) != unlocked }

// IsContended reports whether somebody waits: it can't tell, and says no.
func (l *Backoff) IsContended(c *paravirt.CPU) bool { return false }

func backoff() methods[Backoff] {
	type l = Backoff
	return methods[l]{(*l).IsLocked, (*l).IsContended, (*l).Lock, (*l).TryLock, (*l).Unlock}
}
