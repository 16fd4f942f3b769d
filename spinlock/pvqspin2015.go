package spinlock

import (
	"example.com/pvlock/internal/arch"
	"example.com/pvlock/paravirt"
)

// PVQSpin2015 is the paravirtual queued spinlock as it stood with the 2015 seed, to
// the letter. [PVQSpin] is what it grew into.
//
// Everybody queues. A waiter in the queue spins Tunables.Spin rounds (2^15) for its turn, then says
// in its node that it is halted, and waits; the one that hands it the head of the queue kicks
// it. The waiter at the head spins as long for the lock, then enters its node in the
// lock→node table, sets the locked byte to slow, and waits; an unlocker that can't
// change locked to unlocked looks the node up, releases, and kicks it.
//
// Strictly fair, and so every hand-over to a CPU that is not running stands
// still.
//
// What it does not do well, which later years mended: a CPU may be kicked twice for one
// acquisition, once at the head of the queue and once at the unlock; a kick is sent only if the
// node says halted when the unlocker looks, and that look may pass the release: if the
// predecessor's late kick has just made it running, the head says halted, sees the lock held, and
// sleeps for ever (September 2015). With a Wait that is built as in its day
// ([paravirt.WaitEvent2015]) an interrupt's wait swallows the outer one's wake-up.
type PVQSpin2015 struct{ word arch.Word }

// What the CPU that waits at a node is doing. The zero value is running.
const (
	running = 0
	halted  = 1
	hashed  = 2 // PVQSpin: halted, and entered in the table; or about to be both
)

// Lock takes the lock.
func (l *PVQSpin2015) Lock(c *paravirt.CPU) {
	if !c.Cas32(l.word.Whole(), 0, lockedOnly) {
		pvSlow2015(c, &l.word)
	}
}

// pvSlow2015 is the slow path.
func pvSlow2015(c *paravirt.CPU, w *arch.Word) {
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

	if !queuedTry(c, w) {
		if prev := join(c, w, code); prev != 0 {
			waitNode2015(c, node, code, &a)
		}
		waitHead2015(c, w, node, code, &a)
		if next := leave(c, w, node, code, awaitFree(c, w, &a)); next != 0 {
			handOver(c, next)
			kickNode2015(c, next)
		}
	}
	c.DropNode()
	c.Acquired(&a)
}

// waitNode2015 waits in the queue until the node is its head.
func waitNode2015(c *paravirt.CPU, node *paravirt.Node, code uint32, a *paravirt.Acquisition) {
	for woken := false; ; woken = true {
		c.Head(code)
		if c.Load32(&node.Locked) != 0 {
			return
		}
		c.CountIf(paravirt.SpuriousWakeup, woken)
		v, n := c.SpinWhile32(&node.Locked, ^uint32(0), 0,
			paravirt.Rounds(c.Tunables().Spin, budget2015))
		a.Rounds += uint64(n)
		if v != 0 {
			return
		}

		//	waiter                     predecessor
		//	[RMW] state = halted       [S]   locked = 1
		//	[L]   locked               [RMW] state = running
		//
		// One of the two sees the other's write: the waiter does not sleep, or it
		// is kicked.
		c.Xchg8(node.State(), halted)
		if c.Load32(&node.Locked) == 0 {
			a.Blocks++
			c.Count(paravirt.WaitNode)
			c.Wait(node.State(), halted)
		}
		// So that nobody kicks a CPU that runs.
		c.Store8(node.State(), running)
	}
}

// kickNode2015 wakes the CPU of the node that has become the head of the queue. Its partner is the
// exchange in waitNode2015.
func kickNode2015(c *paravirt.CPU, next uint32) {
	node := c.Machine().Node(next)
	if c.Xchg8(node.State(), running) == halted {
		c.Kick(c.Load32(&node.CPU))
	}
}

// waitHead2015 waits at the head of the queue until the lock is free. It does not take it:
// nobody else can.
func waitHead2015(c *paravirt.CPU, w *arch.Word, node *paravirt.Node, code uint32,
	a *paravirt.Acquisition) {
	var entry *paravirt.HashEntry
	for {
		c.Head(code<<1 | b2u(entry != nil))
		v := c.Load8(lockedByte(w))
		for budget := paravirt.Rounds(c.Tunables().Spin, budget2015); v != unlocked && budget > 0; {
			var n uint32
			v, n = c.SpinWhile8(lockedByte(w), 0xff, v, budget)
			a.Rounds += uint64(n)
			budget = spend(budget, n)
		}
		if v == unlocked {
			return
		}

		c.Store8(node.State(), halted)
		if entry == nil {
			// The entry, then the value that makes the unlocker look for it.
			//
			//	head                       unlocker
			//	[RMW] entry                [RMW] locked 1 → 0, fails
			//	[RMW] locked 1 → slow      [L]   entry
			entry = hash(c, c.Addr(w), code)
			if c.Cmpxchg8(lockedByte(w), locked, slow) == unlocked {
				c.StorePtr(&entry.Lock, 0)
				return
			}
		}
		a.Blocks++
		c.Count(paravirt.WaitHead)
		c.Wait(lockedByte(w), slow)
	}
}

func b2u(b bool) uint32 {
	if b {
		return 1
	}
	return 0
}

// Unlock releases the lock, and kicks the CPU at the head of the queue if it
// sleeps.
func (l *PVQSpin2015) Unlock(c *paravirt.CPU) { pvUnlock2015(c, &l.word) }

func pvUnlock2015(c *paravirt.CPU, w *arch.Word) {
	if debug {
		mustHold(c, c.Load8(lockedByte(w)) != unlocked, "PVQSpin2015")
	}
	if c.Cmpxchg8(lockedByte(w), locked, unlocked) != locked {
		pvUnlockSlow2015(c, w)
	}
}

func pvUnlockSlow2015(c *paravirt.CPU, w *arch.Word) {
	// Look the node up before the release: after it the lock's memory may be gone,
	// and another entry for the same lock may come. The node stays, it is its CPU's.
	m := c.Machine()
	node := m.Node(unhash(c, c.Addr(w)))
	c.Store8(lockedByte(w), unlocked)
	if c.Load8(node.State()) == halted {
		c.Count(paravirt.KickUnlock)
		c.Kick(c.Load32(&node.CPU))
	}
}

// TryLock takes the lock if it is free and nobody waits.
func (l *PVQSpin2015) TryLock(c *paravirt.CPU) bool { return queuedTry(c, &l.word) }

// IsLocked reports whether the lock is held or waited for.
func (l *PVQSpin2015) IsLocked(c *paravirt.CPU) bool { return c.Load32(l.word.Whole()) != 0 }

// IsContended reports whether somebody waits.
func (l *PVQSpin2015) IsContended(c *paravirt.CPU) bool { return queuedContended(c, &l.word) }

func pvqspin2015() methods[PVQSpin2015] {
	type l = PVQSpin2015
	return methods[l]{(*l).IsLocked, (*l).IsContended, (*l).Lock, (*l).TryLock, (*l).Unlock}
}
