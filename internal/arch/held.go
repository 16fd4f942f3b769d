package arch

// What pinned goroutines hold is counted by P: a pinned goroutine is alone on its P.

// maxPs is how many Ps have a count of their own. Those beyond share counts among themselves, which
// then say more than any one of them holds.
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

// The word of a P has two parts: how many things its goroutine holds, and above that, less than
// zero, how many releases go by until they are due (IsDue).
const (
	holdBits = 12
	holdMask = 1<<holdBits - 1
)

func (c Core) addHeld(p int, d uint32) uint32 {
	if uint(p) >= maxPs {
		return c.Add32(heldOn(p), d)
	}
	cell := &held[p].n
	n := c.Load32(cell) + d
	c.Store32(cell, n)
	return n
}

// Hold adds d to the number of what the goroutine holds that must not sleep with it, at most 4095,
// and returns what it was. The goroutine is pinned to P p. Without pinning nothing is counted.
func (c Core) Hold(p int, d uint32) uint32 {
	if !CanPin {
		return 0
	}
	return (c.addHeld(p, d) - d) & holdMask
}

// Release takes one from that number, and returns the P's word for HeldNothing and IsDue.
// Without pinning that is 0.
func (c Core) Release(p int) uint32 {
	if !CanPin {
		return 0
	}
	return c.addHeld(p, 1<<holdBits-1)
}

// HeldNothing reports whether the goroutine held nothing before the Release.
func HeldNothing(word uint32) bool { return word&holdMask == holdMask }

// IsDue reports whether the goroutine holds nothing any more, and as many releases went by as
// NextDue was told.
func IsDue(word uint32) bool { return word&holdMask == 0 && int32(word) >= 0 }

// NextDue makes n more releases go by, from 1 to 2^19, until they are due. A P that shares its word
// may need more.
func (c Core) NextDue(p int, n uint32) {
	word := c.Load32(heldOn(p))
	c.addHeld(p, -(n<<holdBits)-word&^holdMask)
}

// Holds returns how many things the goroutine holds that must not sleep with it.
func (c Core) Holds(p int) uint32 { return c.Load32(heldOn(p)) & holdMask }

// mustNotHold ends the program if the goroutine holds such a thing: the runtime would end it a
// little later, with less to say.
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
