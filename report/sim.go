package report

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"example.com/pvlock/result"
)

func simSection(s *result.Sim, id string, l *looks) section {
	out := section{Title: "Simulated: " + cmp.Or(s.Experiment, "a sweep"), Facts: simFacts(s)}
	if s.Experiment == "free" {
		out.Title = "Simulated"
	}
	if n := len(s.Runs); n < s.Cells {
		out.Warnings = append(out.Warnings,
			fmt.Sprintf("This is %d of the %d cells of the sweep (shard %d of %d).", n, s.Cells,
				s.Shard.Index, s.Shard.Of))
	}
	out.Warnings = append(out.Warnings, warnEnding(s.Ending)...)
	out.Words = append(out.Words, simWords(s))
	var p part
	for i := range s.Plots {
		if c := simChart(s, &s.Plots[i], l); c.series != nil {
			p.Figures = append(p.Figures, c.figure(fmt.Sprintf("%s-plot-%d", id, i+1)))
		}
	}
	out.Parts = append(out.Parts, p)
	if len(s.Timelines) > 0 {
		t := part{Title: "What each CPU did",
			Words: []string{"The physical CPUs first, then the virtual ones. What runs fills its " +
				"row; arrows go from the kicker to the woken vCPU."}}
		for i := range s.Timelines {
			t.Timelines = append(t.Timelines,
				newTimeline(&s.Timelines[i], fmt.Sprintf("%s-time-%d", id, i+1)))
		}
		out.Parts = append(out.Parts, t)
	}
	return out
}

func simFacts(s *result.Sim) [][2]string {
	facts := [][2]string{{"Command", strings.Join(s.Command, " ")},
		{"Seed", strconv.FormatUint(s.Seed, 10)}, {"Costs", s.CostsFrom}}
	for _, name := range slices.Sorted(maps.Keys(s.Costs)) {
		facts = append(facts, [2]string{name, nanos(float64(s.Costs[name]))})
	}
	return facts
}

func simWords(s *result.Sim) string {
	var locks, schedulers, stalled []string
	events := 0.0
	for i := range s.Runs {
		r := &s.Runs[i]
		locks, schedulers = append(locks, r.Lock), append(schedulers, r.Scheduler)
		events += float64(r.Events)
		if r.Stalled && !slices.Contains(stalled, r.Series) {
			stalled = append(stalled, r.Series)
		}
	}
	text := s.About
	if text != "" && !strings.HasSuffix(text, ".") {
		text += "."
	}
	text += fmt.Sprintf(" The locks' own text (%s) on a simulated host (scheduler: %s), in "+
		"virtual time: %s, %s events, the same on every machine.",
		list(unique(locks)), list(unique(schedulers)), plural(len(s.Runs), "cell"),
		number(events, ""))
	if stalled != nil {
		text += " No acquisition was made any more in the last half of some runs of " +
			list(stalled) + "."
	}
	return strings.TrimSpace(text)
}

// unique returns the names in the order in which they come first.
func unique(names []string) (all []string) {
	for _, n := range names {
		if !slices.Contains(all, n) {
			all = append(all, n)
		}
	}
	return all
}

// simChart makes a plot of the runs: the median and the range of those that have x and series in
// common.
func simChart(s *result.Sim, p *result.Plot, l *looks) chart {
	c := chart{title: p.Title, x: p.X, y: p.Y}
	numeric := true
	for i := range s.Runs {
		_, ok := simNumber(&s.Runs[i], p.X.Value)
		numeric = numeric && ok
	}
	var names []string
	of := make(map[string]look)
	points := make(map[string]map[float64][]float64)
	variants := make(map[string]int)
	for i := range s.Runs {
		r := &s.Runs[i]
		y, ok := simNumber(r, p.Y.Value)
		if !ok {
			continue
		}
		x, _ := simNumber(r, p.X.Value)
		if !numeric {
			x = c.row(simText(r, p.X.Value))
		}
		name := cmp.Or(r.Series, r.Lock)
		if points[name] == nil {
			points[name] = make(map[float64][]float64)
			names = append(names, name)
			of[name] = l.of(r.Lock).variant(variants[r.Lock])
			variants[r.Lock]++
		}
		points[name][x] = append(points[name][x], y)
	}
	for _, name := range names {
		var all []point
		for _, x := range slices.Sorted(maps.Keys(points[name])) {
			if at, ok := over(x, points[name][x]); ok {
				all = append(all, at)
			}
		}
		c.add(name, of[name], all)
	}
	return c
}

// simNumber is a run's value of a name: one of its figures, a setting that is a number or a
// duration, or a field.
func simNumber(r *result.SimRun, name string) (float64, bool) {
	if v, ok := r.Values[name]; ok {
		return v, true
	}
	if text, ok := r.Setting[name]; ok {
		if v, err := strconv.ParseFloat(text, 64); err == nil {
			return v, true
		}
		d, err := time.ParseDuration(text)
		return float64(d), err == nil
	}
	v, ok := map[string]float64{
		"pcpus": float64(r.PCPUs), "vcpus": float64(r.VCPUs), "vms": float64(r.VMs),
		"background": float64(r.Background),
		"cs_ns":      float64(r.CSNanos), "ncs_ns": float64(r.NCSNanos),
		"acquisitions": float64(r.Acquisitions), "contended": float64(r.Contended),
		"blocked": float64(r.Blocked),
		"p50":     float64(r.Latency.P50), "p99": float64(r.Latency.P99),
		"p999": float64(r.Latency.P999), "max": float64(r.Latency.Max),
	}[name]
	return v, ok
}

// simText is a run's value of a name that is a word.
func simText(r *result.SimRun, name string) string {
	if v, ok := simNumber(r, name); ok {
		return short(v)
	}
	if v, ok := r.Setting[name]; ok {
		return v
	}
	v := map[string]string{"lock": r.Lock, "series": r.Series, "scheduler": r.Scheduler}[name]
	return cmp.Or(v, "none")
}
