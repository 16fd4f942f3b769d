package torture

import (
	"example.com/pvlock/internal/arch"
	"example.com/pvlock/paravirt"
	"example.com/pvlock/result"
	"example.com/pvlock/spinlock"
)

// The controls are locks that are broken on purpose, each so that one detector must see it. If it
// doesn't, that it sees nothing in the others means nothing.

// busted looks, and then takes what it saw free: in between somebody else may do the same. And it
// doesn't wait for ever: a holder that has lost its CPU is not waited for.
func bustedLock(w *arch.Word, c *paravirt.CPU) {
	if !bustedTry(w, c) {
		c.SpinWhile32(w.Whole(), ^uint32(0), 1, 1<<10)
		c.Store32(w.Whole(), 1)
	}
}

func bustedTry(w *arch.Word, c *paravirt.CPU) bool {
	if c.Load32(w.Whole()) != 0 {
		return false
	}
	c.Work(bustedGap)
	c.Store32(w.Whole(), 1)
	return true
}

func bustedUnlock(w *arch.Word, c *paravirt.CPU) { c.Store32(w.Whole(), 0) }

// bustedGap is about as long as its critical section, so that both are where a vCPU loses its CPU,
// should there be but one.
const bustedGap = 1 << 10

// deaf sleeps, and its unlock wakes nobody.
func deafLock(w *arch.Word, c *paravirt.CPU) {
	for c.Xchg8(w.Byte(0), 1) != 0 {
		a := c.Contend()
		if v, _ := c.SpinWhile8(w.Byte(0), 0xff, 1, 64); v != 0 && c.Bound() {
			c.ClearPending()
			if c.Xchg8(w.Byte(0), 1) == 0 {
				return
			}
			a.Blocks++
			c.Poll()
		}
		c.Acquired(&a)
	}
}

func deafUnlock(w *arch.Word, c *paravirt.CPU) { c.Store8(w.Byte(0), 0) }

// clingy is a good lock until it has released: then it writes to its memory once more, on every
// other vCPU after a while, and now and then after so long that the vCPU has lost its CPU
// meanwhile.
func clingyUnlock(w *arch.Word, c *paravirt.CPU) {
	c.Store8(w.Byte(0), 0)
	if c.ID()%2 == 0 {
		gap := uint32(c.Ticks()>>2) % clingyGap
		if gap < clingyGap/16 {
			gap = clingyLong
		}
		c.Work(gap)
	}
	c.Store16(w.Half(1), 0)
}

// clingyGap is long enough for somebody else to take the lock, release it, and use its memory for
// something else; clingyLong is some milliseconds.
const (
	clingyGap  = 1 << 14
	clingyLong = 1 << 22
)

// leaky is a good lock that says a vCPU waits for it, and forgets to take that back.
func leakyLock(w *arch.Word, c *paravirt.CPU) {
	if c.Xchg8(w.Byte(0), 1) == 0 {
		return
	}
	c.StorePtr(&c.Slot().Lock, c.Addr(w))
	for c.Xchg8(w.Byte(0), 1) != 0 {
		c.SpinWhile8(w.Byte(0), 0xff, 1, arch.Forever)
	}
}

func byteTry(w *arch.Word, c *paravirt.CPU) bool { return c.Xchg8(w.Byte(0), 1) == 0 }
func byteIs(w *arch.Word, c *paravirt.CPU) bool  { return c.Load8(w.Byte(0)) != 0 }
func never(*arch.Word, *paravirt.CPU) bool       { return false }

func byteLock(w *arch.Word, c *paravirt.CPU) {
	for c.Xchg8(w.Byte(0), 1) != 0 {
		c.SpinWhile8(w.Byte(0), 0xff, 1, arch.Forever)
	}
}

func controlLocks() []lock {
	kind := func(name, about string, take, release func(*arch.Word, *paravirt.CPU),
		try func(*arch.Word, *paravirt.CPU) bool) spinlock.Kind {
		return spinlock.Kind{
			Name: name, About: about, From: "control", MaxCPUs: paravirt.MaxCPUs,
			Lock: take, Unlock: release, TryLock: try, IsLocked: byteIs, IsContended: never,
		}
	}
	return []lock{
		{
			kind: kind("busted", "looks, then takes; doesn't wait for ever", bustedLock,
				bustedUnlock, bustedTry),
			stretch: stretch{15, 1},
			control: result.FindingExclusion,
			known:   []string{result.FindingExclusion, result.FindingSum, result.FindingReuse},
		},
		{kind: kind("deaf", "its unlock wakes nobody", deafLock, deafUnlock, byteTry),
			control: result.FindingLost, known: []string{result.FindingLost}},
		{
			kind: kind("clingy", "writes to its memory after the release", byteLock,
				clingyUnlock, byteTry),
			control: result.FindingReuse, known: []string{result.FindingReuse, result.FindingLeak},
			by: "reuse",
		},
		{kind: kind("leaky", "leaves a vCPU as waiting", leakyLock, deafUnlock, byteTry),
			control: result.FindingLeak, known: []string{result.FindingLeak}},
	}
}
