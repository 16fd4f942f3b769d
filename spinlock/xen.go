package spinlock

import (
	"example.com/pvlock/internal/arch"
	"example.com/pvlock/paravirt"
)

// Xen is the Xen spinlock of 2008 with every fault that was later found in it
// mended. Like it, it is unfair, spins a bounded number of rounds (2^10 by default),
// then announces itself and blocks, and a wake-up is a hint.
//
// What differs from [Xen2008], and when Linux came to it:
//
//   - Unlock releases and reads the count of waiters in one locked addition, which is the
//     fence that was missing (2009), and leaves nothing to read after the release: from then on
//     the lock's memory is not touched. (The ticket locks came to the same in 2015.)
//   - A waiter saves which lock an outer context of its CPU waits for and puts it back; and if
//     it takes its lock without blocking, it leaves the channel pending, so that the
//     outer one looks again before it blocks (August 2008).
//   - A waiter that is interrupted does not count as notified: another one is notified as well, for
//     the interrupt may be waiting for what that one would do. (Linux notifies all, since 2013.)
//   - A CPU that is not online does not block (2013).
//   - A CPU without an event channel is not kicked (2016), and a non-maskable interrupt
//     does not block (2018).
//   - A poll that ends with nothing pending is repeated without leaving the slow path (August
//     2008).
//
// And what Linux never mended: a waiter that has been notified, and has not looked yet, is not
// notified again, and no other one is meanwhile (paravirt/announce.go). On Xen each notification is
// a hypercall, and on KVM an exit.
//
// What Linux also did for latency, to enable interrupts while blocked, has no
// counterpart: here they are never disabled.
type Xen struct{ word arch.Word }

func (l *Xen) lock() *arch.U8      { return l.word.Byte(0) }
func (l *Xen) spinners() *arch.U16 { return l.word.Half(1) }

// Lock takes the lock.
func (l *Xen) Lock(c *paravirt.CPU) {
	// Acquires: a compare-and-swap of the whole word, which Go inlines, where the byte exchange is
	// a call. It fails also when the lock is free and a CPU is in the slow path; then lockContended
	// exchanges. Its partner is the addition in Unlock.
	if !c.Cas32(l.word.Whole(), 0, 1) {
		l.lockContended(c)
	}
}

func (l *Xen) lockContended(c *paravirt.CPU) {
	if l.TryLock(c) {
		return
	}
	a := c.Contend()
	for {
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
		if l.lockSlow(c, &a) {
			c.Acquired(&a)
			return
		}
	}
}

// lockSlow announces the CPU, looks once more, and blocks. It reports whether it took the
// lock in one of its looks, of which the last comes when nobody will notify it any more.
//
//	waiter                          unlocker
//	[S]   lock_spinners = lock      [RMW] lock 1→0, reads spinners
//	[RMW] (1) spinners++            [L]   (3) lock_spinners
//	[RMW] (2) clear pending               notify
//	[RMW] lock
//
// If the unlocker's addition reads the count without (1), then (1) and with
// it the waiter's look at the lock come later, and find the lock released. If it
// reads the count with (1), then (3) finds the waiter's slot, which was
// stored before (1). Whom it notifies, and how often, is argued in paravirt/announce.go.
//
// An interrupt in here may leave the slot for a while with another lock in it, and
// then (3) misses it. Such an interrupt waited for a lock itself: it leaves the
// channel pending, and the waiter looks again.
func (l *Xen) lockSlow(c *paravirt.CPU, a *paravirt.Acquisition) (got bool) {
	// A CPU that unlockers would not find, or that can't be notified, just spins, and so
	// does a non-maskable interrupt.
	if !c.Bound() || !c.Online() || c.InNMI() {
		return l.TryLock(c)
	}
	a.Blocks++
	c.Count(paravirt.TakenSlow)
	ann := c.Announce(c.Addr(&l.word))
	c.CountIf(paravirt.TakenSlowNested, ann.Nested())
	c.Add16(l.spinners(), 1)

	for {
		c.Head(uint32(ann.Outer()))
		c.ReadyToLook()
		if got = c.Xchg8(l.lock(), 1) == 0; got {
			c.Count(paravirt.TakenSlowPickup)
			break
		}
		c.Poll()
		if c.TestPending() {
			break
		}
		c.Count(paravirt.TakenSlowSpurious)
	}

	// The order of the two doesn't matter. An unlocker may notify this CPU in between for nothing,
	// or in the other order find it counted and not notify it: it has the lock, or looks once more
	// below.
	c.Add16(l.spinners(), ^uint16(0))
	c.Unannounce(&ann)
	if !got {
		got = c.Xchg8(l.lock(), 1) == 0
	}
	c.Looked(&ann)
	return got
}

// Unlock releases the lock, and notifies its waiters if any are counted.
func (l *Xen) Unlock(c *paravirt.CPU) {
	if debug {
		mustHold(c, l.IsLocked(c), "Xen")
	}
	// Releases, fences and looks in one: the lock byte is 1, and the count above it
	// comes back with the sum. Its partners are (1) in lockSlow, and the next Lock.
	if c.Add32(l.word.Whole(), ^uint32(0)) > 0xffff {
		l.unlockSlow(c)
	}
}

// unlockSlow lets one of those who wait look. It uses the lock's address as a number only: the lock
// may be gone.
func (l *Xen) unlockSlow(c *paravirt.CPU) {
	c.Count(paravirt.ReleasedSlow)
	c.WakeWaiter(c.Addr(&l.word))
}

// TryLock takes the lock if it is free.
func (l *Xen) TryLock(c *paravirt.CPU) bool { return c.Xchg8(l.lock(), 1) == 0 }

// IsLocked reports whether the lock is held.
func (l *Xen) IsLocked(c *paravirt.CPU) bool { return c.Load8(l.lock()) != 0 }

// IsContended reports whether a CPU is in the slow path; one that still spins
// doesn't count.
func (l *Xen) IsContended(c *paravirt.CPU) bool { return c.Load16(l.spinners()) != 0 }

func xen() methods[Xen] {
	type l = Xen
	return methods[l]{(*l).IsLocked, (*l).IsContended, (*l).Lock, (*l).TryLock, (*l).Unlock}
}
