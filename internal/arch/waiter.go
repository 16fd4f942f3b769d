package arch

import (
	"sync"
	"sync/atomic"
)

// Waiter is a waiting goroutine's place in a queue: links, whose meaning is the lock's. Waiters live in
// one table of the process and are named by their numbers in it, from 1; 0 is none. They never move and are
// never freed, so that a look at one that has gone back reads stale numbers and no foreign memory.
type Waiter struct {
	Older, Newer, Oldest, First U32
	Flags                       U32
	Queued                      U32

	_ [64 - 6*4]byte
}

// bed is where it sleeps.
type bed struct {
	sema    uint32
	byToken atomic.Bool
	token   chan struct{} // of a waiter that may give up
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
	chunks atomic.Pointer[[]ward]
	free   []uint32
}

// ward is a chunk of the table.
type ward struct {
	waiters *[chunk]Waiter
	beds    *[chunk]bed
}

// Waiter returns waiter i.
func (Core) Waiter(i uint32) *Waiter {
	return &(*table.chunks.Load())[i/chunk].waiters[i%chunk]
}

func bedOf(i uint32) *bed { return &(*table.chunks.Load())[i/chunk].beds[i%chunk] }

// takeShared fills some with waiters that are free.
func takeShared(some []uint32) {
	table.Lock()
	defer table.Unlock()
	for len(table.free) < len(some) {
		var old []ward
		if p := table.chunks.Load(); p != nil {
			old = *p
		}
		chunks := append(old[:len(old):len(old)], ward{new([chunk]Waiter), new([chunk]bed)})
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

// MayGiveUp says how waiter i is parked from now on: with ParkUntil if d is possible, else with Park. A waiter
// that was taken has to be told before anybody else knows of it.
func (Core) MayGiveUp(i uint32, d Done) {
	b := bedOf(i)
	if d.c != nil && b.token == nil {
		b.token = make(chan struct{}, 1)
	}
	if by := d.c != nil; b.byToken.Load() != by {
		b.byToken.Store(by)
	}
}

// ParkUntil is Park for a waiter that MayGiveUp was told may give up: it reports whether it was unparked, and
// not done. Being both, it may say either; the unpark is then still to be had, by another ParkUntil.
func (c Core) ParkUntil(i uint32, d Done) bool {
	c.mustNotHold()
	select {
	case <-bedOf(i).token:
		return true
	case <-d.c:
		return false
	}
}

// unparkToken is Unpark of a waiter that may give up.
func (c Core) unparkToken(b *bed, handoff bool) {
	b.token <- struct{}{}
	if handoff {
		c.Yield()
	}
}
