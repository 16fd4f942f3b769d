package sim_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"example.com/pvlock/result"
	"example.com/pvlock/sim"
)

func TestEveryExperimentSaysWhatItShowsAndHasAPictureOfIt(t *testing.T) {
	for i := range sim.Experiments {
		e := &sim.Experiments[i]
		t.Run(e.Name, func(t *testing.T) {
			if !strings.HasSuffix(e.About, ".") || e.Source == "" {
				t.Errorf("about %q, from %q", e.About, e.Source)
			}
			if found, err := sim.FindExperiment(e.Name); err != nil || found != e {
				t.Errorf("found %v, %v", found, err)
			}
			s, err := e.Sweep(nil, options())
			if err != nil {
				t.Fatal(err)
			}
			out := run(t, s, fake, whole)
			// A point of a plot is one run, and has both values.
			points := make(map[string]bool)
			for _, r := range out.Runs {
				for _, p := range out.Plots {
					x, isX := r.Values[p.X.Value]
					point := fmt.Sprint(p.Title, r.Series, x)
					if !isX || points[point] {
						t.Errorf("cell %d: point %s of %s is there twice or nowhere", r.Cell, point,
							p.Title)
					}
					points[point] = true
					if _, isY := r.Values[p.Y.Value]; !isY && p.Y.Value != "within_budget" {
						t.Errorf("cell %d has no %s", r.Cell, p.Y.Value)
					}
				}
			}
			if len(e.Verdict(out)) == 0 {
				t.Error("no verdict")
			}
			// A shard may have nothing to say, and must not fail.
			for i := range out.Runs {
				part := *out
				part.Runs = out.Runs[i : i+1]
				e.Verdict(&part)
			}
		})
	}
}

// An experiment is its flags, and no more.
func TestTheFlagsOfAnExperimentMakeTheSameCells(t *testing.T) {
	for _, e := range sim.Experiments {
		s, err := e.Sweep(nil, options())
		if err != nil {
			t.Fatal(err)
		}
		var have, want []string
		for _, c := range s.Cells {
			want = append(want, fmt.Sprintf("%s %+v", c.Config.Lock.Name, c.Setting))
		}
		for _, line := range e.Command() {
			given := sim.Settings{}
			for _, flag := range strings.Fields(line)[2:] {
				name, value, _ := strings.Cut(strings.TrimPrefix(flag, "--"), "=")
				given[name] = value
			}
			for _, c := range sweep(t, given).Cells {
				have = append(have, fmt.Sprintf("%s %+v", c.Config.Lock.Name, c.Setting))
			}
		}
		if !slices.Equal(have, want) {
			t.Errorf("%s is %q, want %q", e.Name, have, want)
		}
	}
}

func verdict(t *testing.T, name string, runs []result.SimRun) string {
	t.Helper()
	e, err := sim.FindExperiment(name)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(e.Verdict(&result.Sim{Runs: runs}), "\n")
}

func TestTheVerdictOfThresholdIsWhereTheShareStaysAbove98Percent(t *testing.T) {
	shares := func(shares ...float64) (runs []result.SimRun) {
		for i, s := range shares {
			runs = append(runs,
				result.SimRun{Series: "xen",
					Values: map[string]float64{"spin": float64(int(16) << i), "within_budget": s,
						"ops_per_s": 10 - float64(i)}})
		}
		return runs
	}
	for want, runs := range map[string][]result.SimRun{
		"98 % at 2^5 rounds;":            shares(0.5, 0.98, 0.99),
		"98 % at 2^6 rounds;":            shares(0.99, 0.5, 0.99), // once isn't enough
		"98 % at 2^4 rounds or fewer;":   shares(0.98, 0.99),
		"98 % is not reached up to 2^5;": shares(0.5, 0.9),
	} {
		if have := verdict(t, "threshold", runs); !strings.Contains(have, want) ||
			!strings.Contains(have, "best at 2^4") {
			t.Errorf("verdict %q, want %q", have, want)
		}
	}
}

func TestTheVerdictOfCollapseIsOfTheEndsOfEachLock(t *testing.T) {
	var runs []result.SimRun
	for lock, left := range map[string]float64{"a": 0.6, "b": 0.3, "c": 0.05} {
		for x, ops := range map[float64]float64{1: 100, 2: 1, 4: 100 * left} {
			runs = append(runs,
				result.SimRun{Series: lock, Lock: lock,
					Values: map[string]float64{"overcommit": x, "ops_per_s": ops}})
		}
	}
	want := "From overcommit 1 to 4, what is left of a lock's own throughput: a (60.0 %) kept " +
		"most of it; c (5.0 %) collapsed."
	if have := verdict(t, "collapse", runs); have != want {
		t.Errorf("verdict %q, want %q", have, want)
	}
}

func TestTheVerdictOfASwitchIsOfPairsThatDifferInItAlone(t *testing.T) {
	of := func(boost, steal string, vms int, ops float64) result.SimRun {
		return result.SimRun{
			Lock: "pvqspin", Series: "pvqspin steal=" + steal + " boost-head=" + boost, VMs: vms,
			Setting: map[string]string{"boost-head": boost, "steal": steal},
			Values:  map[string]float64{"vms": float64(vms), "ops_per_s": ops},
		}
	}
	have := verdict(t, "boost-head", []result.SimRun{
		of("false", "0", 1, 100), of("false", "0", 2, 50), of("true", "0", 1, 101),
		of("true", "0", 2, 100),
		of("false", "1", 3, 100), of("true", "1", 2, 100), // no pair
	})
	want := "pvqspin steal=0: what boosting the head does to throughput: +1 % in 1 VM, +100 % in " +
		"2 VMs."
	if have != want {
		t.Errorf("verdict %q, want %q", have, want)
	}
}
