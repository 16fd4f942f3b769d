package arch

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// A crowd is the goroutines that sleep for one lock on one semaphore, instead of one each.
// Goroutines do so while the mutex profile is on: then the runtime charges an unlock for the delay
// of all waiters, and not only of the one that it wakes, nor for what was charged to others before
// (go.dev/issue/61015). It costs what a semaphore for each gains otherwise: a collection that
// shrinks the stacks of n goroutines in one semaphore's queue takes time of the order of n²
// (go.dev/issue/81957).
//
// The runtime chooses whom it wakes: the oldest, or one that asked to be first. That need not be
// the goroutine whose waiter was unparked, because goroutines fall asleep some time after they
// enter the lock's queue. So the goroutine that wakes takes over the waiter that was unparked, and
// leaves its own, which is still in the lock's queue, to the other. This is sound if a lock has at
// most one waiter that was unparked and has not yet returned from Park, as a Mutex has: its heir.
type crowd struct {
	sema   sema
	roused atomic.Uint32 // the waiter that was unparked last
	cell   *U32
	n      int // how many goroutines have joined and not left; under crowds' mutex
}

// crowds are the crowds, by their locks' first cells.
var crowds struct {
	sync.Mutex
	of map[*U32]*crowd
}

// Others is the goroutines that a goroutine sleeps among; the zero Others is nobody. The goroutine
// keeps it: its waiter may have become another's before it falls asleep.
type Others struct {
	crowd *crowd
	first bool
}

// JoinOthers says that waiter i waits for the lock of that cell, and is to be woken before the
// others if first is set. It has to be said before each wait, before anybody else knows of the
// waiter, and ParkAmong must follow; or ParkUntil, for one that may give up and so sleeps alone.
func (Core) JoinOthers(cell *U32, i uint32, first bool) Others {
	b := bedOf(i)
	if w := b.cancel.Load(); w != nil {
		semaOf(&w.sema, cell)
		return Others{}
	}
	semaOf(&b.sema, cell)
	if !mutexProfileOn() {
		return Others{}
	}
	crowds.Lock()
	c := crowds.of[cell]
	if c == nil {
		c = &crowd{cell: cell}
		if crowds.of == nil {
			crowds.of = make(map[*U32]*crowd)
		}
		crowds.of[cell] = c
	}
	c.n++
	crowds.Unlock()
	b.crowd.Store(c)
	return Others{c, first}
}

// ParkAmong is Park for a waiter that joined others. It returns the waiter that the goroutine has
// from now on, the one that was unparked.
func (c Core) ParkAmong(o Others, i uint32, skip int) uint32 {
	c.mustNotHold()
	if o.crowd == nil {
		semacquire(&bedOf(i).sema, false, 1+skip)
		return i
	}
	semacquire(&o.crowd.sema, o.first, 1+skip)
	i = o.crowd.roused.Load()
	o.crowd.leave()
	return i
}

// leave ends a goroutine's being one of the crowd.
func (c *crowd) leave() {
	crowds.Lock()
	if c.n--; c.n == 0 {
		delete(crowds.of, c.cell)
	}
	crowds.Unlock()
}

// mutexProfileOn reports whether the runtime records contended mutexes.
func mutexProfileOn() bool { return CanBlame && runtime.SetMutexProfileFraction(-1) > 0 }
