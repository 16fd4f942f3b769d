package sim_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"example.com/pvlock/result"
	"example.com/pvlock/sim"
)

// A lock at an overcommit, and what it did.
type point struct {
	lock       string
	overcommit int
}

// compare compares measurements with simulations that are made up.
func compare(t *testing.T, measured, simulated map[point]float64) *sim.Comparison {
	t.Helper()
	b := &result.Bench{}
	for round := 1; round <= 3; round++ {
		for _, overcommit := range []int{1, 4} {
			for _, lock := range []string{"tas", "ticket", "glibc-spin"} {
				if ops, ok := measured[point{lock, overcommit}]; ok {
					// The median is the second round's.
					b.Runs = append(b.Runs,
						result.Run{Lock: lock, Machine: "threads", CPUs: 2, VCPUs: 2 * overcommit,
							Round: round, CSNanos: 100, NCSNanos: 500,
							OpsPerSecond: ops * float64(round) / 2})
				}
			}
		}
	}
	c, err := sim.Compare(t.Context(), b, options(),
		func(_ context.Context, cfg sim.Config) (result.SimRun, *result.Timeline, error) {
			if cfg.PCPUs != 2 || cfg.Scheduler != sim.Fair || cfg.Critical != 100 ||
				cfg.Think != 500 {
				t.Errorf("simulated %+v", cfg)
			}
			return result.SimRun{
				Values: map[string]float64{
					"ops_per_s": simulated[point{cfg.Lock.Name, cfg.VMs[0].VCPUs / 2}]}}, nil, nil
		}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestTheFactorsOfValidation(t *testing.T) {
	measured := map[point]float64{{"tas", 1}: 2e6, {"tas", 4}: 1e6, {"ticket", 1}: 1e6,
		{"ticket", 4}: 1e4, {"glibc-spin", 1}: 1}
	for name, c := range map[string]struct {
		simulated   map[point]float64
		rows, pairs int
		says        string
	}{
		"the same": {map[point]float64{{"tas", 1}: 2e6, {"tas", 4}: 1e6,
			{"ticket", 1}: 1e6, {"ticket", 4}: 1e4}, 0, 0,
			"4 of 4 rows agree, and the order of 2 of the 2 pairs"},
		"just within": {map[point]float64{{"tas", 1}: 2.59e6, {"tas", 4}: 0.78e6,
			{"ticket", 1}: 1e6, {"ticket", 4}: 2.9e4}, 0, 0, "4 of 4 rows agree"},
		"too fast": {map[point]float64{{"tas", 1}: 2.61e6, {"tas", 4}: 1e6,
			{"ticket", 1}: 1e6, {"ticket", 4}: 1e4}, 1, 0, "OUT: by more than 1.3"},
		"too slow": {map[point]float64{{"tas", 1}: 2e6, {"tas", 4}: 0.76e6,
			{"ticket", 1}: 1e6, {"ticket", 4}: 1e4}, 1, 0, "OUT: by more than 1.3"},
		"collapsed too far": {map[point]float64{{"tas", 1}: 2e6, {"tas", 4}: 1e6,
			{"ticket", 1}: 1e6, {"ticket", 4}: 0.3e4}, 1, 0, "OUT: by more than 3"},
		"did not collapse": {map[point]float64{{"tas", 1}: 2e6, {"tas", 4}: 1e6,
			{"ticket", 1}: 0.29e6, {"ticket", 4}: 2.95e4}, 2, 0, "OUT: whether it collapses"},
		"in the wrong order": {map[point]float64{{"tas", 1}: 1.1e6, {"tas", 4}: 1e6,
			{"ticket", 1}: 1.2e6, {"ticket", 4}: 1e4}, 1, 1, "ORDER is wrong at overcommit 1 of"},
		"nothing in the simulation": {map[point]float64{}, 4, 2, "OUT"},
	} {
		t.Run(name, func(t *testing.T) {
			v := compare(t, measured, c.simulated)
			rows, pairs := v.Out()
			var out strings.Builder
			if err := v.Write(&out); err != nil {
				t.Fatal(err)
			}
			if rows != c.rows || pairs != c.pairs || !strings.Contains(out.String(), c.says) {
				t.Errorf("%d rows and %d pairs are out, want %d and %d, and %q:\n%s", rows, pairs,
					c.rows, c.pairs, c.says, out.String())
			}
		})
	}
}

func TestLocksThatDifferLittleHaveNoOrder(t *testing.T) {
	c := compare(t, map[point]float64{{"tas", 1}: 1.1e6, {"ticket", 1}: 1e6},
		map[point]float64{{"tas", 1}: 1e6, {"ticket", 1}: 1.1e6})
	if rows, pairs := c.Out(); rows != 0 || pairs != 0 {
		t.Errorf("%d rows and %d pairs are out", rows, pairs)
	}
}

func TestNothingToCompareIsAnError(t *testing.T) {
	for _, b := range []*result.Bench{{},
		{Runs: []result.Run{{Lock: "tas", Machine: "kvm", CPUs: 1, VCPUs: 1},
			{Lock: "glibc-spin", Machine: "threads", CPUs: 1, VCPUs: 1}}}} {
		if _, err := sim.Compare(t.Context(), b, options(), fake, nil); err == nil ||
			!strings.Contains(fmt.Sprint(err), "nothing to compare") {
			t.Errorf("error %v", err)
		}
	}
}
