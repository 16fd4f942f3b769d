package bench

import (
	"fmt"
	"slices"
	"time"

	"example.com/pvlock/host"
	"example.com/pvlock/result"
)

// surroundings are what is read at both ends of a cell, to tell what else went on.
type surroundings struct {
	at   time.Time
	cpus []int                   // that the process may use; nil if that isn't known
	time host.Fact[host.CPUTime] // of the machine
	// busy is for how long the CPUs of the cell computed, for anybody, and own for how long this
	// process did; known says whether both are told.
	busy, own time.Duration
	known     bool
}

// What is more than noise. The clock that looks on may itself have to wait for a CPU; /proc/stat
// counts in ticks of 10 ms.
const (
	overrunShare = 0.1
	overrunLeast = 50 * time.Millisecond
	stolenMuch   = 0.05
	othersMuch   = 0.1
	fewTicks     = 30 * time.Millisecond
)

// disturbances says what went on in a cell that was not asked for, of whose window so much was
// asked.
func disturbances(before, after *surroundings, asked, window time.Duration,
	hostCPUs int) (all []result.Disturbance) {
	add := func(kind string, amount float64, format string, args ...any) {
		all = append(all,
			result.Disturbance{Kind: kind, Amount: amount, Text: fmt.Sprintf(format, args...)})
	}
	if over := window - asked; over > overrunLeast && float64(over) > overrunShare*float64(asked) {
		add(result.DisturbedOverrun, over.Seconds(),
			"its window of %v was %v longer: the process, or the machine, stood still", asked,
			over.Round(time.Millisecond))
	}
	if !slices.Equal(before.cpus, after.cpus) {
		add(result.DisturbedCPUs, float64(len(after.cpus)),
			"the CPUs that it may use changed from %v to %v", before.cpus, after.cpus)
	}
	if share, ok := host.Stolen(before.time, after.time).Get(); ok && share > stolenMuch {
		add(result.DisturbedStolen, share, "the hypervisor took %.0f%% of the CPU time", 100*share)
	}
	if before.known && after.known {
		others := (after.busy - before.busy) - (after.own - before.own)
		if share := float64(others) / float64(
			time.Duration(hostCPUs)*after.at.Sub(before.at)); others > fewTicks &&
			share > othersMuch {
			add(result.DisturbedOthers, min(share, 1),
				"other processes took %.0f%% of the CPUs' time", 100*min(share, 1))
		}
	}
	return all
}

// Disturbed cells are measured again, each so often at most, and all together at most a quarter as
// often as there are cells: on a machine that is never quiet a bench takes no more than a quarter
// longer.
const repeatsEach = 2
