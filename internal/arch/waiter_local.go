//go:build !purego && !race

package arch

import "slices"

// Each P keeps a few free waiters for itself. A goroutine that is pinned is alone
// with them.

const (
	batch   = 16
	localPs = 1024 // Ps beyond have none
)

type localWaiters struct {
	n    uint32
	free [2 * batch]uint32
	_    [64 - 4]byte
}

var local [localPs]*localWaiters

// TakeWaiter returns a waiter that nobody uses.
func (c Core) TakeWaiter() uint32 {
	p := c.Pin()
	if p < localPs {
		if l := local[p]; l != nil && l.n > 0 {
			l.n--
			i := l.free[l.n]
			c.Unpin()
			return i
		}
	}
	c.Unpin()

	// The shared list's mutex may block, which a pinned goroutine must not.
	var some [batch]uint32
	takeShared(some[:])
	fresh := new(localWaiters)
	p = c.Pin()
	left := some[1:]
	if p < localPs && slices.Max(some[:]) < keptWaiters {
		if local[p] == nil {
			local[p] = fresh
		}
		l := local[p]
		n := uint32(copy(l.free[l.n:], left))
		l.n += n
		left = left[n:]
	}
	c.Unpin()
	if len(left) > 0 {
		dropShared(left)
	}
	return some[0]
}

// DropWaiter gives a waiter back.
func (c Core) DropWaiter(i uint32) {
	var some [batch]uint32
	p := c.Pin()
	if p < localPs && local[p] != nil && i < keptWaiters {
		l := local[p]
		if int(l.n) == len(l.free) {
			l.n -= batch
			copy(some[:], l.free[l.n:])
		}
		l.free[l.n] = i
		l.n++
		c.Unpin()
		if some[0] != 0 {
			dropShared(some[:])
		}
		return
	}
	c.Unpin()
	some[0] = i
	dropShared(some[:1])
}
