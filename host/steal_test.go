package host

import (
	"math"
	"testing"
	"time"
)

const tick = 10 * time.Millisecond

func TestCPUTime(t *testing.T) {
	for _, c := range []struct {
		name, stat   string
		steal, total float64 // ticks
		fails        bool
	}{
		{"guest time is not counted twice",
			"cpu  10 20 30 40 50 60 70 80 1000 1000\ncpu0 1 1 1 1 1 1 1 1 0 0\n", 80, 360, false},
		{"a kernel without guest time", "cpu  1 1 1 1 1 1 1 5\n", 5, 12, false},
		{"the sum is found though it is not first", "intr 5\ncpu 0 0 0 0 0 0 0 1\n", 1, 1, false},
		{"a kernel without steal time is an error", "cpu  1 1 1 1 1 1 1\n", 0, 0, true},
		{"a word in place of a number is an error", "cpu  1 1 1 x 1 1 1 1\n", 0, 0, true},
		{"a negative number is an error", "cpu  1 1 1 -1 1 1 1 1\n", 0, 0, true},
		{"single CPUs only is an error", "cpu0 1 1 1 1 1 1 1 1\n", 0, 0, true},
		{"the line twice is an error", "cpu 1 1 1 1 1 1 1 1\ncpu 1 1 1 1 1 1 1 1\n", 0, 0, true},
		{"more stolen than a duration has room for is an error", "cpu 1 1 1 1 1 1 1 922337203686\n",
			0, 0, true},
		{"more idle than a duration has room for is not", "cpu 0 0 0 922337203686 0 0 0 1\n", 1,
			922337203687, false},
		{"an empty file is an error", "", 0, 0, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			have, err := cpuTime(files(map[string]string{"proc/stat": c.stat}))
			if (err != nil) != c.fails {
				t.Fatalf("%+v, %v", have, err)
			}
			if err == nil &&
				(have.Steal() != time.Duration(c.steal)*tick || have.total() != c.total) {
				t.Errorf("%+v: stolen %v, total %v", have, have.Steal(), have.total())
			}
		})
	}
	if _, err := cpuTime(files(nil)); err == nil {
		t.Error("no file, and no error")
	}
}

func TestAShareIsBetween0And1OrUnknown(t *testing.T) {
	const huge = math.MaxInt64
	for _, c := range []struct {
		name          string
		before, after []uint64
		want          float64 // -1 is unknown
	}{
		{"a quarter", []uint64{0, 0, 0, 0, 0, 0, 0, 0}, []uint64{3, 0, 0, 0, 0, 0, 0, 1}, 0.25},
		{"all of it", []uint64{1, 1, 1, 1, 1, 1, 1, 1}, []uint64{1, 1, 1, 1, 1, 1, 1, 9}, 1},
		{"no tick", []uint64{1, 1, 1, 1, 1, 1, 1, 1}, []uint64{1, 1, 1, 1, 1, 1, 1, 1}, -1},
		{"idle time that runs back", []uint64{0, 0, 0, 50, 50, 0, 0, 0},
			[]uint64{3, 0, 0, 49, 40, 0, 0, 1}, 0.25},
		{"stolen time that runs back", []uint64{0, 0, 0, 0, 0, 0, 0, 5},
			[]uint64{9, 0, 0, 0, 0, 0, 0, 4}, -1},
		{"a reset", []uint64{9, 9, 9, 9, 9, 9, 9, 9}, []uint64{1, 0, 1, 1, 0, 0, 0, 0}, -1},
		{"a wrap at 32 bits", []uint64{1<<32 - 1, 0, 0, 0, 0, 0, 0, 1},
			[]uint64{3, 0, 0, 0, 0, 0, 0, 2}, -1},
		{"columns whose sum has more than 64 bits", []uint64{0, 0, 0, 0, 0, 0, 0, 0},
			[]uint64{huge, huge, huge, huge, huge, huge, huge, 900_000_000_000}, 1.4e-8},
	} {
		t.Run(c.name, func(t *testing.T) {
			var b, a CPUTime
			copy(b.ticks[:], c.before)
			copy(a.ticks[:], c.after)
			have := Stolen(Is(b), Is(a))
			if share, ok := have.Get(); ok != (c.want >= 0) || ok && math.Abs(share-c.want) > 1e-8 {
				t.Errorf("%v, want %v", have, c.want)
			}
		})
	}
	why := NotToldFact[CPUTime]("an emulator")
	if f := Stolen(why, Is(CPUTime{})); f.State() != NotTold || f.Why() != "an emulator" {
		t.Errorf("%+v", f)
	}
	if f := Stolen(Is(CPUTime{}), UnknownFact[CPUTime]("gone")); f.State() != Unknown ||
		f.Why() != "gone" {
		t.Errorf("%+v", f)
	}
}
