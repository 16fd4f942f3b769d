package arch

import "sync/atomic"

// Rounds returns how many rounds of Delay take ns nanoseconds, at least 1. PAUSE takes from 5 ns to
// 60 ns and more, depending on the CPU; the first call measures it, in some µs. See Calibrate for
// the thorough way.
func (c Core) Rounds(ns uint32) uint32 {
	per := delayCost.Load()
	if per == 0 {
		per = measureDelay(c)
	}
	return max(ns*16/per, 1)
}

// delayCost is what a round of Delay takes, in sixteenths of a nanosecond.
var delayCost atomic.Uint32

func measureDelay(c Core) uint32 {
	const rounds, tries = 16, 3
	least := int64(1 << 20)
	for range tries {
		began := c.Nanotime()
		c.Delay(rounds)
		least = min(least, c.Nanotime()-began)
	}
	// At least a nanosecond, should the clock be too coarse to see anything.
	per := max(uint32(least*16/rounds), 16)
	delayCost.Store(per)
	return per
}

// Delay is n rounds of one PAUSE, without looking at anything.
//
//go:noinline
func (Core) Delay(n uint32) {
	for range n {
		pause()
	}
}

// SpinIsOfUse reports whether a waiter should stay awake: somebody else runs, who
// may hold the lock, nobody waits for this P, and no spinner was preempted lately.
func (Core) SpinIsOfUse() bool {
	if !idlePs() || noSpin.Load() {
		return false
	}
	at := spinAgain.Load()
	if at == 0 {
		return true
	}
	if nanotime() < at {
		return false
	}
	spinAgain.CompareAndSwap(at, 0)
	return true
}

// Preempted says that a spinner lost its CPU: all of this process stop spinning for some time.
func (Core) Preempted() { spinAgain.Store(nanotime() + afterPreemption) }

// afterPreemption is of the size of the slices that the kernel gives others, in ns.
const afterPreemption = 5e6

// spinAgain is until when SpinIsOfUse says no; 0 is not at all.
var spinAgain atomic.Int64

// NoSpin makes SpinIsOfUse say no, for tests that want every wait to sleep.
func NoSpin(on bool) { noSpin.Store(on) }

var noSpin atomic.Bool
