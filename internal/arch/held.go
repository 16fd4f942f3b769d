package arch

// What goroutines that are pinned hold is counted by P: whoever is pinned is alone on it.

// maxPs is how many Ps have a count of their own. Those beyond share counts among themselves, which then say more
// than any one of them holds.
const maxPs = 512

var held [2 * maxPs]struct {
	n U32
	_ [60]byte
}

func heldOn(p int) *U32 {
	if p >= maxPs {
		p = maxPs + p%maxPs
	}
	return &held[p].n
}

// Hold adds d to the number of what the goroutine holds that must not sleep with it, and returns what it was. It is pinned to
// P p. Without pinning nothing is counted.
func (c Core) Hold(p int, d uint32) uint32 {
	if !CanPin {
		return 0
	}
	cell := heldOn(p)
	if p >= maxPs {
		return c.Add32(cell, d) - d
	}
	n := c.Load32(cell)
	c.Store32(cell, n+d)
	return n
}

// Holds returns that number.
func (c Core) Holds(p int) uint32 { return c.Load32(heldOn(p)) }

// mustNotHold ends the program if the goroutine holds such a thing: the runtime would end it a little later, with less to say.
func (c Core) mustNotHold() {
	if !CanPin {
		return
	}
	p := c.Pin()
	holds := p < maxPs && c.Holds(p) != 0
	c.Unpin()
	if holds {
		c.Fatal("pvlock: a goroutine went to sleep that holds a Spinlock")
	}
}
