package sim

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"example.com/pvlock/result"
)

// WriteTable writes a sweep for people: the figures of its plots, and what they show.
func WriteTable(w io.Writer, e *Experiment, s *result.Sim) error {
	var out strings.Builder
	fmt.Fprintf(&out, "%s: %s\n", e.Name, e.About)
	if e.Source != "" {
		fmt.Fprintf(&out, "from: %s\n", e.Source)
	}
	if len(s.Runs) == 0 {
		fmt.Fprint(&out, "\nNothing was simulated.\n")
	} else {
		heading(&out, s)
		for _, p := range s.Plots {
			figures(&out, s, p)
		}
		stalled(&out, s)
	}
	if lines := e.Verdict(s); len(lines) > 0 {
		fmt.Fprintf(&out, "\n%s\n", strings.Join(lines, "\n"))
	}
	if s.Shard.Of > 1 {
		fmt.Fprintf(&out, "\nShard %d of %d: %d of %d cells.\n", s.Shard.Index, s.Shard.Of,
			len(s.Runs), s.Cells)
	}
	if missing := len(shardOf(s.Cells, s.Shard)) - len(s.Runs); missing > 0 {
		fmt.Fprintf(&out, "\nInterrupted: %d cells were not simulated.\n", missing)
	}
	_, err := io.WriteString(w, out.String())
	return err
}

// heading says what is the same in all runs.
func heading(out *strings.Builder, s *result.Sim) {
	same := func(what string, of func(*result.SimRun) string) string {
		first := of(&s.Runs[0])
		if slices.ContainsFunc(s.Runs, func(r result.SimRun) bool { return of(&r) != first }) {
			return ""
		}
		return strings.Replace(what, "%", first, 1)
	}
	var words []string
	for _, w := range []string{
		same("scheduler %", func(r *result.SimRun) string { return r.Scheduler }),
		same("% CPUs", func(r *result.SimRun) string { return strconv.Itoa(r.PCPUs) }),
		same("% vCPUs", func(r *result.SimRun) string { return strconv.Itoa(r.VCPUs) }),
		same("critical section %", func(r *result.SimRun) string {
			return nanos(float64(r.CSNanos))
		}),
		same("% between two", func(r *result.SimRun) string { return nanos(float64(r.NCSNanos)) }),
		same("% of virtual time", func(r *result.SimRun) string { return nanos(float64(r.Nanos)) }),
	} {
		if w != "" {
			words = append(words, w)
		}
	}
	fmt.Fprintf(out, "simulated: %s; costs: %s; seed %d\n", strings.Join(words, ", "), s.CostsFrom,
		s.Seed)
}

// figures writes a plot's: a row for each series, a column for each x.
func figures(out *strings.Builder, s *result.Sim, p result.Plot) {
	all := runs(s.Runs)
	cols := all.values(p.X.Value)
	fmt.Fprintf(out, "\n%s: %s", p.Title, p.Y.Label)
	if p.Y.Unit == "1/s" {
		fmt.Fprint(out, ", in millions")
	}
	fmt.Fprint(out, "\n\n")
	tw := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(tw, "%s\t", cmp.Or(p.X.Label, p.X.Value))
	for _, x := range cols {
		fmt.Fprintf(tw, "%s\t", label(x, p.X))
	}
	fmt.Fprintln(tw)
	for _, series := range all.series() {
		fmt.Fprintf(tw, "%s\t", series)
		row := all.along(series, p.X.Value)
		for _, x := range cols {
			i := slices.IndexFunc(row, func(r result.SimRun) bool {
				return r.Values[p.X.Value] == x
			})
			if i < 0 {
				fmt.Fprint(tw, "-\t")
				continue
			}
			y, ok := row[i].Values[p.Y.Value]
			if !ok {
				fmt.Fprint(tw, "-\t")
				continue
			}
			fmt.Fprintf(tw, "%s\t", value(y, p.Y))
		}
		fmt.Fprintln(tw)
	}
	tw.Flush()
}

func label(x float64, a result.Axis) string {
	switch a.Unit {
	case "ns":
		return nanos(x)
	case "rounds":
		return power(x)
	}
	return strconv.FormatFloat(x, 'g', 4, 64)
}

func value(y float64, a result.Axis) string {
	switch a.Unit {
	case "ns":
		return nanos(y)
	case "1/s":
		return digits(y / 1e6)
	}
	if a.Unit == "" && a.Value != "jain" {
		return percent(y)
	}
	return digits(y)
}

// digits writes a number with three decimals, or if that would leave little of it, with two digits
// that count.
func digits(x float64) string {
	if x > 0 && x < 0.1 {
		return strconv.FormatFloat(x, 'f', 1-int(math.Floor(math.Log10(x))), 64)
	}
	return strconv.FormatFloat(x, 'f', 3, 64)
}

// nanos writes a time with three significant digits.
func nanos(ns float64) string {
	for _, unit := range []struct {
		ns   float64
		name string
	}{{1e9, "s"}, {1e6, "ms"}, {1e3, "µs"}} {
		if ns >= unit.ns {
			return strconv.FormatFloat(ns/unit.ns, 'g', 3, 64) + unit.name
		}
	}
	return strconv.FormatFloat(ns, 'f', 0, 64) + "ns"
}

// stalled says who made no progress.
func stalled(out *strings.Builder, s *result.Sim) {
	var who []string
	for i := range s.Runs {
		if r := &s.Runs[i]; r.Stalled {
			who = append(who, fmt.Sprintf("cell %d (%s, %d vCPUs)", r.Cell, r.Series, r.VCPUs))
		}
	}
	if len(who) > 0 {
		fmt.Fprintf(out, "\nSTALLED, nothing was acquired in the last half of the time: %s.\n",
			strings.Join(who, "; "))
	}
}
