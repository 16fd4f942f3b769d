package arch

import "sync/atomic"

// Rounds returns how many rounds of Delay take ns nanoseconds, at least 1. PAUSE takes from
// 5 ns to 60 ns and more, depending on the CPU; the first call measures it, in 2 µs or
// so. See Calibrate for the thorough way.
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
	least := int64(1<<31 - 1)
	for range tries {
		began := c.Nanotime()
		c.Delay(rounds)
		least = min(least, c.Nanotime()-began)
	}
	// Without a clock that fine, believe the common 40 cycles.
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
// may hold the lock, and nobody waits for this P.
func (Core) SpinIsOfUse() bool { return idlePs() && !noSpin.Load() }

// NoSpin makes SpinIsOfUse say no, for tests that want every wait to park.
func NoSpin(on bool) { noSpin.Store(on) }

var noSpin atomic.Bool
