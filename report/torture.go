package report

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"example.com/pvlock/result"
)

func tortureSection(t *result.Torture, id string, l *looks) section {
	s := section{Title: "Torture",
		Facts: append(hostFacts(&t.Host, t.Command, t.Started),
			[2]string{"Seed", strconv.FormatUint(t.Seed, 10)})}
	if t.Host.Emulated {
		s.Warnings = append(s.Warnings, emulated)
	}
	acquisitions, seconds := 0.0, 0.0
	var torments []string
	for i := range t.Runs {
		r := &t.Runs[i]
		acquisitions += float64(r.Acquisitions)
		seconds += r.Seconds
		for _, x := range r.Torments {
			if !slices.Contains(torments, x) {
				torments = append(torments, x)
			}
		}
		switch {
		case r.Missed:
			s.Warnings = append(s.Warnings,
				fmt.Sprintf("%s on %s is a control, and nothing was found: what is clean here "+
					"proves less than it seems.", r.Lock, r.Machine))
		case len(r.Findings) > 0 && !r.Expected:
			s.Warnings = append(s.Warnings,
				fmt.Sprintf("Found in %s on %s: %s.", r.Lock, r.Machine, r.Findings[0].Text))
		}
	}
	s.Words = []string{
		fmt.Sprintf("%s acquisitions, those of the controls included, in %s, on %s.",
			number(acquisitions, ""), nanos(seconds*1e9), place(&t.Host))}
	if torments != nil {
		s.Words[0] += " Meanwhile: " + list(torments) + "."
	}
	for _, skip := range t.Skipped {
		s.Words = append(s.Words, fmt.Sprintf("Left out: %s: %s.", skip.What, skip.Why))
	}
	s.Warnings = append(s.Warnings, warnEnding(t.Ending)...)
	if s.Warnings == nil && len(t.Runs) > 0 {
		s.Words[0] += " Nothing was found but what was expected."
	}
	s.Parts = []part{
		{Title: "Summary", Tables: []table{tortureLocks(t)}, Figures: tortureFigures(t, id, l),
			Folded: []table{tortureRuns(t)}}}
	if f := tortureFindings(t); len(f.Rows) > 0 {
		s.Parts = append(s.Parts, part{Title: "Findings", Tables: []table{f}})
	}
	return s
}

// tortureLocks is what the locks went through on all machines together.
func tortureLocks(t *result.Torture) table {
	out := table{Caption: "What each lock went through, on all machines together. Lost wake-ups " +
		"are per billion unlocks, and how many in all.",
		Head: []string{"", "machines", "acquisitions", "on the slow path", "longest wait",
			"lost wake-ups", "verdict"}}
	var locks []string
	for i := range t.Runs {
		locks = append(locks, t.Runs[i].Lock)
	}
	for _, lock := range unique(locks) {
		sum := result.TortureRun{Lock: lock}
		var machines []string
		for i := range t.Runs {
			r := &t.Runs[i]
			if r.Lock != lock {
				continue
			}
			machines = append(machines, r.Machine)
			sum.Acquisitions += r.Acquisitions
			sum.Slow += r.Slow
			sum.Unlocks += r.Unlocks
			sum.LostWakeups += r.LostWakeups
			sum.LongestWaitNanos = max(sum.LongestWaitNanos, r.LongestWaitNanos)
			sum.Findings = append(sum.Findings, r.Findings...)
			// One run that was not as expected is enough.
			sum.Missed, sum.Interrupted = sum.Missed || r.Missed, sum.Interrupted || r.Interrupted
			sum.Failed = cmp.Or(sum.Failed, r.Failed)
			sum.Expected = (sum.Expected || len(machines) == 1) &&
				(r.Expected || len(r.Findings) == 0)
		}
		out.Rows = append(out.Rows,
			[]string{lock, list(unique(machines)), number(float64(sum.Acquisitions), ""),
				number(percent(sum.Slow, sum.Acquisitions), "%"),
				nanos(float64(sum.LongestWaitNanos)), lost(&sum), verdictOf(&sum)})
	}
	return out
}

func tortureRuns(t *result.Torture) table {
	out := table{Caption: "Each run",
		Head: []string{"", "machine", "vCPUs on CPUs", "time", "acquisitions", "on the slow path",
			"TryLock failed", "longest wait", "stalls", "lost wake-ups", "verdict"}}
	for i := range t.Runs {
		r := &t.Runs[i]
		out.Rows = append(out.Rows,
			[]string{r.Lock, r.Machine, fmt.Sprintf("%d on %d", r.VCPUs, r.CPUs),
				nanos(r.Seconds * 1e9), number(float64(r.Acquisitions), ""),
				number(percent(r.Slow, r.Acquisitions), "%"), number(float64(r.TryFailed), ""),
				nanos(float64(r.LongestWaitNanos)), strconv.FormatUint(r.Stalls, 10), lost(r),
				verdictOf(r)})
	}
	return out
}

func lost(r *result.TortureRun) string {
	if r.LostWakeups == 0 {
		return "0"
	}
	return fmt.Sprintf("%s (%d)", number(float64(r.LostWakeups)*1e9/float64(max(1, r.Unlocks)), ""),
		r.LostWakeups)
}

func verdictOf(r *result.TortureRun) string {
	switch {
	case r.Missed:
		return "a control that was missed"
	case r.Expected && len(r.Findings) > 0:
		return plural(len(r.Findings), "finding") + ", as expected"
	case len(r.Findings) > 0:
		return strings.ToUpper(plural(len(r.Findings), "finding"))
	case r.Failed != "":
		return "FAILED before its end"
	case r.Interrupted:
		return "interrupted"
	}
	return "nothing found"
}

func tortureFindings(t *result.Torture) table {
	out := table{Caption: "What ought not to be, and since when in its run", Words: true,
		Head: []string{"lock", "machine", "found", "times", "first after", "what", "expected"}}
	for i := range t.Runs {
		r := &t.Runs[i]
		expected := "no"
		if r.Expected {
			expected = "yes"
		}
		for _, f := range r.Findings {
			out.Rows = append(out.Rows,
				[]string{r.Lock, r.Machine, f.Kind, strconv.FormatUint(f.Count, 10),
					nanos(f.AtSeconds * 1e9), f.Text, expected})
		}
	}
	return out
}

func tortureFigures(t *result.Torture, id string, l *looks) (figures []figure) {
	for i, m := range []struct {
		title, about string
		y            result.Axis
		of           func(*result.TortureRun) float64
	}{
		{"Longest wait", "From wanting a lock to having it, whatever went on.",
			axis("wait", "ns", true), func(r *result.TortureRun) float64 {
				return float64(r.LongestWaitNanos)
			}},
		{"Slow path", "Acquisitions that the fast path didn't make.",
			axis("share of acquisitions", "%", false), func(r *result.TortureRun) float64 {
				return percent(r.Slow, r.Acquisitions)
			}},
	} {
		c := chart{title: m.title, about: m.about, y: m.y, rows: true}
		var machines []string
		points := make(map[string]map[float64][]float64)
		for j := range t.Runs {
			r := &t.Runs[j]
			if points[r.Machine] == nil {
				points[r.Machine] = make(map[float64][]float64)
				machines = append(machines, r.Machine)
			}
			row := c.row(r.Lock)
			points[r.Machine][row] = append(points[r.Machine][row], m.of(r))
		}
		for _, name := range machines {
			var all []point
			for row, values := range points[name] {
				if p, ok := over(row, values); ok {
					all = append(all, p)
				}
			}
			c.add(name, l.of("on "+name), all)
		}
		if c.series != nil {
			figures = append(figures, c.figure(fmt.Sprintf("%s-%d", id, i+1)))
		}
	}
	return figures
}
