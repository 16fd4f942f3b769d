package spinlock

import (
	"example.com/pvlock/internal/arch"
	"example.com/pvlock/paravirt"
)

// Ticket is the front door of the ticket locks: native fast paths, and a pair of operations that
// only waiting and contended unlocking call. With the native pair it is a native ticket lock, and
// its unlock a plain store.
type Ticket struct{ word arch.Word }

// TicketOps is the pair: the #else branch of the 2015 seed's table.
type TicketOps struct {
	// Spinning is called by a waiter that has used its budget up: it announces
	// that its CPU waits for the ticket want, marks the lock, and blocks. It may return early.
	Spinning func(l *Ticket, c *paravirt.CPU, want uint16)
	// Kick is called by an unlocker that finds the lock marked: it wakes the CPU that waits for the
	// ticket next, if there is one. The lock may be gone: it is an address.
	Kick func(lock arch.Addr, c *paravirt.CPU, next uint16)
}

// NativeTicketOps returns the default: nothing happens in either.
func NativeTicketOps() TicketOps {
	return TicketOps{Spinning: ticketSpinNothing, Kick: ticketKickNothing}
}

func ticketSpinNothing(*Ticket, *paravirt.CPU, uint16)   {}
func ticketKickNothing(arch.Addr, *paravirt.CPU, uint16) {}

// PVTicketOps returns the paravirtual pair, on the event channel: for machines of as many CPUs as
// the catalogue says of pvticket, 8191.
func PVTicketOps() TicketOps {
	return TicketOps{Spinning: pvTicketSpinning, Kick: pvTicketKick}
}

func pvTicketSpinning(l *Ticket, c *paravirt.CPU, want uint16) {
	lockSpinning(c, &l.word, want)
}

func pvTicketKick(lock arch.Addr, c *paravirt.CPU, next uint16) { unlockKick(c, lock, next) }

// InstallTicket sets the pair of all Ticket locks. It returns [ErrSealed] once a CPU has come up.
func InstallTicket(ops TicketOps) error {
	return install(ops.whole(), func(all *Ops) { all.Ticket = ops })
}

func (ops TicketOps) whole() bool { return ops.Spinning != nil && ops.Kick != nil }

// Lock takes the lock.
func (l *Ticket) Lock(c *paravirt.CPU) {
	if v := c.Add32(l.word.Whole(), takeTicket); uint16(v>>16-v) != ticketStep {
		l.lockSlow(c, v)
	}
}

//go:noinline
func (l *Ticket) lockSlow(c *paravirt.CPU, v uint32) {
	c.Seal()
	doorMarkedTicketSlow(c, &l.word, v)
}

//go:noinline
func ticketSpinning(l *Ticket, c *paravirt.CPU, want uint16) {
	installed.Load().Ticket.Spinning(l, c, want)
}

//go:noinline
func ticketKick(lock arch.Addr, c *paravirt.CPU, next uint16) {
	installed.Load().Ticket.Kick(lock, c, next)
}

// Unlock calls the next ticket.
//
//go:noinline
func (l *Ticket) Unlock(c *paravirt.CPU) {
	if debug {
		mustHold(c, l.IsLocked(c), "Ticket")
	}
	if !installed.Load().marks {
		c.Store16(l.word.Half(0), c.Load16(l.word.Half(0))+ticketStep)
		return
	}
	if head := c.Add16(l.word.Half(0), ticketStep); head&ticketMark != 0 {
		ticketKick(c.Addr(&l.word), c, head&^ticketMark)
	}
}

// TryLock takes the lock if no ticket is out.
func (l *Ticket) TryLock(c *paravirt.CPU) bool { return markedTicketTry(c, &l.word) }

// IsLocked reports whether a ticket is out.
func (l *Ticket) IsLocked(c *paravirt.CPU) bool { return markedTicketsOut(c, &l.word) > 0 }

// IsContended reports whether more than one ticket is out.
func (l *Ticket) IsContended(c *paravirt.CPU) bool { return markedTicketsOut(c, &l.word) > 1 }
