package result

import (
	"math"
	"math/rand/v2"
	"testing"
)

// drawn makes rounds of cells whose figure varies as on a virtual machine: by 2% from round to
// round, now and then one at two thirds, and all cells of a round together by 3%.
func drawn(rng *rand.Rand, cells, rounds int, times float64) [][]float64 {
	all := make([][]float64, cells)
	for range rounds {
		together := math.Exp(0.03 * rng.NormFloat64())
		for i := range all {
			v := 1e6 * float64(i+1) * together * math.Exp(0.02*rng.NormFloat64()) * times
			if rng.IntN(20) == 0 {
				v *= 0.66
			}
			all[i] = append(all[i], v)
		}
	}
	return all
}

// Of pairs that differ in nothing at most 5% show any loss, however many cells there are: the bound
// is three standard deviations of as many draws above that.
func TestEqualsShowALossInFiveOfAHundredAtMost(t *testing.T) {
	const pairs = 300
	rng := rand.New(rand.NewPCG(1, 7))
	alarms := 0
	for range pairs {
		t := newTrial(drawn(rng, 12, 6, 1), drawn(rng, 12, 6, 1))
		for _, bad := range t.worse(0) {
			if bad {
				alarms++
				break
			}
		}
	}
	if most := lossLevel*pairs +
		3*math.Sqrt(pairs*lossLevel*(1-lossLevel)); float64(alarms) > most {
		t.Errorf("%d alarms in %d pairs of equals: want %.0f at most", alarms, pairs, most)
	}
}

func TestALossOfAllRoundsIsBoundedFromBelow(t *testing.T) {
	old := [][]float64{{100, 101, 99, 100, 102, 98}, {50, 51, 49, 50, 50, 50}}
	now := [][]float64{{80, 81, 79, 80, 82, 78}, {50, 50, 51, 49, 50, 50}}
	b := newTrial(old, now).lowerBounds()
	if b[0] < 0.15 || b[0] > math.Log(1.25) || b[1] != 0 {
		t.Errorf("the first is worse by at least %v, the second by %v; want nearly a quarter, "+
			"and nothing", b[0], b[1])
	}
}

// A loss of 5% is found, at a bound of nothing, in four of five pairs at least, where rounds agree
// as they do on a quiet machine.
func TestALossOfFivePercentIsFound(t *testing.T) {
	const pairs = 100
	rng := rand.New(rand.NewPCG(2, 7))
	quiet := func(times float64) [][]float64 {
		all := make([][]float64, 12)
		for i := range all {
			factor := 1.0
			if i == 5 {
				factor = times
			}
			for range 7 {
				all[i] = append(all[i], 1e6*factor*math.Exp(0.01*rng.NormFloat64()))
			}
		}
		return all
	}
	found := 0
	for range pairs {
		if newTrial(quiet(1), quiet(0.95)).worse(0)[5] {
			found++
		}
	}
	if found < pairs*4/5 {
		t.Errorf("a loss of 5%% was found in %d of %d pairs", found, pairs)
	}
}
