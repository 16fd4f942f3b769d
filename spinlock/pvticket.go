package spinlock

import (
	"math/bits"

	"example.com/pvlock/internal/arch"
	"example.com/pvlock/paravirt"
)

// PVTicket is the paravirtual ticket lock: the #else branch of the 2015 seed's
// table of operations, with the pair lock_spinning and unlock_kick. A ticket lock
// whose waiter, after Tunables.Spin rounds (2^15), says which ticket of which lock
// it waits for, marks the lock, and blocks; and whose unlocker, if the lock is marked,
// notifies exactly the CPU whose turn it is. Strictly fair.
//
// Tickets go up by two: bit 0 of head is the mark.
//
// It differs from the Linux of the seed's day (4.0) where interrupts nest. There a CPU
// whose interrupt handler waits for a ticket lock too forgets the outer wait; if the inner one ends
// without blocking, the outer one blocks unannounced. Here the outer
// announcement is put back and the channel is left pending, and an unlocker doesn't stop at
// the first match. (There announcing is done with interrupts disabled; here it may be interrupted
// anywhere.) A CPU without an event channel is not kicked, and a non-maskable
// interrupt does not block.
type PVTicket struct{ word arch.Word }

const (
	ticketMark = 1       // in head: somebody blocks, or did
	ticketStep = 2       // from one ticket to the next
	takeTicket = 2 << 16 // added to the word, takes a ticket
)

// Lock takes the lock.
func (l *PVTicket) Lock(c *paravirt.CPU) {
	// Acquires: a locked instruction, or the look at head of one that waits. Its
	// partner is the addition in Unlock.
	if v := c.Add32(l.word.Whole(), takeTicket); uint16(v>>16-v) != ticketStep {
		l.lockSlow(c, v)
	}
}

//go:noinline
func (l *PVTicket) lockSlow(c *paravirt.CPU, v uint32) { markedTicketSlow(c, &l.word, v) }

// markedTicketSlow waits for the ticket that was taken when the word became v: spinning, and
// blocking each time the budget is used up.
func markedTicketSlow(c *paravirt.CPU, word *arch.Word, v uint32) {
	a := c.Contend()
	want := uint16(v>>16) - ticketStep
	var head uint16
	for {
		c.Head(uint32(want))
		head = c.Load16(word.Half(0))
		for budget := paravirt.Rounds(c.Tunables().Spin, budget2015); head&^ticketMark != want &&
			budget > 0; {
			var n uint32
			head, n = c.SpinWhile16(word.Half(0), ^uint16(ticketMark), head&^ticketMark, budget)
			a.Rounds += uint64(n)
			budget = spend(budget, n)
		}
		if head&^ticketMark == want {
			break
		}
		// lockSpinning has no result: a call that is patched to nothing has none.
		blocks := c.Counted(paravirt.TakenSlow)
		lockSpinning(c, word, want)
		a.Blocks += uint32(c.Counted(paravirt.TakenSlow) - blocks)
	}
	c.Head(uint32(want)<<16 | uint32(head))
	if head&ticketMark != 0 {
		// Take the mark off if nobody else waits: then the word is exactly this. If it is not,
		// somebody came, and the mark stays.
		alone := uint32(want+ticketStep) << 16
		c.Cas32(word.Whole(), alone|uint32(head), alone|uint32(want))
	}
	c.Acquired(&a)
}

// spend takes n rounds off a budget, which may be without bound.
func spend(budget, n uint32) uint32 {
	if budget == arch.Forever {
		return budget
	}
	return budget - n
}

// lockSpinning announces the CPU, marks the lock, looks once more, and blocks; unless it can't.
func lockSpinning(c *paravirt.CPU, word *arch.Word, want uint16) {
	if !c.Bound() || c.InNMI() {
		return
	}
	c.Count(paravirt.TakenSlow)
	slot := c.Slot()
	outer, outerWant := c.LoadPtr(&slot.Lock), c.Load32(&slot.Want)
	nested := c.EnterWait()
	c.CountIf(paravirt.TakenSlowNested, nested)

	// Say which ticket, then mark.
	//
	//	waiter                          unlocker
	//	[S]   slot                      [RMW] head += step, reads the mark
	//	[RMW] waiting mask              [L]   (3) waiting mask, slot
	//	[RMW] (2) clear pending               notify
	//	[RMW] (1) mark head
	//	[L]   head
	//
	// If the unlocker's addition reads head without (1), then (1) and the look
	// after it come later, and find the ticket called. If it reads the mark, (3) finds
	// what the waiter stored before (1).
	announce(c, slot, c.Addr(word), uint32(want))
	mask := &c.Machine().Waiting()[c.ID()/32]
	bit := uint32(1) << (c.ID() % 32)
	c.Or32(mask, bit)
	c.ClearPending()
	c.Or32(word.Whole(), ticketMark)

	if c.Load16(word.Half(0))&^ticketMark == want {
		c.Count(paravirt.TakenSlowPickup)
	} else {
		c.Poll()
	}

	if outer == 0 {
		c.And32(mask, ^bit)
	}
	// Leave the slot as it was: the ticket too, even if there was no lock, because this may have
	// interrupted an announcement halfway.
	announce(c, slot, outer, outerWant)
	c.ExitWait()
	if nested {
		// This ran in an interrupt during another wait. Its kick may have been missed while
		// the slot said something else, or cleared above: make it look again.
		c.SetPending()
	}
}

// announce says in a slot which ticket of which lock its CPU waits for. The lock is put in after
// the ticket, so that an unlocker that reads the lock and then the ticket never pairs the new lock
// with the old ticket, and so never misses its waiter. It may pair the old lock with the new
// ticket, when an interrupt waits during a wait: then the kick of that CPU is useless. Linux also
// takes the old lock out before, which excludes neither: an unlocker may have read it earlier. Go's
// compiler removes such a store.
func announce(c *paravirt.CPU, slot *paravirt.Slot, lock arch.Addr, want uint32) {
	c.Store32(&slot.Want, want)
	c.StorePtr(&slot.Lock, lock)
}

// Unlock calls the next ticket, and notifies the CPU that waits for it if the
// lock is marked. The 16-bit addition is an assembly leaf.
func (l *PVTicket) Unlock(c *paravirt.CPU) {
	if debug {
		mustHold(c, l.IsLocked(c), "PVTicket")
	}
	// Releases and looks in one; nothing of the lock is read after it. Its
	// partners are (1) in lockSpinning, and the next Lock.
	head := c.Add16(l.word.Half(0), ticketStep)
	if head&ticketMark != 0 {
		unlockKick(c, c.Addr(&l.word), head&^ticketMark)
	}
}

// unlockKick notifies the CPU that says it waits for a ticket of a lock, if there
// is one: it may not have announced itself yet, and then will look once more.
func unlockKick(c *paravirt.CPU, lock arch.Addr, next uint16) {
	c.Count(paravirt.ReleasedSlow)
	m := c.Machine()
	waiting := m.Waiting()
	for i := range waiting {
		for mask := c.Load32(&waiting[i]); mask != 0; mask &= mask - 1 {
			cpu := uint32(i*32 + bits.TrailingZeros32(mask))
			slot := m.Slot(cpu)
			if c.LoadPtr(&slot.Lock) == lock && c.Load32(&slot.Want) == uint32(next) {
				c.Count(paravirt.ReleasedSlowKicked)
				paravirt.KickEvent(c, cpu)
				// And look on: the kick of this one may be useless, see announce.
			}
		}
	}
}

// TryLock takes the lock if no ticket is out.
func (l *PVTicket) TryLock(c *paravirt.CPU) bool { return markedTicketTry(c, &l.word) }

func markedTicketTry(c *paravirt.CPU, word *arch.Word) bool {
	v := c.Load32(word.Whole())
	return v>>16 == v&0xffff&^ticketMark && c.Cas32(word.Whole(), v, (v+takeTicket)&^ticketMark)
}

// IsLocked reports whether a ticket is out.
func (l *PVTicket) IsLocked(c *paravirt.CPU) bool { return markedTicketsOut(c, &l.word) > 0 }

// IsContended reports whether more than one ticket is out.
func (l *PVTicket) IsContended(c *paravirt.CPU) bool { return markedTicketsOut(c, &l.word) > 1 }

func markedTicketsOut(c *paravirt.CPU, word *arch.Word) uint16 {
	v := c.Load32(word.Whole())
	return (uint16(v>>16) - uint16(v)&^ticketMark) / ticketStep
}

func pvTicket() methods[PVTicket] {
	type l = PVTicket
	return methods[l]{(*l).IsLocked, (*l).IsContended, (*l).Lock, (*l).TryLock, (*l).Unlock}
}
