package spinlock

import (
	"example.com/pvlock/internal/arch"
	"example.com/pvlock/paravirt"
)

// QSpin is the native queued spinlock (seed 2015's series): four bytes, fair, and each waiter but
// the first two spins on a cache line of its own CPU's. The first waiter waits on the lock itself,
// by the pending bit, and needs no queue; the others are an MCS queue of per-CPU nodes.
//
// It is the best lock here as long as every CPU runs, and stands still when a queued waiter's
// doesn't.
//
// Mended against the seed's day: a newcomer doesn't wait for ever for a
// hand-over that is under way (2018), and a fifth nested wait on one CPU does not
// run out of nodes (2019).
type QSpin struct{ word arch.Word }

// Lock takes the lock.
func (l *QSpin) Lock(c *paravirt.CPU) {
	// Acquires: a locked instruction. Its partner is the store in Unlock.
	if !c.Cas32(l.word.Whole(), 0, lockedOnly) {
		nativeSlow(c, &l.word)
	}
}

// nativeSlow is the native slow path, outlined so that Lock can be inlined. In the table, (locked,
// pending, tail) before and after.
func nativeSlow(c *paravirt.CPU, w *arch.Word) {
	a := c.Contend()
	v := c.Load32(w.Whole())

	// A hand-over from pending to locked is under way: give it a moment.
	//	0,1,0 → 1,0,0
	if v == pendingOnly {
		var n uint32
		v, n = c.SpinWhile32(w.Whole(), ^uint32(0), pendingOnly,
			paravirt.Rounds(c.Tunables().Pending, budgetPending))
		a.Rounds += uint64(n)
	}

	// Take the lock, or become pending; if anybody waits, queue.
	//	0,0,0 → 1,0,0
	//	1,0,0 → 1,1,0
	for {
		if v&^lockedMask != 0 {
			nativeQueue(c, w, &a)
			break
		}
		if v == 0 {
			if c.Cas32(w.Whole(), 0, lockedOnly) {
				break
			}
		} else if c.Cas32(w.Whole(), v, v|pendingOnly) {
			awaitOwner(c, w, &a)
			break
		}
		v = c.Load32(w.Whole())
	}
	c.Acquired(&a)
}

// awaitOwner waits as the pending one for the holder to go away, and takes the lock.
//
//	1,1,* → 0,1,* → 1,0,*
//
// Nobody else takes the lock while pending is set, so a plain store of both
// bytes does it. The look acquires; its partner is the store in Unlock.
func awaitOwner(c *paravirt.CPU, w *arch.Word, a *paravirt.Acquisition) {
	c.Count(paravirt.LockPending)
	if c.Load32(w.Whole())&lockedMask != 0 {
		_, n := c.SpinWhile32(w.Whole(), lockedMask, locked, arch.Forever)
		a.Rounds += uint64(n)
	}
	c.Store16(lockedPending(w), lockedOnly)
}

func nativeQueue(c *paravirt.CPU, w *arch.Word, a *paravirt.Acquisition) {
	node, code, ok := takeNode(c)
	if !ok {
		withoutNode(c, w, a)
		c.DropNode()
		return
	}
	c.Store32(&node.Locked, 0)
	c.Store32(&node.Next, 0)

	// The lock may have become free while the node was fetched.
	if c.Load32(w.Whole()) != 0 || !c.Cas32(w.Whole(), 0, lockedOnly) {
		if join(c, w, code) != 0 {
			awaitLocked(c, node, a)
		}
		//	0,0,me → 1,0,0    or    0,0,other → 1,0,other
		if next := leave(c, w, node, code, awaitFree(c, w, a)); next != 0 {
			handOver(c, next)
		}
	}
	c.DropNode()
}

// Unlock releases the lock: one byte, one plain store.
func (l *QSpin) Unlock(c *paravirt.CPU) {
	if debug {
		mustHold(c, c.Load8(lockedByte(&l.word)) == locked, "QSpin")
	}
	c.Store8(lockedByte(&l.word), unlocked)
}

// TryLock takes the lock if it is free and nobody waits.
func (l *QSpin) TryLock(c *paravirt.CPU) bool { return queuedTry(c, &l.word) }

func queuedTry(c *paravirt.CPU, w *arch.Word) bool {
	return c.Load32(w.Whole()) == 0 && c.Cas32(w.Whole(), 0, lockedOnly)
}

// IsLocked reports whether the lock is held or waited for: a lock on its way from
// one to the next counts as locked.
func (l *QSpin) IsLocked(c *paravirt.CPU) bool { return c.Load32(l.word.Whole()) != 0 }

// IsContended reports whether somebody waits.
func (l *QSpin) IsContended(c *paravirt.CPU) bool { return queuedContended(c, &l.word) }

func queuedContended(c *paravirt.CPU, w *arch.Word) bool {
	return c.Load32(w.Whole())&^lockedMask != 0
}

func qspin() methods[QSpin] {
	type l = QSpin
	return methods[l]{(*l).IsLocked, (*l).IsContended, (*l).Lock, (*l).TryLock, (*l).Unlock}
}
