package result

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/HdrHistogram/hdrhistogram-go"
)

func TestCorrectionIsThatOfHdrHistogram(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for trial := range 300 {
		interval := 1 + rnd.Int64N(1<<(1+rnd.IntN(12)))
		want, have := newHistogram(), newHistogram()
		for range 1 + rnd.IntN(8) {
			w, n := rnd.Int64N(1<<(1+rnd.IntN(18))), 1+rnd.IntN(3)
			recordCorrected(have, w, uint64(n), interval)
			for range n {
				if err := want.RecordCorrectedValue(w, interval); err != nil {
					t.Fatal(err)
				}
			}
		}
		if !have.Equals(want) {
			t.Fatalf("trial %d, interval %d:\nhave %v\nwant %v", trial, interval, bars(have),
				bars(want))
		}
	}
}

func bars(h *hdrhistogram.Histogram) (s []string) {
	for _, b := range h.Distribution() {
		if b.Count > 0 {
			s = append(s, b.String())
		}
	}
	return s
}

// A stall's correction costs a step for each bucket that it reaches, not for each
// arrival: here 2600 instead of 1.7 million.
func BenchmarkCorrectOneSecondStall(b *testing.B) {
	h := newHistogram()
	for b.Loop() {
		recordCorrected(h, 1e9, 1, 600)
	}
}

// octaves is a bucketing by powers of two.
func octaves(i int) (lo, hi uint64) {
	if i == 0 {
		return 0, 1
	}
	if i == 64 {
		return 1 << 63, math.MaxUint64
	}
	return 1 << (i - 1), 1 << i
}

func TestLatency(t *testing.T) {
	at := func(counts map[int]uint64) []uint64 {
		c := make([]uint64, 65)
		for i, n := range counts {
			c[i] = n
		}
		return c
	}
	for _, c := range []struct {
		name              string
		counts            []uint64
		interval          uint64
		corrected, closed Latency
	}{
		{"nothing measured is all zero", at(nil), 600, Latency{}, Latency{}},
		{"no bucket is all zero", nil, 600, Latency{}, Latency{}},
		// 2^6..2^7-1 counts as 96, 2^4..2^5-1 as 24.
		{"a time counts as the middle of its bucket", at(map[int]uint64{5: 9, 7: 1}), 600,
			Latency{24, 96, 96, 96}, Latency{24, 96, 96, 96}},
		{"an interval of 0 corrects nothing", at(map[int]uint64{5: 99, 7: 1}), 0,
			Latency{24, 24, 96, 96}, Latency{24, 24, 96, 96}},
		// 96 adds 86, 76, …, 16: 9 in all, of which the fifth is 56.
		{"a long wait stands for those who would have come meanwhile", at(map[int]uint64{7: 1}), 10,
			Latency{56, 96, 96, 96}, Latency{96, 96, 96, 96}},
	} {
		t.Run(c.name, func(t *testing.T) {
			corrected, closed := NewLatency(c.counts, octaves, c.interval)
			if corrected != c.corrected || closed != c.closed {
				t.Errorf("corrected %v, closed %v; want %v, %v", corrected, closed, c.corrected,
					c.closed)
			}
		})
	}
}

func TestATimePastTheHistogramsEndCountsAsItsEnd(t *testing.T) {
	counts := make([]uint64, 65)
	counts[64] = 1
	corrected, closed := NewLatency(counts, octaves, math.MaxUint64)
	if closed.Max < maxLatency || corrected.Max != closed.Max {
		t.Errorf("longest %d and %d, want the histogram's end, %d or a little more", closed.Max,
			corrected.Max, uint64(maxLatency))
	}
}

func TestJain(t *testing.T) {
	for _, c := range []struct {
		shares []uint64
		want   float64
	}{
		{nil, 0},
		{[]uint64{0, 0}, 0},
		{[]uint64{7}, 1},
		{[]uint64{5, 5, 5, 5}, 1},
		{[]uint64{9, 0, 0, 0}, 0.25},
		{[]uint64{1, 2, 3}, 36.0 / 42},
		{[]uint64{math.MaxUint64, math.MaxUint64, math.MaxUint64}, 1},
	} {
		t.Run(fmt.Sprint(c.shares), func(t *testing.T) {
			if have := Jain(c.shares); math.Abs(have-c.want) > 1e-12 || have > 1 {
				t.Errorf("%v, want %v", have, c.want)
			}
		})
	}
}

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   float64
	}{
		{nil, 0},
		{[]float64{3}, 3},
		{[]float64{9, 1, 5}, 5},
		{[]float64{9, 1, 5, 7}, 6},
	} {
		t.Run(fmt.Sprint(c.values), func(t *testing.T) {
			before := fmt.Sprint(c.values)
			if have := Median(c.values); have != c.want {
				t.Errorf("%v, want %v", have, c.want)
			}
			if after := fmt.Sprint(c.values); after != before {
				t.Errorf("the values are now %s", after)
			}
		})
	}
}

func TestCellsAreInTheOrderOfTheirFirstRun(t *testing.T) {
	run := func(lock string, vcpus, round int, ops float64) Run {
		return Run{Lock: lock, Machine: "threads", CPUs: 2, VCPUs: vcpus, Round: round,
			OpsPerSecond: ops}
	}
	cells := Cells([]Run{
		run("xen", 2, 1, 10), run("ticket", 2, 1, 90), run("xen", 8, 1, 5),
		run("xen", 2, 2, 30), run("ticket", 2, 2, 80), run("xen", 8, 2, 7),
		run("xen", 2, 3, 11),
	})
	var have []string
	for _, c := range cells {
		have = append(have,
			fmt.Sprintf("%s/%d: %d runs, %v", c.Lock, c.VCPUs, len(c.Runs),
				c.Median(func(r *Run) float64 { return r.OpsPerSecond })))
	}
	want := []string{"xen/2: 3 runs, 11", "ticket/2: 2 runs, 85", "xen/8: 2 runs, 6"}
	if fmt.Sprint(have) != fmt.Sprint(want) {
		t.Errorf("%q, want %q", have, want)
	}
}
