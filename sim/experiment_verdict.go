package sim

import (
	"cmp"
	"fmt"
	"maps"
	"math/bits"
	"slices"
	"strconv"
	"strings"

	"example.com/pvlock/internal/twin/arch"
	"example.com/pvlock/result"
)

// runs are what verdicts are made of. A sweep may be a shard, or have been stopped: any of them may
// be missing.
type runs []result.SimRun

// series returns the names of the series, in the order of the cells.
func (all runs) series() (names []string) {
	for _, r := range all {
		if !slices.Contains(names, r.Series) {
			names = append(names, r.Series)
		}
	}
	return names
}

// along returns a series' runs by ascending value.
func (all runs) along(series, value string) (some runs) {
	for _, r := range all {
		if r.Series == series {
			some = append(some, r)
		}
	}
	slices.SortStableFunc(some, func(a, b result.SimRun) int {
		return cmp.Compare(a.Values[value], b.Values[value])
	})
	return some
}

// at returns the run in which a setting has a value and so has an axis, nil if there is none.
func (all runs) at(setting, is, axis string, x float64) *result.SimRun {
	i := slices.IndexFunc(all, func(r result.SimRun) bool {
		return r.Setting[setting] == is && r.Values[axis] == x
	})
	if i < 0 {
		return nil
	}
	return &all[i]
}

// values returns what an axis has, ascending.
func (all runs) values(axis string) (v []float64) {
	for _, r := range all {
		v = append(v, r.Values[axis])
	}
	slices.Sort(v)
	return slices.Compact(v)
}

const ops = "ops_per_s"

// What is left of a lock's own throughput when it has kept most of it, and when it has collapsed;
// as in the tables of measurements.
const (
	keeps     = 0.5
	collapses = 0.1
)

func collapsed(all runs) []string {
	var kept, lost []string
	var from, to float64
	for _, s := range all.series() {
		r := all.along(s, "overcommit")
		first, last := r[0], r[len(r)-1]
		if len(r) < 2 || first.Values[ops] == 0 {
			continue
		}
		from, to = first.Values["overcommit"], last.Values["overcommit"]
		left := last.Values[ops] / first.Values[ops]
		switch text := fmt.Sprintf("%s (%s)", s, percent(left)); {
		case left >= keeps:
			kept = append(kept, text)
		case left < collapses:
			lost = append(lost, text)
		}
	}
	if from == to {
		return nil
	}
	return []string{
		fmt.Sprintf("From overcommit %g to %g, what is left of a lock's own throughput: %s kept "+
			"most of it; %s collapsed.", from, to, list(kept), list(lost))}
}

func thresholds(all runs) (lines []string) {
	for _, s := range all.series() {
		r := all.along(s, "spin")
		best := slices.MaxFunc(r, func(a, b result.SimRun) int {
			return cmp.Compare(a.Values[ops], b.Values[ops])
		})
		where := "is not reached up to " + power(r[len(r)-1].Values["spin"])
		if i := reached(r); i < len(r) {
			where = "at " + power(r[i].Values["spin"]) + " rounds"
			if i == 0 {
				where = "at " + power(r[i].Values["spin"]) + " rounds or fewer"
			}
		}
		lines = append(lines,
			fmt.Sprintf("%s: 98 %% %s; throughput is best at %s.", s, where,
				power(best.Values["spin"])))
	}
	return lines
}

// reached returns from which run on all win 98 %; len(r) if none does.
func reached(r runs) int {
	i := len(r)
	for i > 0 && r[i-1].Values["within_budget"] >= seedShare {
		i--
	}
	return i
}

func choices(all runs) (lines []string) {
	for _, x := range all.values("overcommit") {
		first, others := all.at("kick", string(KickFirst), "overcommit", x), []string{}
		if first == nil {
			continue
		}
		for _, k := range []KickChoice{KickRotating, KickOldest} {
			if r := all.at("kick", string(k), "overcommit", x); r != nil && first.Values[ops] > 0 &&
				first.Latency.Max > 0 {
				others = append(others,
					fmt.Sprintf("%s: Jain %.3f, longest wait x %.2g, throughput x %.3g", k,
						r.Values["jain"], float64(r.Latency.Max)/float64(first.Latency.Max),
						r.Values[ops]/first.Values[ops]))
			}
		}
		lines = append(lines,
			fmt.Sprintf("Overcommit %.3g: first found: Jain %.3f; %s.", x, first.Values["jain"],
				strings.Join(others, "; ")))
	}
	return lines
}

func stealing(all runs) (lines []string) {
	for _, x := range all.values("overcommit") {
		fair, free := all.at("steal", "0", "overcommit", x), all.at("steal", "forever",
			"overcommit", x)
		if fair == nil || free == nil || fair.Values[ops] == 0 {
			continue
		}
		lines = append(lines,
			fmt.Sprintf("Overcommit %.3g: stealing has %.2f times the throughput of strict "+
				"fairness, Jain %.3f instead of %.3f.",
				x, free.Values[ops]/fair.Values[ops], free.Values["jain"], fair.Values["jain"]))
	}
	return lines
}

func cascade(all runs) []string {
	return compare(all, "steal-time", "sleeping early when the one in front was preempted")
}

func boosted(all runs) []string {
	return compare(all, "boost-head", "boosting the head")
}

// compare says what a switch does to the throughput of each pair of runs that differ in it alone.
func compare(all runs, name, what string) (lines []string) {
	rest := func(r *result.SimRun) string {
		others := maps.Clone(r.Setting)
		delete(others, name)
		return fmt.Sprint(r.Lock, r.Scheduler, r.PCPUs, r.VCPUs, r.VMs, r.Background, r.CSNanos,
			r.NCSNanos, others)
	}
	var by []string
	changes := make(map[string][]string) // by the series without the switch
	for i := range all {
		for j := range all {
			off, on := &all[i], &all[j]
			if off.Setting[name] != "false" || on.Setting[name] != "true" ||
				rest(off) != rest(on) || off.Values[ops] == 0 {
				continue
			}
			s := strings.Replace(off.Series, " "+name+"=false", "", 1)
			if changes[s] == nil {
				by = append(by, s)
			}
			changes[s] = append(changes[s],
				fmt.Sprintf("%+.0f %% in %s", (on.Values[ops]/off.Values[ops]-1)*100,
					plural(off.VMs, "VM")))
		}
	}
	for _, s := range by {
		lines = append(lines,
			fmt.Sprintf("%s: what %s does to throughput: %s.", s, what,
				strings.Join(changes[s], ", ")))
	}
	return lines
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// nativeCost compares each with what a kernel without paravirtual help has in its place,
// uncontended: what contention costs, the table has.
func nativeCost(all runs) []string {
	var costs []string
	alone := func(lock string) float64 {
		for _, r := range all {
			if r.Lock == lock && r.VCPUs == 1 && r.Values[ops] > 0 {
				return 1e9 / r.Values[ops]
			}
		}
		return 0
	}
	for _, pair := range [][2]string{{"xen", "bytelock"}, {"pvticket", "ticket"},
		{"pvqspin2015", "qspin"}, {"pvqspin", "qspin"}} {
		if pv, native := alone(pair[0]), alone(pair[1]); pv > 0 && native > 0 {
			costs = append(costs, fmt.Sprintf("%s %+.1f ns over %s", pair[0], pv-native, pair[1]))
		}
	}
	if costs == nil {
		return nil
	}
	return []string{"A pair of Lock and Unlock by one vCPU: " + strings.Join(costs, ", ") + "."}
}

// power writes a number of rounds, as 2^n if it is one.
func power(rounds float64) string {
	switch n := uint64(rounds); {
	case n == uint64(arch.Forever):
		return "forever"
	case n > 1 && bits.OnesCount64(n) == 1:
		return fmt.Sprintf("2^%d", bits.TrailingZeros64(n))
	default:
		return strconv.FormatUint(n, 10)
	}
}

// percent writes a share, with a second decimal where the first would round it to all.
func percent(share float64) string {
	switch p := share * 100; {
	case p != 0 && p < 0.095:
		return strconv.FormatFloat(p, 'g', 1, 64) + " %"
	case p > 99 && p < 99.95:
		return strconv.FormatFloat(p, 'f', 2, 64) + " %"
	default:
		return strconv.FormatFloat(p, 'f', 1, 64) + " %"
	}
}

// list joins what may be nothing.
func list(items []string) string {
	if len(items) == 0 {
		return "none"
	}
	return strings.Join(items, ", ")
}
