package pvlock

import (
	"slices"

	"example.com/pvlock/internal/arch"
)

// checkSpinlocks says whether each P keeps a list of the Spinlocks that its goroutine holds: in a
// program that is built with the tag pvlockdebug, where pinning makes the P's goroutine the only
// one that uses the list.
const checkSpinlocks = arch.Debug && SpinlockPins

// heldSpinlocks is these lists. Ps beyond share none, and check nothing.
var heldSpinlocks [512]struct {
	locks []*Spinlock
	_     [40]byte
}

// noteLock notes that the goroutine, pinned, has locked l.
func noteLock(c arch.Core, l *Spinlock) {
	p := c.Pin()
	c.Unpin()
	if p < len(heldSpinlocks) {
		heldSpinlocks[p].locks = append(heldSpinlocks[p].locks, l)
	}
}

// mustNotHave ends the program if the goroutine, pinned to P p, is about to wait for l and holds
// it.
func mustNotHave(c arch.Core, p int, l *Spinlock) {
	if p < len(heldSpinlocks) && slices.Contains(heldSpinlocks[p].locks, l) {
		c.Fatal("pvlock: a goroutine locks a Spinlock that it holds")
	}
}

// noteUnlock notes that the goroutine, pinned to P p, unlocks l, and ends the program if it doesn't
// hold it.
func noteUnlock(c arch.Core, p int, l *Spinlock) {
	if p >= len(heldSpinlocks) {
		return
	}
	locks := heldSpinlocks[p].locks
	i := slices.Index(locks, l)
	if i < 0 {
		if len(locks) == 0 {
			c.Unpin()
			notHeld(c)
		}
		c.Fatal(notHeldMessage)
	}
	heldSpinlocks[p].locks = slices.Delete(locks, i, i+1)
}

const notHeldMessage = "pvlock: unlock of a Spinlock that the goroutine does not hold"

// othersFirst is for how long the runtime's own message may come first, in ns.
const othersFirst = 1e9

// notHeld ends the program because a goroutine that holds no Spinlock, and is not pinned, unlocks
// one. If another goroutine has locked it, that one may be about to block: the runtime then ends
// the program at the same time, and two such ends at once can wait for each other for ever. So the
// runtime gets the time to be the only one, on a machine where the kernel has taken the holder's
// thread, too. (Not by a sleep, which in a bubble of testing/synctest might not end.)
func notHeld(c arch.Core) {
	for began := c.Nanotime(); c.Nanotime()-began < othersFirst; {
		c.Yield()
	}
	c.Fatal(notHeldMessage)
}
