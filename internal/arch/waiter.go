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
	sema    sema
	byToken atomic.Bool
	token   chan struct{} // of a wait that may be given up
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

// MaxWaiter is the largest number that a waiter can have.
const MaxWaiter = 1<<27 - 1

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
		if len(chunks) > (MaxWaiter+1)/chunk {
			Core{}.Fatal("pvlock: too many goroutines wait")
		}
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
// that was taken has to be told before anybody else knows of it, and one that may give up before each wait.
func (Core) MayGiveUp(i uint32, d Done) {
	b := bedOf(i)
	if d.c != nil {
		// Each wait has a channel of its own: one that was made in a bubble of testing/synctest
		// ends the program when it is used outside.
		b.token = make(chan struct{}, 1)
	}
	if by := d.c != nil; b.byToken.Load() != by {
		b.byToken.Store(by)
	}
}

// Park puts the goroutine to sleep until its waiter i is unparked. An Unpark that came
// first ends it at once. The block profile gets the stack above the caller of Park and skip more frames, of which
// the runtime allows one.
func (c Core) Park(i uint32, skip int) {
	c.mustNotHold()
	semacquire(&bedOf(i).sema, false, 1+skip)
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

// Unpark ends waiter i's sleep, or the next one. With handoff it runs next on this
// P, at once, unless the goroutine holds a Spinlock and so has to stay. The mutex profile gets the stack above the caller and
// skip more frames.
func (c Core) Unpark(i uint32, handoff bool, skip int) {
	b := bedOf(i)
	if !b.byToken.Load() {
		semrelease(&b.sema, handoff, 1+skip)
		return
	}
	b.token <- struct{}{}
	if handoff && !c.mayHold() {
		c.Yield()
	}
}
