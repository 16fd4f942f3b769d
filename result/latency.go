package result

import (
	"math"
	"math/bits"

	"github.com/HdrHistogram/hdrhistogram-go"
)

const (
	// maxLatency is the longest time that is told apart, in ns: an hour. Longer ones count as it.
	maxLatency = 3600 * 1000 * 1000 * 1000
	// digits is the number of significant decimal digits: an error below 1%.
	digits = 2
)

// NewLatency makes quantiles of waiting times out of counts in buckets. Bucket i holds
// the times from lo up to but not including hi, in ns, as bounds(i) says; each counts as the middle
// of its bucket. A bucket whose hi is math.MaxUint64 is open, and counts as its lo.
//
// closed is what was seen. It flatters a lock that stalls: a vCPU that waits does not ask again, so
// that a stall of a second is one long wait in a million short ones (coordinated omission).
// corrected adds the waits of those who would have come meanwhile, one every interval ns: for each
// wait w > interval, w-interval, w-2·interval, … as long as that is at least interval. It is the
// correction of HdrHistogram, and answers what someone sees who needs the lock at a steady pace. An
// interval of 0 corrects nothing.
//
// The cost is some tens of ns for each bucket of the histogram that a correction reaches,
// however long the wait.
func NewLatency(counts []uint64, bounds func(i int) (lo, hi uint64),
	interval uint64) (corrected, closed Latency) {
	seen, steady := newHistogram(), newHistogram()
	for i, n := range counts {
		if n == 0 {
			continue
		}
		w := middle(bounds(i))
		record(seen, w, n)
		recordCorrected(steady, w, n, int64(min(interval, math.MaxInt64)))
	}
	return quantiles(steady), quantiles(seen)
}

func newHistogram() *hdrhistogram.Histogram { return hdrhistogram.New(1, maxLatency, digits) }

func middle(lo, hi uint64) int64 {
	if hi == math.MaxUint64 {
		hi = lo
	}
	return int64(min(lo+(hi-lo)/2, maxLatency))
}

// record records n times v. It can't fail: v is in the histogram's range, and a sum of
// counts past 2^63 would be centuries of waiting, a nanosecond each.
func record(h *hdrhistogram.Histogram, v int64, n uint64) {
	_ = h.RecordValues(v, int64(min(n, math.MaxInt64)))
}

// recordCorrected does what n calls of h.RecordCorrectedValue(w, interval) do. What is
// added is an arithmetic progression, from the top down; all of its members that
// share a bucket are recorded at once.
func recordCorrected(h *hdrhistogram.Histogram, w int64, n uint64, interval int64) {
	record(h, w, n)
	if interval <= 0 {
		return
	}
	for v := w - interval; v >= interval; {
		members := (v-max(bucketFloor(v), interval))/interval + 1
		record(h, v, n*uint64(members))
		v -= members * interval
	}
}

// bucketFloor returns the least value that shares v's bucket of the histogram, or one
// above it that does: two decimal digits are 8 bits, of which the first is
// always set.
func bucketFloor(v int64) int64 {
	const significant = 8
	drop := max(bits.Len64(uint64(v))-significant, 0)
	return v >> drop << drop
}

func quantiles(h *hdrhistogram.Histogram) Latency {
	if h.TotalCount() == 0 {
		return Latency{}
	}
	return Latency{P50: quantile(h, 500), P99: quantile(h, 990), P999: quantile(h, 999),
		Max: uint64(h.Max())}
}

// quantile returns the least value that q in a thousand of all recorded ones don't exceed, as
// h.ValueAtQuantile does: but that multiplies and adds in floating point, which comes out
// differently on architectures that fuse the two.
func quantile(h *hdrhistogram.Histogram, q uint64) uint64 {
	hi, lo := bits.Mul64(uint64(h.TotalCount()), q)
	lo, carry := bits.Add64(lo, 500, 0)
	rank, _ := bits.Div64(hi+carry, lo, 1000)
	rank = max(rank, 1)
	var seen uint64
	for _, bar := range h.Distribution() {
		if seen += uint64(bar.Count); seen >= rank {
			return uint64(bar.To)
		}
	}
	return uint64(h.Max())
}
