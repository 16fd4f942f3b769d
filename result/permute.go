package result

import (
	"math"
	"math/rand/v2"
	"slices"
)

// Whether a cell is worse is judged for all cells together, by permutation: if there is no
// difference, which rounds are called old and which new says nothing, and each way to call them so
// is as good as the one that was measured. The share of the ways in which any cell looks as bad as
// this one does is its p, corrected for the number of cells, whatever the distribution and however
// the cells depend on each other (the single-step max-t procedure of Westfall and Young,
// Resampling-Based Multiple Testing, 1993).

// lossLevel is how often at most a comparison of equals may show any loss.
const lossLevel = 0.05

// fewestRounds is how many rounds it takes on both sides: of two samples of three, even the most
// different are chance once in twenty times, in either direction.
const fewestRounds = 4

// mostWays is how many ways to call the rounds are tried; where there are more, as many are drawn.
const mostWays = 2000

// trial is the rounds of all cells: the logarithms of a figure of which higher is better, NaN where
// there is none. The first old of the rounds are of the old one.
type trial struct {
	cells [][]float64 // by cell and round
	old   int
	ways  [][]bool // for each way, which rounds are called new; the first one is as measured
}

func newTrial(old, now [][]float64) *trial {
	t := &trial{}
	rounds := 0
	for i := range old {
		t.old, rounds = max(t.old, len(old[i])), max(rounds, len(now[i]))
	}
	least := math.Inf(1)
	for _, values := range slices.Concat(old, now) {
		for _, v := range values {
			if v > 0 {
				least = min(least, v)
			}
		}
	}
	log := func(values []float64, n int) (out []float64) {
		for i := range n {
			switch {
			case i >= len(values):
				out = append(out, math.NaN())
			case values[i] <= 0:
				out = append(out, math.Log(least)-nothing)
			default:
				out = append(out, math.Log(values[i]))
			}
		}
		return out
	}
	for i := range old {
		t.cells = append(t.cells, append(log(old[i], t.old), log(now[i], rounds)...))
	}
	t.ways = ways(t.old, rounds)
	return t
}

// nothing is how far below the least of all figures 0 is, which has no logarithm.
const nothing = 20

// ways returns the ways to call n+m rounds old and new.
func ways(n, m int) (all [][]bool) {
	measured := make([]bool, n+m)
	for i := n; i < n+m; i++ {
		measured[i] = true
	}
	all = append(all, measured)
	if count := binomial(n+m, n); count <= mostWays {
		for set := range uint(1) << (n + m) {
			way, chosen := make([]bool, n+m), 0
			for i := range way {
				if way[i] = set>>i&1 != 0; way[i] {
					chosen++
				}
			}
			if chosen == m && !slices.Equal(way, measured) {
				all = append(all, way)
			}
		}
		return all
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for len(all) < mostWays {
		way := slices.Clone(measured)
		rng.Shuffle(len(way), func(i, j int) { way[i], way[j] = way[j], way[i] })
		all = append(all, way)
	}
	return all
}

func binomial(n, k int) float64 {
	b := 1.0
	for i := range k {
		b = b * float64(n-i) / float64(i+1)
	}
	return b
}

// worse says of each cell whether its new rounds are worse than its old ones by more than a factor,
// whose logarithm is given, at lossLevel for all of them together.
func (t *trial) worse(by float64) []bool {
	shifted := make([][]float64, len(t.cells))
	for i, values := range t.cells {
		shifted[i] = slices.Clone(values)
		for k := t.old; k < len(values); k++ {
			shifted[i][k] += by
		}
	}
	bad := make([]bool, len(shifted))
	if rounds := len(t.ways[0]); t.old < fewestRounds || rounds-t.old < fewestRounds {
		return bad
	}
	seen := make([]float64, len(shifted))
	for i := range shifted {
		seen[i] = badness(shifted[i], t.ways[0])
	}
	as := make([]int, len(shifted)) // in how many ways some cell looks as bad
	for _, way := range t.ways {
		most := math.Inf(-1)
		for i := range shifted {
			most = max(most, badness(shifted[i], way))
		}
		for i := range as {
			// What differs by rounding alone is as bad.
			if most >= seen[i]-1e-9*math.Abs(seen[i]) {
				as[i]++
			}
		}
	}
	for i := range bad {
		bad[i] = float64(as[i]) <= lossLevel*float64(len(t.ways))
	}
	return bad
}

// badness is Welch's t of how much lower the rounds are that are called new.
func badness(values []float64, isNew []bool) float64 {
	var n, sum, squares [2]float64
	for i, v := range values {
		if math.IsNaN(v) {
			continue
		}
		k := 0
		if isNew[i] {
			k = 1
		}
		n[k]++
		sum[k] += v
		squares[k] += v * v
	}
	if n[0] < 2 || n[1] < 2 {
		return math.Inf(-1)
	}
	variance := 0.0
	for k := range n {
		variance += max(0, squares[k]-sum[k]*sum[k]/n[k]) / (n[k] - 1) / n[k]
	}
	// Rounds that agree to the last digit have an error all the same.
	return (sum[0]/n[0] - sum[1]/n[1]) / math.Sqrt(variance+1e-10)
}

// lowerBounds returns for each cell the logarithm of the factor by which it is worse at the least,
// with the confidence that goes with lossLevel for all cells together; 0 if that is none.
func (t *trial) lowerBounds() []float64 {
	bounds := make([]float64, len(t.cells))
	low, high := make([]float64, len(t.cells)), make([]float64, len(t.cells))
	worse := t.worse(0)
	for i := range high {
		if worse[i] {
			high[i] = 2 * nothing
		}
	}
	for i := range t.cells {
		if high[i] == 0 {
			continue
		}
		for range 16 {
			middle := (low[i] + high[i]) / 2
			if t.worse(middle)[i] {
				low[i] = middle
			} else {
				high[i] = middle
			}
		}
		bounds[i] = low[i]
	}
	return bounds
}
