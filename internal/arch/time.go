package arch

import (
	"math/bits"
	"sync"
	"time"
)

// Ticks reads the CPU's own counter: TSC on x86, CNTVCT on arm64, monotonic
// nanoseconds elsewhere. It is cheap (10–25 ns), runs at a constant rate, and
// its values compare only with others of the same machine.
func (Core) Ticks() uint64 { return ticks() }

// Now is the CPU's counter in nanoseconds since no particular time. Before
// [Calibrate] it counts ticks.
func (Core) Now() uint64 { return TicksToNanos(ticks()) }

// TicksToNanos converts a count of ticks, or a difference of two.
func TicksToNanos(t uint64) uint64 {
	if scale.nanosPerTick == 0 {
		return t
	}
	hi, lo := bits.Mul64(t, scale.nanosPerTick)
	return hi<<32 | lo>>32
}

// WorkUnits returns how many units of [Core.Work] take d.
func WorkUnits(d time.Duration) uint32 {
	return uint32(float64(d.Nanoseconds()) * scale.workPerNano)
}

// PauseNanos returns what one round of a SpinWhile costs, in nanoseconds: one
// PAUSE, a look, and the loop. PAUSE alone differs between CPUs from some 5 ns to
// 60 ns and more, which is why budgets are given in rounds, as the seeds do, and
// reported in time.
func PauseNanos() float64 { return scale.pauseNanos }

// TicksCost returns what one reading of the counter costs.
func TicksCost() time.Duration { return scale.ticksCost }

// scale is written by Calibrate alone.
var scale struct {
	nanosPerTick uint64 // fixed point, 32 fractional bits
	workPerNano  float64
	pauseNanos   float64
	ticksCost    time.Duration
}

// Calibrate measures the rate of the counter and the cost of PAUSE, of a
// unit of work and of a reading of the counter. It takes about 12 ms the first time, and
// nothing after that. Machines call it before their first CPU comes up; lock
// text never does.
var Calibrate = sync.OnceFunc(func() {
	const window = 5 * time.Millisecond
	began, t0 := time.Now(), ticks()
	for time.Since(began) < window {
	}
	t1, took := ticks(), time.Since(began)
	scale.nanosPerTick = uint64(float64(took.Nanoseconds()) / float64(t1-t0) * (1 << 32))
	if scale.nanosPerTick == 0 {
		scale.nanosPerTick = 1
	}

	const rounds = 4096
	var still U32
	scale.pauseNanos = max(fastest(func() { Core{}.SpinWhile32(&still, 1, 0, rounds) })/rounds, 0.1)
	scale.workPerNano = 1 / max(fastest(func() { Core{}.Work(rounds) })/rounds, 0.1)
	scale.ticksCost = time.Duration(fastest(func() {
		for range rounds {
			ticks()
		}
	}) / rounds)
})

// fastest returns how long f takes, in ns, when nothing gets in its way: the
// least of several runs.
func fastest(f func()) float64 {
	least := time.Duration(1<<63 - 1)
	for range 9 {
		began := time.Now()
		f()
		least = min(least, time.Since(began))
	}
	return float64(least.Nanoseconds())
}

// Work is n units of computation that touches no shared memory: what a critical
// section, or the time between two, is filled with. A unit is one step of a
// multiplicative generator, about a nanosecond; see [WorkUnits]. Being computation and not a
// wait for a point in time, it doesn't get shorter when the CPU is taken away in the
// middle.
//
//go:noinline
func (Core) Work(n uint32) uint32 {
	x := n
	for range n {
		x = x*1664525 + 1013904223
	}
	return x
}
