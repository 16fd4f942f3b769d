package pvlock

import (
	"runtime/metrics"
	"sync/atomic"

	"example.com/pvlock/internal/arch"
)

// A goroutine that locks and unlocks Spinlocks in a loop is pinned nearly all the time, and three
// things that the runtime does for a goroutine's neighbours don't happen while it is:
//
//   - The request to preempt it is taken away unseen (arch.RenewPreemption). Goroutines behind it
//     on its P, and a collection that stops the world, would wait until a request happens to come
//     between two sections.
//   - A goroutine that Unlock wakes is put in line for this P. Those in front of it in that line
//     would each take the lock again and again until their slices are over, 10 ms each.
//   - An allocation in a section never starts a collection.
//
// So each P has turns, which end between two sections. Every lookEvery unlocks the clock is read.
// When a turn has lasted long enough, the P makes up for the three.

const (
	// turnLasts is what a sleeper is late at most by our doing, in ns. The runtime itself asks for
	// a preemption after 10 ms. The end of a turn costs some 0.2 µs, 0.2% of it.
	turnLasts = 100e3

	// lookEvery is how many unlocks go by until the clock is read, if they took less than a turn
	// together. The clock costs 20 to 40 ns, about as much as two pairs of Lock and Unlock.
	lookEvery = 32

	// hurryLasts is how long after a wake-up each turn ends with letting the others of the P run,
	// in ns. With 2 ms the longest wait of 16 goroutines on 2 Ps was 40 to 90 ms, with 26 ms it is
	// below 12.
	hurryLasts = 26e6

	// collectEvery is how often the program looks whether a collection is due, in ns.
	collectEvery = 1e6
)

// turns is the turns of the Ps, by the monotonic clock. Ps beyond share them, and then have shorter
// ones.
var turns [512]struct {
	began atomic.Int64 // the turn
	woke  atomic.Int64 // the last wake-up
	_     [48]byte
}

// collectionLook is when the program looked last whether a collection is due.
var collectionLook atomic.Int64

// What the end of a turn asks for.
type turnEnd uint8

const (
	notOver turnEnd = iota
	isOver
	isOverInHurry // somebody was woken not long ago
)

// noteWakeUp notes that an unlocker on P p, pinned, has woken a waiter.
func noteWakeUp(c arch.Core, p int) { turns[p%len(turns)].woke.Store(c.Nanotime()) }

// endTurn ends the turn of P p if it has lasted long enough. The goroutine is pinned, and holds
// nothing.
//
//go:noinline
func endTurn(c arch.Core, p int) turnEnd {
	t := &turns[p%len(turns)]
	now := c.Nanotime()
	if now-t.began.Load() < turnLasts {
		c.NextDue(p, lookEvery)
		return notOver
	}
	t.began.Store(now)
	// The sections may be long ones, so the next look comes at once.
	c.NextDue(p, 1)
	if now-t.woke.Load() < hurryLasts {
		return isOverInHurry
	}
	return isOver
}

// letOthersRun makes up for what the runtime could not do while the goroutine was pinned. It isn't
// now.
//
//go:noinline
func letOthersRun(c arch.Core, end turnEnd) {
	if now, last := c.Nanotime(), collectionLook.Load(); now-last >= collectEvery &&
		collectionLook.CompareAndSwap(last, now) {
		collectIfDue()
	}
	if end == isOverInHurry {
		c.Yield()
	} else {
		c.RenewPreemption()
	}
}

// collectIfDue starts a collection if the heap has reached its goal, as an allocation would that is
// made unpinned.
func collectIfDue() {
	heap := [...]metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/gc/heap/goal:bytes"}}
	metrics.Read(heap[:])
	if heap[0].Value.Uint64() >= heap[1].Value.Uint64() {
		// The runtime looks at its goal in each allocation of more than 32 kB.
		trigger.Store(new([32<<10 + 1]byte))
	}
}

// trigger keeps what is allocated for its effect from being optimized away.
var trigger atomic.Pointer[[32<<10 + 1]byte]
