package bench

import (
	"testing"
	"time"
)

func TestBusyCountsTheCPUsThatItIsAskedFor(t *testing.T) {
	const stat = "cpu  1 1 1 1 1 1 1 1\ncpu0 10 1 2 1000 50 3 4 5 0 0\ncpu1 100 0 0 0 0 0 0 0 0 " +
		"0\ncpu10 7 7 7 7 7 7 7 7 0 0\nintr 1\n"
	for _, tt := range []struct {
		cpus  []int
		want  time.Duration
		known bool
	}{
		{[]int{0}, 200 * time.Millisecond, true}, {[]int{0, 1}, 1200 * time.Millisecond, true},
		{[]int{0, 2}, 200 * time.Millisecond, false}, {[]int{3}, 0, false},
	} {
		if got, known := busy(stat, tt.cpus); got != tt.want || known != tt.known {
			t.Errorf("%v: %v, %v; want %v, %v", tt.cpus, got, known, tt.want, tt.known)
		}
	}
	if _, known := busy("cpu0 0 0 0 0 0 0 0 0\n", []int{0}); known {
		t.Error("a counter that nobody counts is taken for a value")
	}
	if _, known := busy("cpu0 1 x 0 0 0 0 0 0\n", []int{0}); known {
		t.Error("what is not a number is taken for a value")
	}
}
