package pvlock

import "example.com/pvlock/internal/arch"

// The queue is a stack of waiters whose top, the youngest, is in wait. A waiter is pushed by one
// compare-and-swap. Only the goroutine that has set editing takes waiters out, from any place.
// Whose turn it is: the urgent waiter's, if there is one, else the oldest's.

// urgent is a flag of a waiter that was the heir before: it goes before the others.
//
// At most one waiter in the queue is urgent. Only the heir enqueues itself as urgent, and there is
// one heir at most (H). While there is an heir, no urgent waiter is in the queue: an arrival
// becomes the heir only if the queue is empty, and a waiter that is dequeued to become the heir is
// the urgent one if there is one.
const urgent = 1 << 0

// entry says how a waiter enters the queue.
type entry struct {
	flags uint32 // urgent, or 0
	was   uint32 // heirAwake if the waiter has been the heir, and is it no longer; else 0
	keep  uint32 // reserved if the mutex stays reserved; else 0
}

// enqueue puts waiter i in the queue, and then wakes the next if nobody else answers for the queue.
func enqueue(c arch.Core, m *Mutex, i uint32, e entry) {
	w := c.Waiter(i)
	c.Store32(&w.Flags, e.flags)
	c.Store32(&w.Queued, 1)
	for {
		c.Head(i<<youngestShift | e.flags | e.was | e.keep)
		b := c.Load32(&m.wait)
		n := b&flags&^e.was | i<<youngestShift
		if e.was != 0 {
			n = n&^reserved | e.keep
		}
		if n&heirAwake == 0 {
			n |= onUnlock
		}
		top := youngest(b)
		oldest, first := uint32(0), uint32(0)
		if top == 0 {
			oldest = i
			if e.flags&urgent != 0 {
				first = i
			}
		}
		c.Store32(&w.Older, top)
		c.Store32(&w.Oldest, oldest)
		c.Store32(&w.First, first)
		if c.Cas32(&m.wait, b, n) {
			recheck(c, m, b, n)
			return
		}
	}
}

// dequeueSelf takes waiter i, which gives up, out of the queue. It reports whether i was still in
// it.
func dequeueSelf(c arch.Core, m *Mutex, i uint32) bool {
	for {
		c.Head(i)
		c.Pin()
		b := c.Load32(&m.wait)
		if b&editing == 0 && c.Cas32(&m.wait, b, b|editing) {
			break
		}
		c.Unpin()
		_, rounds := c.SpinWhile32(&m.wait, editing, editing, editPatience)
		if rounds == editPatience {
			c.Yield()
		}
	}
	// An unlocker that sees editing meanwhile leaves it to us to wake the next.
	if c.Load32(&c.Waiter(i).Queued) != 0 {
		dequeue(c, m, i)
		c.Unpin()
		wakeNext(c, m)
		return true
	}
	c.And32(&m.wait, ^uint32(editing))
	c.Unpin()
	wakeNext(c, m)
	return false
}

// editPatience is how many rounds a waiter that gives up waits for another that edits the queue,
// before it lets other goroutines run. An edit takes some tens of ns.
const editPatience = 64

// dequeue takes waiter x out of the queue, or the one whose turn it is if x is 0, and returns it.
// The caller has set editing; dequeue clears it.
func dequeue(c arch.Core, m *Mutex, x uint32) uint32 {
	for {
		c.Head(x)
		b := c.Load32(&m.wait)
		top := youngest(b)
		oldest, first := findEnds(c, top)
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
			saveEnds(c, top, oldest, first)
			c.And32(&m.wait, ^uint32(editing))
			return x
		}
		n := b&flags&^editing | older<<youngestShift
		if older != 0 {
			saveEnds(c, older, oldest, first)
		} else if n&heirAwake == 0 {
			n &^= reserved | hot
		}
		if c.Cas32(&m.wait, b, n) {
			return x
		}
	}
}

// findEnds returns the oldest waiter in the queue, and the urgent one or 0. It leaves the way back
// from the oldest in Newer.
func findEnds(c arch.Core, top uint32) (oldest, first uint32) {
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
	saveEnds(c, top, oldest, first)
	return oldest, first
}

// saveEnds has later calls of findEnds stop at waiter x.
func saveEnds(c arch.Core, x, oldest, first uint32) {
	w := c.Waiter(x)
	c.Store32(&w.Oldest, oldest)
	c.Store32(&w.First, first)
}
