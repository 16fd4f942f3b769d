package spinlock

import (
	"math/bits"

	"example.com/pvlock/internal/arch"
	"example.com/pvlock/paravirt"
)

// Xen2008 is the Xen spinlock of 2008 to the letter of its code, faults included:
// the same accesses, of the same width, in the same order. [Xen] is the same lock
// mended.
//
// The lock is a byte. A waiter spins Tunables.Spin rounds (2^10 in the code, 2^16 in the text) in
// one go, exchanging whenever it sees the byte 0; then it says on its CPU which lock it waits for,
// counts itself in the lock, and blocks on its event channel. An unlocker that finds the count
// non-zero notifies the first online CPU that says it waits for this lock. A wake-up is a hint: the
// woken CPU starts over. Unfair.
//
// Its faults, each of which a scenario of the model checker finds:
//
//   - Unlock has only a compiler barrier between the release and the look at spinners. The store
//     may still be in the store buffer: a wake-up is lost (mended in 2009).
//   - lock_spinners is one slot: a nested waiter overwrites it, and swallows the outer one's
//     wake-up (2008).
//   - The first waiter found is notified, who may be the one that can't proceed
//     (2013).
//   - spinners is read after the release, when the lock may be gone.
//   - A CPU that is bound but not yet online blocks, and is never found (2013).
type Xen2008 struct{ word arch.Word }

func (l *Xen2008) lock() *arch.U8      { return l.word.Byte(0) } // 0 free, 1 locked
func (l *Xen2008) spinners() *arch.U16 { return l.word.Half(1) } // CPUs that are in the slow path

// Lock takes the lock.
func (l *Xen2008) Lock(c *paravirt.CPU) {
	if c.Xchg8(l.lock(), 1) != 0 {
		l.lockContended(c)
	}
}

// lockContended continues Lock after an exchange that found the lock held.
func (l *Xen2008) lockContended(c *paravirt.CPU) {
	a := c.Contend()
	for {
		// One budget covers all exchanges of a go; a look that finds the byte free is
		// not charged to it.
		for budget := paravirt.Rounds(c.Tunables().Spin, budget2008); ; {
			c.Head(budget)
			v, n := c.SpinWhile8(l.lock(), 0xff, 1, budget)
			a.Rounds += uint64(n)
			if v != 0 {
				break
			}
			if c.Xchg8(l.lock(), 1) == 0 {
				c.Acquired(&a)
				return
			}
			budget = spend(budget, n-1)
		}
		if xen2008Slow(c, &l.word, 1, &a) || c.Xchg8(l.lock(), 1) == 0 {
			c.Acquired(&a)
			return
		}
	}
}

// Unlock releases the lock, and notifies a waiter if one is counted.
func (l *Xen2008) Unlock(c *paravirt.CPU) {
	if debug {
		mustHold(c, l.IsLocked(c), "Xen2008")
	}
	c.Store8(l.lock(), 0)
	// A compiler barrier stood here, and no fence: on x86 the look may come before
	// the store is visible. A waiter that counts itself and looks at the byte in between
	// finds it locked and blocks, and this look finds no waiter.
	if c.Load16(l.spinners()) != 0 {
		xen2008UnlockSlow(c, &l.word)
	}
}

// TryLock takes the lock if it is free.
func (l *Xen2008) TryLock(c *paravirt.CPU) bool { return c.Xchg8(l.lock(), 1) == 0 }

// IsLocked reports whether the lock is held.
func (l *Xen2008) IsLocked(c *paravirt.CPU) bool { return c.Load8(l.lock()) != 0 }

// IsContended reports whether a CPU is in the slow path; one that still spins
// doesn't count.
func (l *Xen2008) IsContended(c *paravirt.CPU) bool { return c.Load16(l.spinners()) != 0 }

// xen2008Slow says what the CPU waits for, looks once more, and blocks. It reports
// whether the last look took the lock: by exchanging the lock byte for taken, where 0
// is free.
func xen2008Slow(c *paravirt.CPU, word *arch.Word, taken uint8, a *paravirt.Acquisition) bool {
	// Without an event channel, just spin.
	if !c.Bound() {
		return false
	}
	a.Blocks++
	c.Count(paravirt.TakenSlow)
	slot, spinners := &c.Slot().Lock, word.Half(1)

	// Say which lock, then count: an unlocker that finds the count finds the lock as well.
	//
	//	waiter                      unlocker
	//	[S]   lock_spinners = lock  [S] lock = 0
	//	[RMW] spinners++            [L] spinners
	//	[RMW] clear pending         [L] lock_spinners
	//	[RMW] lock                  notify
	//
	// The waiter's half is right: three locked instructions.
	c.StorePtr(slot, c.Addr(word))
	c.Add16(spinners, 1)

	c.ClearPending()
	if c.Xchg8(word.Byte(0), taken) == 0 {
		c.Count(paravirt.TakenSlowPickup)
		c.Add16(spinners, ^uint16(0))
		c.StorePtr(slot, 0)
		return true
	}

	c.Poll()

	// Uncount, then clear the slot; and clear it, whatever it held before.
	c.Add16(spinners, ^uint16(0))
	c.StorePtr(slot, 0)
	return false
}

// xen2008UnlockSlow notifies the first online CPU that says it waits for the lock.
func xen2008UnlockSlow(c *paravirt.CPU, word *arch.Word) {
	c.Count(paravirt.ReleasedSlow)
	m, want := c.Machine(), c.Addr(word)
	online := m.Online()
	for i := range online {
		for mask := c.Load32(&online[i]); mask != 0; mask &= mask - 1 {
			cpu := uint32(i*32 + bits.TrailingZeros32(mask))
			if c.LoadPtr(&m.Slot(cpu).Lock) == want {
				c.Count(paravirt.ReleasedSlowKicked)
				c.Notify(cpu)
				return
			}
		}
	}
}

func xen2008() methods[Xen2008] {
	type l = Xen2008
	return methods[l]{(*l).IsLocked, (*l).IsContended, (*l).Lock, (*l).TryLock, (*l).Unlock}
}
