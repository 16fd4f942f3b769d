package paravirt

import (
	"math/bits"

	"example.com/pvlock/internal/arch"
)

// A waiter that sleeps announces itself: it says in its CPU's slot which lock it waits for, where
// an unlocker finds it. An unlocker chooses one waiter, and a waiter that is chosen looks at the
// lock. One notification is in flight for a waiter at most:
//
//	waiter                             unlocker
//	[S]   slot.Lock = lock             [RMW] releases the lock, and reads that somebody waits
//	[RMW] counts itself                [L]   (4) slot.Lock == lock?
//	[RMW] clear pending                [RMW] (5) slot.Kicked: 0 → 1
//	[S]   (1) slot.Kicked = 0          [L]   (6) slot.Interrupted?
//	[RMW] (2) looks at the lock        [L]   (7) slot.Lock == lock still?
//	      poll, which ends pending           notify, if Kicked was 0
//	[RMW] uncounts itself
//	[S]   slot.Lock = what it was
//	[RMW] (3) looks at the lock
//
// A chosen waiter looks after the release, and finds the lock free, or held by a CPU whose own
// release is to come. Therefore nobody else need be notified:
//
//   - If (5) finds Kicked set, then (1) comes after (5), and (2) after (1); or the waiter has been
//     notified, and looks when it wakes up.
//   - If (5) sets Kicked, a notification follows. The waiter clears its channel before (1). So a
//     notification that it swallows was for a Kicked that (1) clears as well, and (2) comes after
//     that unlocker's release. In the other order the waiter could clear Kicked, be chosen, and
//     swallow the notification: it would sleep, and Kicked would say for ever that it has been
//     notified.
//   - If the waiter gives its announcement up meanwhile, then (7) sees it, and the unlocker goes
//     on; or (3) comes after (7).
//
// A waiter that is interrupted does not look until the handler returns, and the handler may wait
// for another waiter of the same lock (Linux's deadlock of 2013). So an unlocker notifies an
// interrupted waiter and goes on to the next one; and an interrupt that finds its CPU chosen passes
// the choice on ([CPU.EnterInterrupt]).

// Announcement is what a waiter found in its CPU's slot: an interrupt's wait puts it back.
type Announcement struct {
	lock, watch arch.Addr
	interrupted uint32
	nested      bool
}

// Announce says that the CPU waits for a lock. The caller then counts itself in the lock, with a
// locked instruction.
func (c *CPU) Announce(lock arch.Addr) Announcement {
	s := c.Slot()
	a := Announcement{lock: c.LoadPtr(&s.Lock), watch: c.watch, nested: c.EnterWait()}
	c.watch = lock
	c.StorePtr(&s.Lock, lock)
	if a.nested {
		// After the store of the lock: an unlocker that takes the slot for the outer context's
		// finds at (6) that this is interrupted, or at (7) that it has gone.
		a.interrupted = c.Load32(&s.Interrupted)
		c.Store32(&s.Interrupted, 0)
	}
	return a
}

// Outer returns the lock that the interrupted context waits for, 0 for none.
func (a *Announcement) Outer() arch.Addr { return a.lock }

// Nested reports whether the wait is that of an interrupt, which came during another wait of its
// CPU.
func (a *Announcement) Nested() bool { return a.nested }

// ReadyToLook comes before each look at the lock after which the caller sleeps if the lock is held.
func (c *CPU) ReadyToLook() {
	c.ClearPending()
	c.Store32(&c.Slot().Kicked, 0) // (1)
}

// Unannounce ends what Announce began. The caller has uncounted itself. Unless it has the lock it
// now looks once more, with a locked instruction: (3). Then it calls Looked.
func (c *CPU) Unannounce(a *Announcement) {
	s := c.Slot()
	if a.nested {
		// Before the store of the lock, as in Announce.
		c.Store32(&s.Interrupted, a.interrupted)
	}
	c.StorePtr(&s.Lock, a.lock)
}

// Looked says that the CPU owes the lock no look any more.
func (c *CPU) Looked(a *Announcement) {
	c.watch = a.watch
	if a.nested {
		// The outer wait's pending bit may have been cleared. That wait may be for a lock of
		// another kind, and have nothing in the slot.
		c.SetPending()
	}
	c.ExitWait()
}

// WakeWaiter lets one of the CPUs look that have announced that they wait for a lock: the first
// after the calling one, so that none is always first. It notifies interrupted ones on the way as
// well.
func (c *CPU) WakeWaiter(lock arch.Addr) {
	online := c.m.online
	word, above := int(c.id/32), ^uint32(1)<<(c.id%32)
	for i := range len(online) + 1 {
		at := word + i
		if at >= len(online) {
			at -= len(online) // a division may panic, which a guest can't
		}
		mask := c.Load32(&online[at])
		switch i {
		case 0:
			mask &= above
		case len(online):
			mask &^= above
		}
		for ; mask != 0; mask &= mask - 1 {
			if c.choose(uint32(at*32+bits.TrailingZeros32(mask)), lock) {
				return
			}
		}
	}
}

// choose lets a CPU look at a lock if it waits for that. It reports whether it will.
func (c *CPU) choose(cpu uint32, lock arch.Addr) bool {
	s := c.m.Slot(cpu)
	if c.LoadPtr(&s.Lock) != lock { // (4)
		return false
	}
	inFlight := c.Xchg32(&s.Kicked, 1) != 0      // (5)
	interrupted := c.Load32(&s.Interrupted) != 0 // (6)
	waits := c.LoadPtr(&s.Lock) == lock          // (7)
	if inFlight {
		c.Count(EventCoalesced)
	} else {
		// Even if it has gone: it may have announced itself for another lock, and the unlocker of
		// that one relies on the notification that Kicked promises. It may have gone down since.
		c.Count(ReleasedSlowKicked)
		KickEvent(c, cpu)
	}
	return waits && !interrupted
}
