package spinlock

import (
	"example.com/pvlock/internal/arch"
	"example.com/pvlock/paravirt"
)

// ByteLock is the byte lock that Xen guests used before the 2008 lock
// (paravirt_use_bytelocks, which the seed takes out): a lock byte and a count of
// spinners. Exchange; on failure count yourself, look until it is free, uncount, and
// exchange again. Unfair, never sleeps.
//
// The count is a byte, as it was: with 256 waiters IsContended says no. Nothing else depends
// on it.
type ByteLock struct{ word arch.Word }

func (l *ByteLock) lock() *arch.U8     { return l.word.Byte(0) }
func (l *ByteLock) spinners() *arch.U8 { return l.word.Byte(1) }

// Lock takes the lock. The byte exchange is an assembly leaf: Go has no
// intrinsic for it.
func (l *ByteLock) Lock(c *paravirt.CPU) {
	// Acquires: an exchange. Its partner is the store in Unlock.
	if c.Xchg8(l.lock(), 1) != 0 {
		l.lockSlow(c)
	}
}

func (l *ByteLock) lockSlow(c *paravirt.CPU) {
	a := c.Contend()
	for {
		c.Head(0)
		c.Add8(l.spinners(), 1)
		_, n := c.SpinWhile8(l.lock(), 0xff, 1, arch.Forever)
		a.Rounds += uint64(n)
		c.Add8(l.spinners(), ^uint8(0))
		if c.Xchg8(l.lock(), 1) == 0 {
			c.Acquired(&a)
			return
		}
	}
}

// Unlock releases the lock.
func (l *ByteLock) Unlock(c *paravirt.CPU) {
	if debug {
		mustHold(c, l.IsLocked(c), "ByteLock")
	}
	c.Store8(l.lock(), 0)
}

// TryLock takes the lock if it is free.
func (l *ByteLock) TryLock(c *paravirt.CPU) bool { return c.Xchg8(l.lock(), 1) == 0 }

// IsLocked reports whether the lock is held.
func (l *ByteLock) IsLocked(c *paravirt.CPU) bool { return c.Load8(l.lock()) != 0 }

// IsContended reports whether somebody spins.
func (l *ByteLock) IsContended(c *paravirt.CPU) bool { return c.Load8(l.spinners()) != 0 }

func byteLock() methods[ByteLock] {
	type l = ByteLock
	return methods[l]{(*l).IsLocked, (*l).IsContended, (*l).Lock, (*l).TryLock, (*l).Unlock}
}
