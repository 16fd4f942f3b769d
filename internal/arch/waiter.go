package arch

import (
	"sync"
	"sync/atomic"
)

// Waiter is a waiting goroutine: links in a queue, whose meaning is the lock's, and a place to
// sleep. Waiters live in one table of the process and are named by their index
// in it, from 1; 0 is none. They never move and are never freed, so that a look at one that has
// gone back reads stale numbers and no foreign memory.
type Waiter struct {
	Older, Newer, Oldest, First U32
	Flags                       U32
	Queued                      U32

	sema    uint32
	byToken atomic.Bool
	token   chan struct{} // of a waiter that may give up

	_ [64 - 48]byte
}

// Done says when a wait is to be given up; the zero Done is never.
type Done struct{ c <-chan struct{} }

// DoneWhen is done when the channel is closed.
func DoneWhen(c <-chan struct{}) Done { return Done{c} }

// Possible reports whether it can ever be done.
func (d Done) Possible() bool { return d.c != nil }

// IsDone reports whether it is.
func (Core) IsDone(d Done) bool {
	if d.c == nil {
		return false
	}
	select {
	case <-d.c:
		return true
	default:
		return false
	}
}

const chunk = 256

var table struct {
	sync.Mutex
	chunks atomic.Pointer[[]*[chunk]Waiter]
	free   []uint32
}

// Waiter returns waiter i.
func (Core) Waiter(i uint32) *Waiter {
	return &(*table.chunks.Load())[i/chunk][i%chunk]
}

// takeShared fills some with waiters that are free.
func takeShared(some []uint32) {
	table.Lock()
	defer table.Unlock()
	for len(table.free) < len(some) {
		var old []*[chunk]Waiter
		if p := table.chunks.Load(); p != nil {
			old = *p
		}
		chunks := append(old[:len(old):len(old)], new([chunk]Waiter))
		table.chunks.Store(&chunks)
		for i := uint32(chunk); i > 0; i-- {
			if n := uint32(len(old))*chunk + i - 1; n != 0 {
				table.free = append(table.free, n)
			}
		}
	}
	rest := len(table.free) - len(some)
	copy(some, table.free[rest:])
	table.free = table.free[:rest]
}

func dropShared(some []uint32) {
	table.Lock()
	table.free = append(table.free, some...)
	table.Unlock()
}

// MayGiveUp says how the waiter is parked from now on: with ParkUntil if d is possible, else with Park. A waiter
// that was taken has to be told before anybody else knows of it.
func (Core) MayGiveUp(w *Waiter, d Done) {
	if d.c != nil && w.token == nil {
		w.token = make(chan struct{}, 1)
	}
	w.byToken.Store(d.c != nil)
}

// ParkUntil is Park for a waiter that may give up: it reports whether it was unparked, and
// not done. Being both, it may say either; the unpark is then still to be had, by another ParkUntil.
func (Core) ParkUntil(w *Waiter, d Done) bool {
	select {
	case <-w.token:
		return true
	case <-d.c:
		return false
	}
}

// unparkToken is Unpark of a waiter that may give up.
func (c Core) unparkToken(w *Waiter, handoff bool) {
	w.token <- struct{}{}
	if handoff {
		c.Yield()
	}
}
