package result

import (
	"math/rand/v2"
	"testing"
)

func TestQuantilesInIntegersAreTheHistograms(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		h := newHistogram()
		for range 1 + r.IntN(50) {
			record(h, int64(r.Uint64()>>(20+r.IntN(44))), 1+r.Uint64N(1<<(1+r.IntN(30))))
		}
		for _, q := range []uint64{500, 990, 999} {
			if got, want := quantile(h, q), uint64(h.ValueAtQuantile(float64(q)/10)); got != want {
				t.Fatalf("%d in a thousand of %d: %d, want %d", q, h.TotalCount(), got, want)
			}
		}
	}
}
