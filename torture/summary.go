package torture

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"example.com/pvlock/result"
)

// Verdict says in a line what is wrong with a torture; "" if nothing is. Findings that a lock is
// known for are not wrong; a control that showed nothing is.
func Verdict(t *result.Torture) string {
	var bad []string
	for i := range t.Runs {
		r := &t.Runs[i]
		switch {
		case !r.Expected:
			bad = append(bad, fmt.Sprintf("%s on %s has a fault", r.Lock, r.Machine))
		case r.Missed:
			bad = append(bad, fmt.Sprintf("the control %s on %s showed nothing", r.Lock, r.Machine))
		}
	}
	slices.Sort(bad)
	return strings.Join(slices.Compact(bad), "; ")
}

// Line says in a line how a cell went.
func Line(r result.TortureRun) string {
	return fmt.Sprintf("%-11s %-10s %4d vCPUs %13s times  %5.1f%% slow  longest wait %-8s  %s",
		r.Lock, r.Machine, r.VCPUs,
		grouped(r.Acquisitions), percent(r.Slow, r.Acquisitions),
		time.Duration(r.LongestWaitNanos).Round(10*time.Microsecond), outcomeOf(&r))
}

func outcomeOf(r *result.TortureRun) string {
	if len(r.Findings) == 0 {
		switch {
		case r.Missed:
			return "MISSED: a control, and nothing was found"
		case !r.Complete():
			return unfinished(r)
		}
		return "ok"
	}
	var kinds []string
	for _, f := range r.Findings {
		kinds = append(kinds,
			fmt.Sprintf("%s (%d, first after %s)", f.Kind, f.Count, seconds(f.AtSeconds)))
	}
	said := strings.Join(kinds, ", ")
	if !r.Complete() {
		said += "; " + unfinished(r)
	}
	switch {
	case !r.Expected:
		return "FAULT: " + said
	case r.Missed:
		return "MISSED: a control, and found was only " + said
	}
	return "as expected: " + said
}

// unfinished says why a cell didn't run to its end.
func unfinished(r *result.TortureRun) string {
	if r.Failed != "" {
		return fmt.Sprintf("FAILED after %s: %s", seconds(r.Seconds), r.Failed)
	}
	return fmt.Sprintf("interrupted after %s", seconds(r.Seconds))
}

func seconds(s float64) string {
	return time.Duration(s * 1e9).Round(time.Millisecond).String()
}

// WriteSummary writes what all of it came to, for people.
func WriteSummary(w io.Writer, t *result.Torture) error {
	out := new(strings.Builder)
	type sum struct {
		taken, slow, unlocks, lost, fewest uint64
		longest                            int64
		control                            bool
	}
	var names []string
	of := make(map[string]*sum)
	var total, slow, machines uint64
	controls := make(map[string]bool)
	for _, l := range controlLocks() {
		controls[l.kind.Name] = true
	}
	for i := range t.Runs {
		r := &t.Runs[i]
		s := of[r.Lock]
		if s == nil {
			s = &sum{control: controls[r.Lock], fewest: r.Fewest}
			of[r.Lock] = s
			names = append(names, r.Lock)
		}
		s.taken += r.Acquisitions
		s.slow += r.Slow
		s.unlocks += r.Unlocks
		s.lost += r.LostWakeups
		s.fewest = min(s.fewest, r.Fewest)
		s.longest = max(s.longest, r.LongestWaitNanos)
		machines += uint64(r.Machines)
		if !s.control {
			total += r.Acquisitions
			slow += r.Slow
		}
	}
	fmt.Fprintln(out)
	tw := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(tw,
		"lock\tacquisitions\tslow path\tfewest of a vCPU\tlongest wait\tlost wake-ups\tper 10^9 "+
			"unlocks\t")
	for _, name := range names {
		if s := of[name]; !s.control {
			fmt.Fprintf(tw, "%s\t%s\t%.1f%%\t%s\t%s\t%d\t%s\t\n", name, grouped(s.taken),
				percent(s.slow, s.taken), grouped(s.fewest),
				time.Duration(s.longest).Round(10*time.Microsecond), s.lost,
				perBillion(s.lost, s.unlocks))
		}
	}
	tw.Flush()
	fmt.Fprintf(out,
		"\n%s acquisitions in all, %.1f%% of them by the slow path; %d machines; seed %d.\n",
		grouped(total), percent(slow, total), machines, t.Seed)
	if least, share := leastSlow(names,
		func(name string) (uint64, uint64, bool) {
			s := of[name]
			return s.slow, s.taken, s.control
		}); least != "" {
		fmt.Fprintf(out, "The least share by the slow path is %s's, %.1f%%.\n", least, share)
	}
	if done := deeds(t); done != "" {
		fmt.Fprintf(out, "Torments, in spells: %s.\n", done)
	}
	if unbound := unbound(t); unbound > 0 {
		fmt.Fprintf(out,
			"Times a vCPU came up without an event channel, and spun where it would have slept: "+
				"%d.\n", unbound)
	}
	for _, s := range t.Skipped {
		fmt.Fprintf(out, "Left out: %s: %s\n", s.What, s.Why)
	}
	for i := range t.Runs {
		r := &t.Runs[i]
		if r.Expected && !r.Missed {
			continue
		}
		for _, f := range r.Findings {
			fmt.Fprintf(out, "\nFAULT: %s on %s, %d vCPUs: %s, %d times, first after %s: %s\n",
				r.Lock, r.Machine, r.VCPUs, f.Kind, f.Count, seconds(f.AtSeconds), f.Text)
		}
		if r.Missed {
			fmt.Fprintf(out,
				"\nMISSED: the control %s on %s, %d vCPUs: it is broken, and that was not found.\n",
				r.Lock, r.Machine, r.VCPUs)
		}
	}
	fmt.Fprintf(out, "Controls: %s.\n", controlsOf(t))
	if s := t.Ending.String(); s != "" {
		fmt.Fprintf(out, "\n%s\n", s)
	}
	_, err := io.WriteString(w, out.String())
	return err
}

// controlsOf says how many of the controls were caught. One that was not run proves nothing.
func controlsOf(t *result.Torture) string {
	run, caught := 0, 0
	for _, l := range controlLocks() {
		for i := range t.Runs {
			r := &t.Runs[i]
			if r.Lock != l.kind.Name {
				continue
			}
			run++
			if slices.ContainsFunc(r.Findings,
				func(f result.TortureFinding) bool { return f.Kind == l.control }) {
				caught++
			}
		}
	}
	switch {
	case run == 0:
		return "none was run, so nothing here shows that a fault would be found"
	case caught < run:
		return fmt.Sprintf("%d of the %d that were run were caught", caught, run)
	}
	return fmt.Sprintf("all %d that were run were caught", run)
}

func unbound(t *result.Torture) (n uint64) {
	for i := range t.Runs {
		n += t.Runs[i].Counters[result.Unbound]
	}
	return n
}

// deeds says how often each torment came.
func deeds(t *result.Torture) string {
	var parts []string
	for _, name := range Torments() {
		n := uint64(0)
		for i := range t.Runs {
			n += t.Runs[i].Counters["torment_"+name]
		}
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%s %d", name, n))
		}
	}
	return strings.Join(parts, ", ")
}

func leastSlow(names []string,
	of func(name string) (slow, taken uint64, control bool)) (least string, share float64) {
	for _, name := range names {
		slow, taken, control := of(name)
		if p := percent(slow, taken); !control && (least == "" || p < share) {
			least, share = name, p
		}
	}
	return least, share
}

func percent(part, whole uint64) float64 {
	if whole == 0 {
		return 0
	}
	return 100 * float64(part) / float64(whole)
}

func perBillion(n, of uint64) string {
	if of == 0 {
		return "-"
	}
	return fmt.Sprintf("%.3g", 1e9*float64(n)/float64(of))
}

// grouped writes a number with a space between thousands.
func grouped(n uint64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + " " + s[i:]
	}
	return s
}
