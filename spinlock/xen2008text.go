package spinlock

import (
	"example.com/pvlock/internal/arch"
	"example.com/pvlock/paravirt"
)

// Xen2008Text is the Xen spinlock of 2008 as the text of its commit has it, where
// that differs from the code: "The locker decrements the byte; if the result is
// 0, then they have the lock. If the lock is negative, then locker must spin
// until the lock is positive again", for 2^16 rounds. That is the x86 spinlock
// of before the ticket lock, whose byte is 1 when it is free. Blocking and
// unlocking are [Xen2008]'s, with its faults.
//
// So that the zero value is a free lock, the byte is kept one lower than the text
// counts: 0 is the text's 1 (free), -1 its 0 (held), and anything less its negative numbers (held,
// and somebody tried).
//
// A waiter takes the byte down when it comes, and again only after it has seen it positive: no more
// than once while the lock is held. More than 127 waiters would take it round to positive, and two
// would hold the lock. A CPU may wait in four contexts: MaxCPUs in the catalogue says 32.
type Xen2008Text struct{ word arch.Word }

func (l *Xen2008Text) lock() *arch.U8      { return l.word.Byte(0) }
func (l *Xen2008Text) spinners() *arch.U16 { return l.word.Half(1) }

const (
	textHeld = 0xff // the text's 0, one lower
	textSign = 0x80 // set in the text's 0 and its negative numbers, one lower
)

// Lock takes the lock.
func (l *Xen2008Text) Lock(c *paravirt.CPU) {
	if c.Add8(l.lock(), ^uint8(0)) != textHeld {
		l.lockContended(c)
	}
}

func (l *Xen2008Text) lockContended(c *paravirt.CPU) {
	a := c.Contend()
	for {
		for budget := paravirt.Rounds(c.Tunables().Spin, budget2008text); ; {
			c.Head(budget)
			v, n := c.SpinWhile8(l.lock(), textSign, textSign, budget)
			a.Rounds += uint64(n)
			if v&textSign != 0 {
				break
			}
			if c.Add8(l.lock(), ^uint8(0)) == textHeld {
				c.Acquired(&a)
				return
			}
			budget = spend(budget, n-1)
		}
		if xen2008Slow(c, &l.word, textHeld, &a) ||
			c.Load8(l.lock())&textSign == 0 && c.Add8(l.lock(), ^uint8(0)) == textHeld {
			c.Acquired(&a)
			return
		}
	}
}

// Unlock releases the lock, and notifies a waiter if one is counted.
func (l *Xen2008Text) Unlock(c *paravirt.CPU) {
	if debug {
		mustHold(c, l.IsLocked(c), "Xen2008Text")
	}
	c.Store8(l.lock(), 0)
	// No fence, as in Xen2008.
	if c.Load16(l.spinners()) != 0 {
		xen2008UnlockSlow(c, &l.word)
	}
}

// TryLock takes the lock if it is free. It sets the byte to held without
// counting its attempt, which the text doesn't mention and its ancestor did.
func (l *Xen2008Text) TryLock(c *paravirt.CPU) bool { return c.Xchg8(l.lock(), textHeld) == 0 }

// IsLocked reports whether the lock is held.
func (l *Xen2008Text) IsLocked(c *paravirt.CPU) bool { return c.Load8(l.lock()) != 0 }

// IsContended reports whether a CPU is in the slow path.
func (l *Xen2008Text) IsContended(c *paravirt.CPU) bool { return c.Load16(l.spinners()) != 0 }

func xen2008Text() methods[Xen2008Text] {
	type l = Xen2008Text
	return methods[l]{(*l).IsLocked, (*l).IsContended, (*l).Lock, (*l).TryLock, (*l).Unlock}
}
