package result

import (
	"math"
	"slices"
)

// Jain returns Jain's index of fairness, (Σx)²/(n·Σx²): 1 if all got the same, 1/n
// if one got everything. It is 0 if nobody got anything.
func Jain(shares []uint64) float64 {
	var sum, squares float64
	for _, x := range shares {
		sum += float64(x)
		// The conversion of the product keeps it from being fused with the sum, so that the result
		// is the same on every architecture.
		squares += float64(float64(x) * float64(x))
	}
	if squares == 0 {
		return 0
	}
	// Rounding may pass 1.
	return min(1, sum*sum/(float64(len(shares))*squares))
}

// Median returns the middle one of the values, or the mean of the two in the
// middle; 0 if there are none.
func Median(values []float64) float64 {
	n := len(values)
	if n == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// Cell is what is the same in all rounds of a measurement.
type Cell struct {
	Lock, Machine     string
	CPUs, VCPUs       int
	CSNanos, NCSNanos int64
}

// Rounds is the runs of one cell.
type Rounds struct {
	Cell
	Runs []*Run
}

// Cells sorts the runs into cells, in the order in which each first appears.
func Cells(runs []Run) []Rounds {
	var cells []Rounds
	at := make(map[Cell]int)
	for i := range runs {
		r := &runs[i]
		c := Cell{r.Lock, r.Machine, r.CPUs, r.VCPUs, r.CSNanos, r.NCSNanos}
		k, ok := at[c]
		if !ok {
			k = len(cells)
			at[c] = k
			cells = append(cells, Rounds{Cell: c})
		}
		cells[k].Runs = append(cells[k].Runs, r)
	}
	return cells
}

// Median returns the median over the rounds of what of says of a run.
func (r Rounds) Median(of func(*Run) float64) float64 {
	values := make([]float64, len(r.Runs))
	for i, run := range r.Runs {
		values[i] = of(run)
	}
	return Median(values)
}

// Max returns the highest over the rounds of what of says of a run.
func (r Rounds) Max(of func(*Run) float64) (most float64) {
	for _, run := range r.Runs {
		most = max(most, of(run))
	}
	return most
}

// Disturbed reports whether a round was.
func (r Rounds) Disturbed() bool {
	return slices.ContainsFunc(r.Runs, func(r *Run) bool { return r.Disturbed != nil })
}

// Survival is what is said of a lock's own throughput at an overcommit.
type Survival int

const (
	// Noisy is that nothing can be said: the rounds of the baseline don't agree, or there is but
	// one.
	Noisy Survival = iota
	// Kept is that half of it is left, or more; Fell is something between that and Collapsed, less
	// than a tenth.
	Kept
	Fell
	Collapsed
)

// What is left of a throughput that a lock has kept, and of one that has collapsed.
const (
	kept      = 0.5
	collapsed = 0.1
)

// agreeing is how many times the lowest round the highest may be for rounds to agree. A virtual
// machine's CPUs can be near each other, or not: that alone makes 1.6 between good rounds.
const agreeing = 2

// Survives says what is left of the throughput of a baseline in after, as a share, and what that is
// called.
func (baseline Rounds) Survives(after Rounds) (share float64, s Survival) {
	lowest, highest := math.Inf(1), 0.0
	for _, r := range baseline.Runs {
		lowest, highest = min(lowest, r.OpsPerSecond), max(highest, r.OpsPerSecond)
	}
	if len(baseline.Runs) < 2 || len(after.Runs) == 0 || lowest <= 0 || highest > agreeing*lowest {
		return 0, Noisy
	}
	ops := func(r *Run) float64 { return r.OpsPerSecond }
	switch share = after.Median(ops) / baseline.Median(ops); {
	case share >= kept:
		return share, Kept
	case share < collapsed:
		return share, Collapsed
	}
	return share, Fell
}
