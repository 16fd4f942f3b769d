package sim_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"

	"example.com/pvlock/result"
	"example.com/pvlock/sim"
)

// fake is a Runner that simulates nothing: what it says depends on the cell alone.
func fake(ctx context.Context, cfg sim.Config) (result.SimRun, *result.Timeline, error) {
	if err := ctx.Err(); err != nil {
		return result.SimRun{}, nil, err
	}
	r := result.SimRun{
		Lock: cfg.Lock.Name, Scheduler: string(cfg.Scheduler), PCPUs: cfg.PCPUs, VMs: len(cfg.VMs),
		Background: cfg.Background,
		CSNanos:    cfg.Critical.Nanoseconds(), NCSNanos: cfg.Think.Nanoseconds(),
		Nanos: cfg.Duration.Nanoseconds(), Events: 1000,
	}
	for _, vm := range cfg.VMs {
		r.VCPUs += vm.VCPUs
	}
	r.Acquisitions = uint64(1e6 / (len(cfg.Lock.Name) * r.VCPUs))
	r.Contended, r.Blocked = r.Acquisitions/2, r.Acquisitions/8
	r.Latency = result.Latency{P50: 100, P99: 200, P999: 300, Max: uint64(400 * r.VCPUs)}
	r.Values = map[string]float64{"ops_per_s": float64(r.Acquisitions), "jain": 0.5,
		"cpu_per_op_ns": 700}
	var timeline *result.Timeline
	if cfg.Timeline > 0 {
		timeline = &result.Timeline{ToNanos: cfg.Timeline.Nanoseconds()}
	}
	return r, timeline, nil
}

var whole = result.Shard{Index: 1, Of: 1}

func options() sim.Options {
	return sim.Options{Seed: 1, Costs: sim.DefaultCosts(), CostsFrom: "defaults"}
}

func sweep(t *testing.T, given sim.Settings) *sim.Sweep {
	t.Helper()
	s, err := sim.Free().Sweep(given, options())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func run(t *testing.T, s *sim.Sweep, r sim.Runner, shard result.Shard) *result.Sim {
	t.Helper()
	out, err := s.Run(t.Context(), r, shard, nil)
	if err != nil {
		t.Fatal(err)
	}
	out.Command = []string{"pvlock"}
	return out
}

func TestCellsAreCountedLikeAnOdometer(t *testing.T) {
	s := sweep(t,
		sim.Settings{"cs": "1us,2us", "sched": "credit,rr", "locks": "xen,tas", "pcpus": "4"})
	var have []string
	for _, c := range s.Cells {
		have = append(have,
			fmt.Sprint(c.Config.Lock.Name, " ", c.Config.Scheduler, " ", c.Config.Critical))
	}
	want := []string{
		"xen credit 1µs", "xen credit 2µs", "xen rr 1µs", "xen rr 2µs",
		"tas credit 1µs", "tas credit 2µs", "tas rr 1µs", "tas rr 2µs",
	}
	if !slices.Equal(have, want) {
		t.Errorf("cells %q, want %q", have, want)
	}
}

func TestGivenSettingsOverrideTheExperiments(t *testing.T) {
	e, err := sim.FindExperiment("collapse")
	if err != nil {
		t.Fatal(err)
	}
	s, err := e.Sweep(sim.Settings{"locks": "tas", "vcpus": "3,6", "pcpus": "2"}, options())
	if err != nil {
		t.Fatal(err)
	}
	// The vCPUs replace the overcommit, which says the same.
	var have []string
	for _, r := range run(t, s, fake, whole).Runs {
		have = append(have, fmt.Sprint(r.Series, " ", r.VCPUs, " ", r.Values["overcommit"]))
	}
	if want := []string{"tas 3 1.5", "tas 6 3"}; !slices.Equal(have, want) {
		t.Errorf("cells %q, want %q", have, want)
	}
}

func TestOvercommitIsSharedByTheVMs(t *testing.T) {
	c := sweep(t, sim.Settings{"locks": "tas", "overcommit": "3", "pcpus": "8", "vms": "2"}).
		Cells[0]
	if n := len(c.Config.VMs); n != 2 || c.Config.VMs[0].VCPUs != 12 ||
		c.Config.VMs[1].VCPUs != 12 {
		t.Errorf("VMs %v, want two of 12 vCPUs", c.Config.VMs)
	}
}

func TestAllLocksAreThoseThatCan(t *testing.T) {
	var have []string
	for _, c := range sweep(t, sim.Settings{"locks": "all", "vcpus": "300", "pcpus": "100"}).Cells {
		have = append(have, c.Config.Lock.Name)
	}
	// The 2008 text counts in a signed byte.
	if slices.Contains(have, "xen2008text") || !slices.Contains(have, "xen2008") {
		t.Errorf("300 vCPUs wait for %q", have)
	}
}

func TestSeriesSayWhatVaries(t *testing.T) {
	for name, c := range map[string]struct {
		given sim.Settings
		x     string
		want  []string
	}{
		"the lock": {sim.Settings{"locks": "xen,tas", "overcommit": "1,2"}, "overcommit",
			[]string{"xen", "tas"}},
		"another number": {sim.Settings{"locks": "xen", "cs": "1us,2us", "sched": "fair,credit"},
			"cs_ns", []string{"xen sched=fair", "xen sched=credit"}},
		"one of two": {sim.Settings{"locks": "xen", "cs": "1us,2us", "vcpus": "4,8"}, "vcpus",
			[]string{"xen cs=1us", "xen cs=2us"}},
		"nothing": {sim.Settings{"locks": "xen"}, "overcommit", []string{"xen"}},
		"a price": {sim.Settings{"locks": "xen", "cost-kick": "1us,5us"}, "cost_kick_ns",
			[]string{"xen"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := sweep(t, c.given)
			if x := s.Plots[0].X.Value; x != c.x {
				t.Errorf("plotted along %s, want %s", x, c.x)
			}
			var have []string
			for _, r := range run(t, s, fake, whole).Runs {
				if !slices.Contains(have, r.Series) {
					have = append(have, r.Series)
				}
				if _, ok := r.Values[c.x]; !ok {
					t.Errorf("cell %d has no %s", r.Cell, c.x)
				}
			}
			if !slices.Equal(have, c.want) {
				t.Errorf("series %q, want %q", have, c.want)
			}
		})
	}
}

func TestPricesReachTheCells(t *testing.T) {
	s := sweep(t, sim.Settings{"locks": "xen", "cost-kick": "1us,5us"})
	if a, b := s.Cells[0].Config.Costs, s.Cells[1].Config.Costs; a.Kick != 1000 || b.Kick != 5000 ||
		a.Wake != sim.DefaultCosts().Wake {
		t.Errorf("costs %+v and %+v", a, b)
	}
}

func TestBadSettingsAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		given sim.Settings
		want  string
	}{
		"lock": {sim.Settings{"locks": "xenn"},
			`--locks: unknown lock "xenn": want one of bytelock, `},
		"no lock": {sim.Settings{"locks": ""}, "--locks: unknown lock"},
		"scheduler": {sim.Settings{"sched": "lottery"},
			`--sched: unknown "lottery": want one of fair, credit, rr`},
		"slice of 0": {sim.Settings{"slice": "0s"},
			"--slice: a slice of 0s: want more than 0"},
		"slice":            {sim.Settings{"slice": "3"}, `--slice: "3": want a time such as`},
		"no CPUs":          {sim.Settings{"pcpus": "0"}, `--pcpus: "0": want 1 to `},
		"too many CPUs":    {sim.Settings{"pcpus": "20000"}, `--pcpus: "20000": want 1 to `},
		"an empty element": {sim.Settings{"pcpus": "1,,2"}, `--pcpus: "": want 1 to `},
		"no vCPUs":         {sim.Settings{"vcpus": "0"}, "--vcpus: "},
		"no overcommit":    {sim.Settings{"overcommit": "NaN"}, "--overcommit: "},
		"both":             {sim.Settings{"vcpus": "2", "overcommit": "2"}, "want one of the two"},
		"kick":             {sim.Settings{"kick": "random"}, "--kick: "},
		"spin": {sim.Settings{"spin": "2^40"},
			"want 0 to 4294967293 rounds, 2^0 to 2^31, or forever"},
		"switch":         {sim.Settings{"gang": "maybe"}, "--gang: "},
		"negative price": {sim.Settings{"cost-kick": "-1ns"}, "--cost-kick: "},
		"lock too small": {sim.Settings{"locks": "xen2008text", "vcpus": "300"}, "32"},
		"too many cells": {sim.Settings{"cs": strings.Repeat("1us,", 1100) + "1us",
			"ncs": strings.Repeat("1us,", 1100) + "1us"}, "cells: want shorter lists"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := sim.Free().Sweep(c.given, options())
			if err == nil || !strings.Contains(err.Error(), c.want) ||
				strings.Contains(err.Error(), "\n") {
				t.Errorf("%v: want one line with %q", err, c.want)
			}
		})
	}
}

// Cells that end in any order, on any number of CPUs, make the same bytes.
func TestTheResultDoesNotDependOnTheCPUs(t *testing.T) {
	text := func(cpus int, r sim.Runner) string {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(cpus))
		var out bytes.Buffer
		if err := run(t, sweep(t, sim.Settings{"locks": "all", "overcommit": "1,2,4"}), r, whole).
			Write(&out); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	first := make(chan struct{})
	// The first cell ends after the second.
	backwards := func(ctx context.Context, cfg sim.Config) (result.SimRun, *result.Timeline,
		error) {
		if cfg.Lock.Name == sim.Locks()[0] {
			switch cfg.VMs[0].VCPUs / cfg.PCPUs {
			case 1:
				<-first
			case 2:
				defer close(first)
			}
		}
		return fake(ctx, cfg)
	}
	if one, four := text(1, fake), text(4, backwards); one != four {
		t.Errorf("on one CPU:\n%s\non four, backwards:\n%s", one, four)
	}
}

func TestShardsTogetherAreTheSweep(t *testing.T) {
	given := sim.Settings{"locks": "all", "overcommit": "1,2,3"}
	want := run(t, sweep(t, given), fake, whole).Runs
	for of := 1; of <= len(want)+2; of++ {
		have := make([]result.SimRun, len(want))
		for index := 1; index <= of; index++ {
			for _, r := range run(t, sweep(t, given), fake, result.Shard{Index: index, Of: of}).
				Runs {
				if have[r.Cell].Lock != "" {
					t.Fatalf("cell %d is in two of %d shards", r.Cell, of)
				}
				have[r.Cell] = r
			}
		}
		if fmt.Sprint(have) != fmt.Sprint(want) {
			t.Errorf("%d shards have %v, want %v", of, have, want)
		}
	}
}

func TestASweepThatIsStoppedHasWholeCells(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	calls := 0
	out, err := sweep(t, sim.Settings{"locks": "all"}).Run(ctx, fake, whole, func(p sim.Progress) {
		if calls++; p.Done == 2 {
			stop()
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(out.Runs) < 2 || len(out.Runs) != calls || out.Cells != len(sim.Locks()) {
		t.Errorf("%d runs of %d cells after %d steps", len(out.Runs), out.Cells, calls)
	}
	for _, r := range out.Runs {
		if r.Lock == "" {
			t.Errorf("cell %d is not whole", r.Cell)
		}
	}
}

func TestACellThatFailsIsNamed(t *testing.T) {
	broken := errors.New("broken lock")
	_, err := sweep(t, sim.Settings{"locks": "tas,xen,ticket"}).
		Run(t.Context(),
			func(ctx context.Context, cfg sim.Config) (result.SimRun, *result.Timeline, error) {
				if cfg.Lock.Name == "xen" {
					return result.SimRun{}, nil, broken
				}
				return fake(ctx, cfg)
			}, whole, nil)
	if !errors.Is(err, broken) || !strings.Contains(err.Error(), "cell 1 (xen") {
		t.Errorf("error %v", err)
	}
}

func TestTimelinesAreOfTheCellsAskedFor(t *testing.T) {
	for _, c := range []struct {
		of   []int
		want []int
	}{{nil, []int{2}}, {[]int{0, 1}, []int{0, 1}}} {
		o := options()
		o.Timeline, o.TimelineOf = 1000, c.of
		s, err := sim.Free().Sweep(sim.Settings{"locks": "tas", "overcommit": "1,2,3"}, o)
		if err != nil {
			t.Fatal(err)
		}
		var have []int
		for _, l := range run(t, s, fake, whole).Timelines {
			have = append(have, l.Cell)
		}
		if !slices.Equal(have, c.want) {
			t.Errorf("of %v: timelines of cells %v, want %v", c.of, have, c.want)
		}
	}
	o := options()
	o.Timeline, o.TimelineOf = 1000, []int{3}
	if _, err := sim.Free().
		Sweep(sim.Settings{"locks": "tas", "overcommit": "1,2,3"}, o); err == nil ||
		!strings.Contains(err.Error(), "want 0 to 2") {
		t.Errorf("cell 3 of 3: error %v", err)
	}
}

func TestCostsByNameAreAllOrAnError(t *testing.T) {
	all := sim.DefaultCosts().Map()
	if c, err := sim.CostsOf(all); err != nil || c != sim.DefaultCosts() {
		t.Errorf("%+v, %v", c, err)
	}
	all["warp"] = 9
	if _, err := sim.CostsOf(all); err == nil || !strings.Contains(err.Error(), "warp") {
		t.Errorf("a cost of nobody's: error %v", err)
	}
	delete(all, "warp")
	delete(all, "kick")
	if _, err := sim.CostsOf(all); err == nil || !strings.Contains(err.Error(), `no "kick"`) {
		t.Errorf("without kick: error %v", err)
	}
}

func TestTheTableHasARowForEachSeriesAndSaysWhatIsMissing(t *testing.T) {
	e, err := sim.FindExperiment("collapse")
	if err != nil {
		t.Fatal(err)
	}
	s, err := e.Sweep(nil, options())
	if err != nil {
		t.Fatal(err)
	}
	out := run(t, s, fake, whole)
	table := func() string {
		var text strings.Builder
		if err := sim.WriteTable(&text, e, out); err != nil {
			t.Fatal(err)
		}
		return text.String()
	}
	for _, want := range append(sim.Locks(), "Throughput", "1.25", "kept most of it") {
		if !strings.Contains(table(), want) {
			t.Errorf("the table has no %q:\n%s", want, table())
		}
	}
	out.Runs[3].Stalled = true
	out.Runs = out.Runs[:len(out.Runs)-2]
	for _, want := range []string{"STALLED", "2 cells were not simulated"} {
		if !strings.Contains(table(), want) {
			t.Errorf("the table has no %q:\n%s", want, table())
		}
	}
	out.Runs = nil
	if !strings.Contains(table(), "Nothing was simulated") {
		t.Errorf("the table of nothing:\n%s", table())
	}
}
