// Package gomaxprocs changes GOMAXPROCS for a while. The runtime follows the control group's limit
// and the affinity by itself until a program says a number; what is changed for a while must not
// end that.
package gomaxprocs

import (
	"runtime"
	"runtime/metrics"
)

// Save notes GOMAXPROCS, and whether the runtime chooses it by itself. What it returns puts both
// back. In between the caller may set it as it likes.
func Save() (restore func()) {
	n := runtime.GOMAXPROCS(0)
	if automatic(n) {
		return runtime.SetDefaultGOMAXPROCS
	}
	return func() { runtime.GOMAXPROCS(n) }
}

// automatic says whether the runtime chooses GOMAXPROCS, which is n now. It leaves both as they
// are.
//
// There is no call that tells. But SetDefaultGOMAXPROCS, which hands the choice to the runtime,
// stops the world unless the runtime has it already, and its choice is n: and pauses are counted.
//
// Two things make the answer wrong, and then the number is kept: another pause at the same instant,
// and a limit that has changed so lately that the runtime has not followed yet, which it does about
// once a second.
func automatic(n int) bool {
	before := pauses()
	runtime.SetDefaultGOMAXPROCS()
	if pauses() == before && runtime.GOMAXPROCS(0) == n {
		return true
	}
	runtime.GOMAXPROCS(n)
	return false
}

// pauses returns how often the world has been stopped for something else than a collection.
func pauses() (n uint64) {
	sample := []metrics.Sample{{Name: "/sched/pauses/total/other:seconds"}}
	metrics.Read(sample)
	if sample[0].Value.Kind() != metrics.KindFloat64Histogram {
		return 0
	}
	for _, count := range sample[0].Value.Float64Histogram().Counts {
		n += count
	}
	return n
}
