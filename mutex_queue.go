package pvlock

import "example.com/pvlock/internal/arch"

// Flags of a waiter.
const urgent = 1 << 0 // it was the heir before: it goes before the others

// enter puts waiter i in the queue: on top of a stack, whose top is in wait. If it is the heir, mine
// is heirAwake, and it is that no longer.
func enter(c arch.Core, m *Mutex, i, how, mine, keep uint32) {
	w := c.Waiter(i)
	c.Store32(&w.Flags, how)
	c.Store32(&w.Queued, 1)
	for {
		c.Head(i<<youngestShift | how | mine | keep)
		b := c.Load32(&m.wait)
		n := b&flags&^mine | i<<youngestShift
		if mine != 0 {
			n = n&^reserved | keep
		}
		if n&heirAwake == 0 {
			n |= onUnlock
		}
		top := youngest(b)
		oldest, first := uint32(0), uint32(0)
		if top == 0 {
			oldest = i
			if how&urgent != 0 {
				first = i
			}
		}
		c.Store32(&w.Older, top)
		c.Store32(&w.Oldest, oldest)
		c.Store32(&w.First, first)
		if c.Cas32(&m.wait, b, n) {
			lookAgain(c, m, b, n)
			return
		}
	}
}

// leave takes waiter i out of the queue because it gives up, and reports whether it was in it still.
func leave(c arch.Core, m *Mutex, i uint32) bool {
	for {
		c.Head(i)
		c.Pin()
		b := c.Load32(&m.wait)
		if b&editing == 0 && c.Cas32(&m.wait, b, b|editing) {
			break
		}
		c.Unpin()
		if _, rounds := c.SpinWhile32(&m.wait, editing, editing, editPatience); rounds == editPatience {
			c.Yield()
		}
	}
	// Who unlocks meanwhile, and sees editing, leaves it to us to wake the next.
	if c.Load32(&c.Waiter(i).Queued) != 0 {
		takeOut(c, m, i)
		c.Unpin()
		wake(c, m)
		return true
	}
	c.And32(&m.wait, ^uint32(editing))
	c.Unpin()
	wake(c, m)
	return false
}

// editPatience is how many rounds one who gives up waits for another who edits the queue, before
// letting others run. An edit takes some tens of ns.
const editPatience = 64

// takeOut takes waiter x out of the queue, or the one whose turn it is if x is 0, and returns it. The caller has set
// editing, and it is off on return.
func takeOut(c arch.Core, m *Mutex, x uint32) uint32 {
	for {
		c.Head(x)
		b := c.Load32(&m.wait)
		top := youngest(b)
		oldest, first := walk(c, top)
		if x == 0 {
			x = first
		}
		if x == 0 {
			x = oldest
		}
		w := c.Waiter(x)
		c.Store32(&w.Queued, 0)
		older, newer := c.Load32(&w.Older), c.Load32(&w.Newer)
		if first == x {
			first = 0
		}
		if x != top {
			if oldest == x {
				oldest = newer
			}
			c.Store32(&c.Waiter(newer).Older, older)
			if older != 0 {
				c.Store32(&c.Waiter(older).Newer, newer)
			}
			remember(c, top, oldest, first)
			c.And32(&m.wait, ^uint32(editing))
			return x
		}
		n := b&flags&^editing | older<<youngestShift
		if older != 0 {
			remember(c, older, oldest, first)
		} else if n&heirAwake == 0 {
			n &^= reserved | hot
		}
		if c.Cas32(&m.wait, b, n) {
			return x
		}
	}
}

// walk finds the oldest of the queue, and the one that goes before all others, if there is one. It leaves
// the way back in Newer.
func walk(c arch.Core, top uint32) (oldest, first uint32) {
	for x := top; ; {
		w := c.Waiter(x)
		if oldest = c.Load32(&w.Oldest); oldest != 0 {
			if f := c.Load32(&w.First); f != 0 {
				first = f
			}
			break
		}
		if c.Load32(&w.Flags)&urgent != 0 {
			first = x
		}
		older := c.Load32(&w.Older)
		c.Store32(&c.Waiter(older).Newer, x)
		x = older
	}
	remember(c, top, oldest, first)
	return oldest, first
}

// remember saves later walks the way from x down.
func remember(c arch.Core, x, oldest, first uint32) {
	w := c.Waiter(x)
	c.Store32(&w.Oldest, oldest)
	c.Store32(&w.First, first)
}
