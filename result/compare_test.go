package result

import (
	"slices"
	"strings"
	"testing"
)

// measuredBench is n rounds of two locks; xen's throughput is times what it is else.
func measuredBench(n int, times float64) *Bench {
	b := &Bench{Command: []string{"pvlock"}, Host: Host{CPU: "c", CPUs: 2, Go: "go1"}}
	for i := range n {
		for _, lock := range []string{"xen", "tas"} {
			ops := 1e6 + 1000*float64(i)
			if lock == "xen" {
				ops *= times
			}
			b.Runs = append(b.Runs,
				Run{Lock: lock, Machine: "threads", CPUs: 2, VCPUs: 8, Round: i + 1,
					OpsPerSecond: ops, AcquisitionsTotal: 1000, CPUSeconds: 1,
					Latency: Latency{P999: uint64(1000 + i)}})
		}
	}
	return b
}

func losses(t *testing.T, a, b any, most float64) (names []string) {
	t.Helper()
	c, err := Compare(a, b)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range c.Losses(most) {
		names = append(names, strings.Fields(l.Name)[0])
	}
	return names
}

func TestALossIsFoundWhenItIsLargerAndNoChance(t *testing.T) {
	for _, tt := range []struct {
		rounds      int
		times, most float64
		want        []string
	}{
		{5, 1, 0.05, nil},
		{5, 0.9, 0.05, []string{"xen"}},
		{5, 0.9, 0.2, nil},
		{5, 1.5, 0, nil},
		{5, 0.9999, 0, nil}, // the rounds differ by more
		{3, 0.5, 0.05, nil}, // too few to tell
		{4, 0.5, 0.05, []string{"xen"}},
		{5, 0, 1, nil},
		{5, 0, 0.99, []string{"xen"}},
	} {
		if have := losses(t, measuredBench(tt.rounds, 1), measuredBench(tt.rounds, tt.times),
			tt.most); !slices.Equal(have, tt.want) {
			t.Errorf("%d rounds, %g times, more than %g: %v, want %v", tt.rounds, tt.times, tt.most,
				have, tt.want)
		}
	}
}

func TestAMutexThatTakesLongerLoses(t *testing.T) {
	mutexes := func(nanos float64) *Mutexes {
		m := &Mutexes{Cells: []MutexMeasured{{MutexCell: MutexCell{Group: "alone", Name: "empty"}}}}
		for i := range 5 {
			m.Cells[0].Runs = append(m.Cells[0].Runs,
				MutexRun{Mutex: MutexPvlock, Acquisitions: 1, NanosPerOp: nanos + float64(i)/10})
		}
		return m
	}
	if have := losses(t, mutexes(10), mutexes(12), 0.1); !slices.Equal(have, []string{"pvlock"}) {
		t.Errorf("%v", have)
	}
	if have := losses(t, mutexes(12), mutexes(10), 0); have != nil {
		t.Errorf("faster, and a loss: %v", have)
	}
}

func TestASimulationIsExact(t *testing.T) {
	a, b := sweep(3), sweep(3)
	b.Runs[1].Acquisitions -= 100
	if have := losses(t, a, b, 0.05); !slices.Equal(have, []string{"xen"}) {
		t.Errorf("%v", have)
	}
	if have := losses(t, a, a, 0); have != nil {
		t.Errorf("it differs from itself: %v", have)
	}
}

func TestComparingRefusesAndWarns(t *testing.T) {
	emulated := measuredBench(5, 1)
	emulated.Host.Emulated = true
	other := measuredBench(5, 1)
	for i := range other.Runs {
		other.Runs[i].CSNanos = 7
	}
	for want, b := range map[string]any{
		"one is of emulated CPUs": emulated, "can't be compared with a pvlock/sim/1": sweep(1),
		"no cell in common": other, "only results of bench": &Check{},
	} {
		if _, err := Compare(measuredBench(5, 1), b); err == nil ||
			!strings.Contains(err.Error(), want) {
			t.Errorf("%v: want %q", err, want)
		}
	}
	b := measuredBench(3, 1)
	b.Host.CPU, b.Host.Kernel, b.Host.GOMAXPROCS = "another", "7.0", 9
	b.Runs = append(b.Runs,
		Run{Lock: "ticket", Machine: "threads", CPUs: 2, VCPUs: 2, AcquisitionsTotal: 1})
	c, err := Compare(measuredBench(3, 1), b)
	if err != nil {
		t.Fatal(err)
	}
	all := strings.Join(c.Warnings, "\n")
	for _, want := range []string{"their CPU: c and another", "their kernel",
		"their GOMAXPROCS: 0 and 9", "only the second has ticket",
		"with 3 rounds no difference can be significant"} {
		if !strings.Contains(all, want) {
			t.Errorf("no warning %q in\n%s", want, all)
		}
	}
	// What was cut short is not compared.
	cutShort := measuredBench(5, 1)
	for i := range cutShort.Runs {
		cutShort.Runs[i].Interrupted = true
	}
	if _, err := Compare(measuredBench(5, 1), cutShort); err == nil {
		t.Error("interrupted runs were compared")
	}
}
