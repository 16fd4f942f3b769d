package paravirt

import "example.com/pvlock/internal/arch"

// Wait and Kick are the contract of the 2015 seed.
//
//	waiter                     kicker
//	[S] *p = v                 [S] *p = something else
//	    locked instruction         (released before the kick, or the kick itself)
//	    Wait(p, v)                 Kick(cpu)
//
// Wait sleeps only if *p == v, may return for no reason, and does not lose a kick
// that comes first.

// Wait puts the CPU to sleep if *p == v, until it is kicked. It may return at
// once, and for no reason: the caller looks again.
func (c *CPU) Wait(p *arch.U8, v uint8) {
	s := c.stats
	if s == nil {
		c.m.ops.wait(c, p, v)
		return
	}
	kicked := &c.channel().kicked
	c.Store32(kicked, 0)
	c.m.ops.wait(c, p, v)
	if at := c.Load32(kicked); at != 0 {
		s.Events[KickWake].Add(1)
		s.Events[LatencyWake].Add(uint64(stamp(c.Now()) - at))
	}
}

// Kick wakes a CPU that waits, or that is about to. Kicking a CPU that does not
// wait is harmless, and so is one that is not up.
func (c *CPU) Kick(cpu uint32) {
	s := c.stats
	if s == nil {
		c.m.ops.kick(c, cpu)
		return
	}
	began := c.Now()
	c.Store32(&c.m.channels[cpu].kicked, stamp(began))
	c.m.ops.kick(c, cpu)
	s.Events[LatencyKick].Add(c.Now() - began)
}

// stamp makes a time of 32 bits that is not 0. Differences are right up to 4 s.
func stamp(now uint64) uint32 { return uint32(now) | 1 }

// WaitEvent is Wait on the CPU's event channel, as Xen guests have it since 2018. An interrupt
// that comes during a wait may wait itself, and would swallow the outer one's
// wake-up if it cleared the pending channel: so only the outermost wait clears it,
// and having cleared it, returns, whatever it was pending for.
func WaitEvent(c *CPU, p *arch.U8, v uint8) {
	if c.nmi || !c.Bound() {
		return
	}
	nested := c.EnterWait()
	switch {
	case !nested && c.TestPending():
		c.ClearPending()
	case c.Load8(p) == v:
		// A kick since the look at *p has left the channel pending, and Poll
		// returns at once; so does it after an interrupt whose wait took the kick.
		c.Poll()
	}
	c.ExitWait()
}

// WaitEvent2015 is Wait as Xen guests had it with the 2015 seed: clear, look,
// poll. It is right only where no interrupt waits on the same CPU: one that comes
// between the look and the poll, and clears the channel itself, swallows the outer
// one's wake-up.
func WaitEvent2015(c *CPU, p *arch.U8, v uint8) {
	if !c.Bound() {
		return
	}
	// A full fence, so that *p is read after the channel is clear: a kick for a
	// change that this look misses is still to come.
	c.ClearPending()
	if c.Load8(p) != v {
		return
	}
	c.Poll()
}

// KickEvent is Kick on the event channel of a CPU; a CPU whose channel is not
// bound is not kicked.
func KickEvent(c *CPU, cpu uint32) {
	if c.Load32(&c.m.channels[cpu].bound) == 0 {
		c.stats.count(EventUnbound)
		return
	}
	c.Notify(cpu)
}

// KickEvent2015 is Kick as Xen guests had it with the 2015 seed: it doesn't
// ask whether there is a channel to notify.
func KickEvent2015(c *CPU, cpu uint32) { c.Notify(cpu) }
