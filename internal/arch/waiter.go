package arch

import (
	"context"
	"sync"
	"sync/atomic"
)

// Waiter is a waiting goroutine's place in a queue: links, whose meaning is the lock's. Waiters
// live in one table of the process and are named by their numbers in it, from 1; 0 is none. They
// never move. A waiter's number may be used from TakeWaiter to DropWaiter only: after that its
// memory may be gone.
type Waiter struct {
	Older, Newer, Oldest, First U32
	Flags                       U32
	Queued                      U32

	_ [64 - 6*4]byte
}

// bed is where it sleeps.
type bed struct {
	sema   sema
	cancel atomic.Pointer[cancellable] // of a wait that may be given up, nil for any other
	crowd  atomic.Pointer[crowd]       // where it sleeps instead, nil if alone
}

// cancellable is one wait that a context may end. The semaphore has a permit for the unpark and one
// for the context. It is no channel: a channel that a bubble of testing/synctest made ends the
// program when a goroutine outside of that bubble sends on it.
type cancellable struct {
	sema  sema
	state atomic.Uint32
	stop  func() bool // ends the watch of the context
}

// States of a cancellable.
const (
	unparked  = 1 << 0
	cancelled = 1 << 1 // before it was unparked
)

// watch has the wait ended when the context is done.
func (w *cancellable) watch(ctx context.Context) {
	w.stop = context.AfterFunc(ctx, func() {
		if w.state.CompareAndSwap(0, cancelled) {
			semrelease(&w.sema, false, 0)
		}
	})
}

// Done says when a wait is to be given up; the zero Done is never.
type Done struct{ ctx context.Context }

// DoneWhen is done when the context is.
func DoneWhen(ctx context.Context) Done {
	if ctx.Done() == nil {
		return Done{}
	}
	return Done{ctx}
}

// Possible reports whether it can ever be done.
func (d Done) Possible() bool { return d.ctx != nil }

// IsDone reports whether it is.
func (Core) IsDone(d Done) bool {
	return d.ctx != nil && d.ctx.Err() != nil
}

const chunk = 256

// MaxWaiter is the largest number that a waiter can have.
const MaxWaiter = 1<<27 - 1

// keptWaiters is up to which number Ps keep free waiters for themselves. So the memory of those
// beyond can be given back when nobody waits any more; the others take some 400 kB at most.
const keptWaiters = 16 * chunk

// table has all waiters, in chunks. Takers prefer low numbers, so that chunks of high numbers
// become free as a whole. The memory of those is given back, but for the lowest: a number of
// waiters that goes up and down at the edge of a chunk shall not allocate all the time.
var table struct {
	sync.Mutex
	chunks atomic.Pointer[[]ward]
	free   [][]uint32 // by chunk, the numbers that nobody uses
	lowest int        // no chunk below has a free number
	// one more than the chunk that is free as a whole, and has memory; 0 if there is none
	spare int
}

// ward is a chunk of the table. It has no memory when it has been given back.
type ward struct {
	waiters *[chunk]Waiter
	beds    *[chunk]bed
}

// Waiter returns waiter i.
func (Core) Waiter(i uint32) *Waiter {
	return &(*table.chunks.Load())[i/chunk].waiters[i%chunk]
}

func bedOf(i uint32) *bed { return &(*table.chunks.Load())[i/chunk].beds[i%chunk] }

// setWard replaces ward k of the table, which has the lock.
func setWard(k int, w ward) {
	var chunks []ward
	if old := table.chunks.Load(); old != nil {
		chunks = append(chunks, *old...)
	}
	if k == len(chunks) {
		chunks = append(chunks, w)
	} else {
		chunks[k] = w
	}
	table.chunks.Store(&chunks)
}

// numbersOf returns the numbers in chunk k, the lowest last.
func numbersOf(k int) []uint32 {
	all := make([]uint32, 0, chunk)
	for i := chunk - 1; i >= 0; i-- {
		if n := uint32(k*chunk + i); n != 0 {
			all = append(all, n)
		}
	}
	return all
}

// isFree reports whether all of chunk k, which has memory, is free.
func isFree(k int) bool {
	n := len(table.free[k])
	return n == chunk || k == 0 && n == chunk-1
}

// takeShared fills some with waiters that are free.
func takeShared(some []uint32) {
	table.Lock()
	defer table.Unlock()
	for i := range some {
		for table.lowest < len(table.free) && len(table.free[table.lowest]) == 0 {
			if (*table.chunks.Load())[table.lowest].waiters == nil {
				break
			}
			table.lowest++
		}
		k := table.lowest
		switch {
		case k == len(table.free):
			if k == (MaxWaiter+1)/chunk {
				Core{}.Fatal("pvlock: too many goroutines wait")
			}
			table.free = append(table.free, nil)
			fallthrough
		case len(table.free[k]) == 0:
			setWard(k, ward{new([chunk]Waiter), new([chunk]bed)})
			table.free[k] = numbersOf(k)
		case table.spare == k+1:
			table.spare = 0
		}
		last := len(table.free[k]) - 1
		some[i] = table.free[k][last]
		table.free[k] = table.free[k][:last]
	}
}

// dropShared takes back waiters that takeShared gave.
func dropShared(some []uint32) {
	table.Lock()
	defer table.Unlock()
	for _, i := range some {
		k := int(i / chunk)
		table.free[k] = append(table.free[k], i)
		table.lowest = min(table.lowest, k)
		if !isFree(k) {
			continue
		}
		if table.spare == 0 {
			table.spare = k + 1
			continue
		}
		if other := table.spare - 1; k < other {
			k, table.spare = other, k+1
		}
		setWard(k, ward{})
		table.free[k] = nil
	}
}

// MayGiveUp says how waiter i is parked from now on: with ParkUntil if d is possible, else with
// Park. A waiter that was taken has to be told before anybody else knows of it, and one that may
// give up before each wait, which must end in ParkUntil.
func (Core) MayGiveUp(i uint32, d Done) {
	b := bedOf(i)
	if b.crowd.Load() != nil {
		b.crowd.Store(nil)
	}
	if d.Possible() {
		w := new(cancellable)
		w.watch(d.ctx)
		b.cancel.Store(w)
	} else if b.cancel.Load() != nil {
		b.cancel.Store(nil)
	}
}

// Park puts the goroutine to sleep until its waiter i is unparked. An Unpark that came first ends
// it at once. The block profile gets the stack above the caller of Park and skip more frames, of
// which the runtime allows one.
func (c Core) Park(i uint32, skip int) {
	c.mustNotHold()
	semacquire(&bedOf(i).sema, false, 1+skip)
}

// ParkUntil is Park for a waiter that MayGiveUp was told may give up: it reports whether it was
// unparked, and not cancelled. If both come it may say either; ParkUntil with the zero Done then
// still returns the unpark.
func (c Core) ParkUntil(i uint32, d Done) bool {
	c.mustNotHold()
	w := bedOf(i).cancel.Load()
	semacquireUnblamed(&w.sema)
	if !d.Possible() {
		return true
	}
	w.stop()
	w.stop = nil // it holds the context
	return w.state.Load()&cancelled == 0
}

// Unpark ends waiter i's sleep, or the next one. With handoff it runs next on this P, at once,
// unless the goroutine holds a Spinlock and so has to stay. The mutex profile gets the stack above
// the caller and skip more frames.
func (c Core) Unpark(i uint32, handoff bool, skip int) {
	b := bedOf(i)
	if w := b.cancel.Load(); w != nil {
		w.state.Or(unparked)
		semrelease(&w.sema, handoff, 1+skip)
		return
	}
	if crowd := b.crowd.Load(); crowd != nil {
		crowd.roused.Store(i)
		semrelease(&crowd.sema, handoff, 1+skip)
		return
	}
	semrelease(&b.sema, handoff, 1+skip)
}
