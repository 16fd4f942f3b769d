package spinlock

import (
	"example.com/pvlock/internal/arch"
	"example.com/pvlock/paravirt"
)

// PVQSpin is the paravirtual queued spinlock, repaired and grown up: what Linux made of
// [PVQSpin2015] by 2017, and one thing more.
//
// It is a hybrid of a fair and an unfair lock. While the head of the queue is awake it sets
// pending, and newcomers queue: first come, first served. While the head sleeps, or there is no
// queue, newcomers take the lock when they see it free, so that a sleeper doesn't hold it up. A
// head that has been kicked sets pending again, and is then served next: nobody is passed over for
// longer than its own wake-up takes.
//
// What differs from 2015:
//
//   - The hand-over of the queue's head does not kick a sleeping waiter: it enters it in the
//     table and makes the lock slow, so that the next unlock does, once (August 2015).
//   - A head that sleeps says hashed, not halted, so that its predecessor, who may
//     be late with the above, does not enter it a second time (2016).
//   - The unlocker kicks whatever state it finds (September 2015).
//   - Newcomers steal (2015), for longer than one attempt (2017); see Tunables.Steal. Linux lets
//     them try for as long as it is allowed, so that they burn their slices when the holder has
//     lost its CPU; here they queue, and sleep, after 2^10 rounds.
//   - A waiter whose predecessor doesn't run sleeps without spinning any longer (2015); see
//     Tunables.NoWaitEarly.
//   - Here alone: a head that was woken and then passed over sleeps again when its
//     budget is used up. Linux, not knowing whether its entry is still in the table, keeps
//     spinning.
type PVQSpin struct{ word arch.Word }

// Lock takes the lock.
func (l *PVQSpin) Lock(c *paravirt.CPU) {
	// Acquires: a locked instruction. Its partner is the exchange in Unlock, or the
	// store of unlockSlow.
	if !c.Cas32(l.word.Whole(), 0, lockedOnly) {
		pvSlow(c, &l.word)
	}
}

// pvSlow is the paravirtual slow path.
func pvSlow(c *paravirt.CPU, w *arch.Word) {
	a := c.Contend()
	node, code, ok := takeNode(c)
	if !ok {
		withoutNode(c, w, &a)
		c.DropNode()
		c.Acquired(&a)
		return
	}
	c.Store32(&node.Locked, 0)
	c.Store32(&node.Next, 0)
	c.Store32(&node.CPU, c.ID())
	c.Store8(node.State(), running)

	if !steal(c, w, &a) {
		if prev := join(c, w, code); prev != 0 {
			waitNode(c, node, code, prev, &a)
		}
		takeAtHead(c, w, node, code, &a)
		c.Head(code)
		if next := leave(c, w, node, code, c.Load32(w.Whole())); next != 0 {
			c.Head(next)
			handOver(c, next)
			kickNode(c, w, next)
		}
	}
	c.DropNode()
	c.Acquired(&a)
}

// steal takes the lock past the queue, if that is allowed and succeeds.
func steal(c *paravirt.CPU, w *arch.Word, a *paravirt.Acquisition) bool {
	budget := paravirt.Rounds(c.Tunables().Steal, budgetSteal)
	if budget == 0 {
		return queuedTry(c, w)
	}
	for {
		c.Head(budget)
		v := c.Load32(w.Whole())
		if v&waitMask == 0 && c.Cmpxchg8(lockedByte(w), unlocked, locked) == unlocked {
			c.Count(paravirt.LockStealing)
			return true
		}
		// With nobody in the queue, become its head, which sleeps when its budget is used up;
		// behind an awake head, queue. Only with a sleeping head is there something to try for.
		if v>>16 == 0 || v&pendingMask != 0 {
			return false
		}
		if budget = spend(budget, 1); budget == 0 {
			return false
		}
		_, n := c.SpinWhile32(w.Whole(), ^uint32(0), v, budget)
		a.Rounds += uint64(n)
		budget = spend(budget, n-1)
	}
}

// waitNode waits in the queue until the node is its head.
func waitNode(c *paravirt.CPU, node *paravirt.Node, code, prev uint32, a *paravirt.Acquisition) {
	t := c.Tunables()
	before := c.Machine().Node(prev)
	for woken := false; ; woken = true {
		c.Head(code<<16 | prev)
		if c.Load32(&node.Locked) != 0 {
			return
		}
		c.CountIf(paravirt.SpuriousWakeup, woken)

		early := false
		for budget := paravirt.Rounds(t.Spin, budget2015); budget > 0 && !early; {
			chunk := budget
			if !t.NoWaitEarly {
				chunk = min(budget, max(paravirt.Rounds(t.PrevCheck, budgetPrevCheck), 1))
			}
			v, n := c.SpinWhile32(&node.Locked, ^uint32(0), 0, chunk)
			a.Rounds += uint64(n)
			if v != 0 {
				return
			}
			budget = spend(budget, n)
			early = !t.NoWaitEarly && c.Load8(before.State()) != running
		}

		//	waiter                              predecessor
		//	[RMW] state = halted                [S]   (1) locked = 1
		//	[L]   (2) locked                    [RMW] state halted → hashed
		//	[RMW] (3) state halted → running
		//
		// One of the two sees the other's write: (2) finds the node at the head, or
		// the predecessor finds it halted. If the predecessor is first, (3) leaves
		// hashed in place: it has entered, or is about to enter, the node in
		// the table, and takeAtHead must not. Partner: kickNode.
		c.Xchg8(node.State(), halted)
		if c.Load32(&node.Locked) == 0 {
			a.Blocks++
			c.Count(paravirt.WaitNode)
			c.CountIf(paravirt.WaitEarly, early)
			c.Wait(node.State(), halted)
		}
		c.Cmpxchg8(node.State(), halted, running)
	}
}

// kickNode makes sure that the CPU of the node that has become the head of the queue, if it
// sleeps, is woken by the next unlock, which is the caller's own.
func kickNode(c *paravirt.CPU, w *arch.Word, next uint32) {
	// The exchange is a full fence whether it succeeds or not: it comes after the
	// store of locked in handOver. Partner: (2) in waitNode.
	node := c.Machine().Node(next)
	if c.Cmpxchg8(node.State(), halted, hashed) != halted {
		return
	}
	// The same CPU will look for both, at its unlock. No other order is needed.
	c.Store8(lockedByte(w), slow)
	hash(c, c.Addr(w), next)
}

// What the head of the queue knows of its entry in the table.
const (
	entryNone  = iota // there is none
	entryLater        // the predecessor has made one, or is about to, before it unlocks
	entryThere        // there was one, while the locked byte was slow
)

// takeAtHead takes the lock at the head of the queue.
func takeAtHead(c *paravirt.CPU, w *arch.Word, node *paravirt.Node, code uint32,
	a *paravirt.Acquisition) {
	entry := uint32(entryNone)
	if c.Load8(node.State()) == hashed {
		entry = entryLater
	}
	for waits := uint32(0); ; waits = 1 {
		c.Head(code<<2 | entry)
		// Awake: the successor needn't sleep early, and newcomers mustn't steal.
		c.Store8(node.State(), running)
		c.Store8(pendingByte(w), 1)
		if spinAtHead(c, w, a) {
			return
		}
		c.Head(code<<2 | entry)
		c.Store8(pendingByte(w), 0)

		// Only the head and its predecessor, once, make the locked byte slow, and only an
		// unlocker makes it anything else, having removed the entry. So an entry that was
		// there has gone if the byte isn't slow now: somebody unlocked, kicked,
		// and another was quicker. An entry that is still to come can't be told from
		// one that has gone; then Wait returns at once, and this spins on.
		switch v := c.Load8(lockedByte(w)); {
		case v == slow:
			entry = entryThere
		case entry == entryThere:
			entry = entryNone
		}

		if entry == entryNone {
			// The entry, then the value that makes the unlocker look for it.
			//
			//	head                      unlocker
			//	[RMW] entry               [RMW] locked 1 → 0, fails
			//	[RMW] locked ↔ slow       [L]   entry
			he := hash(c, c.Addr(w), code)
			if c.Xchg8(lockedByte(w), slow) == unlocked {
				// It was free, and now it is ours.
				c.Store8(lockedByte(w), locked)
				c.StorePtr(&he.Lock, 0)
				return
			}
			entry = entryThere
		}
		c.Head(code<<2 | entry)
		c.Store8(node.State(), hashed)
		a.Blocks++
		c.Count(paravirt.WaitHead)
		c.CountIf(paravirt.WaitAgain, waits != 0)
		c.Wait(lockedByte(w), slow)
	}
}

// spinAtHead spins for the lock at the head of the queue, with pending set, and
// takes both bytes at once when it comes free: (locked, pending) 0,1 → 1,0.
func spinAtHead(c *paravirt.CPU, w *arch.Word, a *paravirt.Acquisition) bool {
	for budget := paravirt.Rounds(c.Tunables().Spin, budget2015); ; {
		v := c.Load8(lockedByte(w))
		if v == unlocked {
			if c.Cmpxchg16(lockedPending(w), pendingOnly, lockedOnly) == pendingOnly {
				return true
			}
			// A newcomer that looked before pending was set was quicker.
			v = locked
		}
		if budget == 0 {
			return false
		}
		_, n := c.SpinWhile8(lockedByte(w), 0xff, v, budget)
		a.Rounds += uint64(n)
		budget = spend(budget, n)
	}
}

// Unlock releases the lock, and kicks the CPU at the head of the queue if it
// sleeps. The byte compare-and-swap is an assembly leaf.
func (l *PVQSpin) Unlock(c *paravirt.CPU) { pvUnlock(c, &l.word) }

func pvUnlock(c *paravirt.CPU, w *arch.Word) {
	// Releases. Partners: the exchange in takeAtHead that makes the byte slow, and
	// the next Lock.
	if c.Cmpxchg8(lockedByte(w), locked, unlocked) != locked {
		pvUnlockSlow(c, w)
	}
}

// UnlockFast releases the lock if nobody has to be kicked, and reports whether it did. It needs no
// more of the CPU than its instructions.
func (l *PVQSpin) UnlockFast(c *paravirt.CPU) bool {
	// As in pvUnlock.
	return c.Cmpxchg8(lockedByte(&l.word), locked, unlocked) == locked
}

func pvUnlockSlow(c *paravirt.CPU, w *arch.Word) {
	if c.Load8(lockedByte(w)) != slow {
		misused(c, "PVQSpin")
	}
	// Look the node up before the release: after it the lock's memory may be gone,
	// and another entry for the same lock may come. The node stays, it is its CPU's.
	m := c.Machine()
	node := m.Node(unhash(c, c.Addr(w)))
	c.Store8(lockedByte(w), unlocked)
	// In whatever state the node is by now: a needless kick is harmless, and the look
	// would have to be ordered after the store.
	c.Count(paravirt.KickUnlock)
	c.Kick(c.Load32(&node.CPU))
}

// TryLock takes the lock if it is free and nobody waits.
func (l *PVQSpin) TryLock(c *paravirt.CPU) bool { return queuedTry(c, &l.word) }

// TrySteal takes the lock if it is free and the head of the queue, if there is one, sleeps: what
// newcomers try before they queue.
func (l *PVQSpin) TrySteal(c *paravirt.CPU) bool {
	return c.Load32(l.word.Whole())&waitMask == 0 &&
		c.Cmpxchg8(lockedByte(&l.word), unlocked, locked) == unlocked
}

// IsLocked reports whether the lock is held or waited for.
func (l *PVQSpin) IsLocked(c *paravirt.CPU) bool { return c.Load32(l.word.Whole()) != 0 }

// IsContended reports whether somebody waits.
func (l *PVQSpin) IsContended(c *paravirt.CPU) bool { return queuedContended(c, &l.word) }

func pvqspin() methods[PVQSpin] {
	type l = PVQSpin
	return methods[l]{(*l).IsLocked, (*l).IsContended, (*l).Lock, (*l).TryLock, (*l).Unlock}
}
