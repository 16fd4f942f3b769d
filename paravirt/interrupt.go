package paravirt

// An Interruption is what an interrupt found, for the end of it.
type Interruption struct {
	nmi         bool
	interrupted uint32
}

// EnterInterrupt says that what runs from here on has interrupted what ran before. The machine that
// delivers an interrupt calls it before the handler. If the interrupted context has been chosen by
// an unlocker to look at a lock, and has not looked yet, then the handler may be waiting for what
// another waiter of that lock would do: so the choice is passed on to another one.
//
//	interrupt                       unlocker, in WakeWaiter
//	[S]  interrupted = 1            [RMW] kicked: 0 → 1
//	MB                              [L]   interrupted
//	[L]  kicked
//
// Either the unlocker sees that the CPU is interrupted, and chooses another one as well, or
// the interrupt sees that its CPU has been kicked.
func (c *CPU) EnterInterrupt() Interruption {
	i := Interruption{nmi: c.nmi}
	if c.watch == 0 {
		return i
	}
	s := c.Slot()
	i.interrupted = c.Load32(&s.Interrupted)
	c.Store32(&s.Interrupted, 1)
	c.Fence() // partner: the exchange of kicked in WakeWaiter
	if c.Load32(&s.Kicked) != 0 {
		c.WakeWaiter(c.watch)
	}
	return i
}

// EnterNMI is EnterInterrupt for a non-maskable interrupt, which must not sleep: Wait returns
// at once.
func (c *CPU) EnterNMI() Interruption {
	i := c.EnterInterrupt()
	c.nmi = true
	return i
}

// ExitInterrupt undoes EnterInterrupt, and EnterNMI.
func (c *CPU) ExitInterrupt(i Interruption) {
	c.nmi = i.nmi
	if c.watch != 0 {
		c.Store32(&c.Slot().Interrupted, i.interrupted)
	}
}

// InNMI reports whether what runs now must not sleep.
func (c *CPU) InNMI() bool { return c.nmi }

// EnterWait says that a wait on the event channel begins, and reports whether it is nested: whether
// an interrupt began it during another wait of this CPU. A nested wait that clears
// the channel leaves it pending, or it may have swallowed the outer one's wake-up.
func (c *CPU) EnterWait() (nested bool) {
	c.waits++
	return c.waits > 1
}

// ExitWait undoes EnterWait.
func (c *CPU) ExitWait() { c.waits-- }
