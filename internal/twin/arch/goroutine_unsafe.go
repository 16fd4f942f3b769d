package arch

import "unsafe"

// What goroutines that wait do.

// Flags of a gate, as the real ones are.
const (
	GateClosed = 1 << 31
	GateBell   = 1 << 0
)

// StoreLoadBarrier says that Give's load may be satisfied before its store is visible.
const StoreLoadBarrier = true

// Take is a load of the gate, and if that isn't closed, a compare-and-swap of the cell from 0 to 1.
func (c Core) Take(cell, gate *U32) bool {
	return c.exec(Load, 4, unsafe.Pointer(gate), GateClosed, 0) == 0 && c.Cas32(cell, 0, 1)
}

// Give is a store of 0 to the cell, and then a load of the gate.
func (c Core) Give(cell, gate *U32) bool {
	c.Store32(cell, 0)
	return c.exec(Load, 4, unsafe.Pointer(gate), GateBell, 0) != 0
}

// FenceAll executes a full fence on every CPU.
func (c Core) FenceAll() { c.Membarrier() }

// FenceAllIsCheap reports that it is.
func (c Core) FenceAllIsCheap() bool { return true }

// Waiter is a waiting goroutine's place in a queue, as the real one is.
type Waiter struct {
	Older, Newer, Oldest, First U32
	Flags                       U32
	Queued                      U32
}

// Done says when a wait is to be given up; the zero Done is never.
type Done struct{ can bool }

// AnyTime is done at any time, or never.
func AnyTime() Done { return Done{true} }

// Possible reports whether it can ever be done.
func (d Done) Possible() bool { return d.can }

// IsDone reports whether it is.
func (c Core) IsDone(d Done) bool { return d.can && c.exec(IsDone, 0, nil, 0, 0) != 0 }

// Waiter returns waiter i.
func (c Core) Waiter(i uint32) *Waiter { return c.Engine.(Table).Waiter(i) }

// TakeWaiter returns a waiter that nobody uses.
func (c Core) TakeWaiter() uint32 { return uint32(c.exec(TakeWaiter, 0, nil, 0, 0)) }

// DropWaiter gives a waiter back.
func (c Core) DropWaiter(i uint32) { c.exec(DropWaiter, 0, nil, uint64(i), 0) }

// The ways to sleep. Being roused in one doesn't end a sleep in the other.
const (
	byPermit = iota
	byToken
)

// MayGiveUp says how waiter i is parked from now on: with ParkUntil if d is possible, else with
// Park.
func (c Core) MayGiveUp(i uint32, d Done) {
	by := uint64(byPermit)
	if d.can {
		by = byToken
	}
	c.exec(SleepBy, 0, nil, uint64(i), by)
}

// Park puts the goroutine to sleep until its waiter i is unparked.
func (c Core) Park(i uint32, _ int) { c.exec(Sleep, 0, nil, uint64(i), byPermit) }

// Bubbles says whether waits in bubbles of testing/synctest may block durably: in a model there are
// none.
const Bubbles = false

// Acquired does nothing.
func (c Core) Acquired(cell *U32) {}

// Releases does nothing.
func (c Core) Releases(cell *U32) {}

// Others is whom a goroutine sleeps among: in a model, where nobody profiles, nobody.
type Others struct{}

// JoinOthers does nothing.
func (c Core) JoinOthers(cell *U32, i uint32, first bool) Others { return Others{} }

// ParkAmong is Park.
func (c Core) ParkAmong(_ Others, i uint32, skip int) uint32 {
	c.Park(i, skip)
	return i
}

// ParkUntil is Park for a waiter that may give up: it reports whether it was unparked.
func (c Core) ParkUntil(i uint32, d Done) bool {
	n := uint32(0)
	if d.can {
		n = 1
	}
	v, _ := c.Engine.Exec(Event{Kind: Sleep, A: uint64(i), B: byToken, N: n})
	return v != 0
}

// Unpark ends waiter i's sleep, or the next one.
func (c Core) Unpark(i uint32, _ bool, _ int) { c.exec(Rouse, 0, nil, uint64(i), 0) }

// Nanotime is the monotonic clock in nanoseconds.
func (c Core) Nanotime() int64 { return int64(c.exec(Clock, 0, nil, 0, 0)) }

// SpinIsOfUse reports whether a waiter should stay awake.
func (c Core) SpinIsOfUse() bool { return c.exec(Guess, 0, nil, 0, 0) != 0 }

// OneIn is true once in n times: in a model, at any time.
func (c Core) OneIn(n uint32) bool { return c.exec(Guess, 0, nil, uint64(n), 0) != 0 }

// Preempted says that a spinner lost its CPU.
func (c Core) Preempted() {}

// Yield lets others of the processor run.
func (c Core) Yield() { c.exec(Pause, 0, nil, 0, 0) }

// Delay is n rounds of one PAUSE.
func (c Core) Delay(n uint32) { c.exec(Work, 0, nil, uint64(n), 0) }

// Rounds returns how many rounds of Delay take ns nanoseconds.
func (c Core) Rounds(ns uint32) uint32 { return ns }

// Seen is what somebody who asked for it is told of a lock. In a model nobody asks.
type Seen struct{}

// Tell does nothing.
func (s *Seen) Tell(i int, n uint64) {}

// Observed returns nil.
func (c Core) Observed(cell *U32) *Seen { return nil }
