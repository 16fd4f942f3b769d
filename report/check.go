package report

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"example.com/pvlock/result"
)

func checkSection(c *result.Check) section {
	s := section{Title: "Every interleaving"}
	switch {
	case len(c.Runs) == 0 && len(c.Scenarios) > 0:
		s.Title = "The faults that the locks had"
	case len(c.Runs) == 0 && len(c.Necessity) > 0:
		s.Title = "What each barrier is good for"
	}
	if len(c.Command) > 0 {
		s.Facts = [][2]string{{"Command", strings.Join(c.Command, " ")}}
	}
	if err := c.Violated(); err != nil {
		s.Warnings = append(s.Warnings, "Found: "+err.Error()+".")
	}
	s.Warnings = append(s.Warnings, warnEnding(c.Ending)...)
	s.Words = []string{"A model checker explored what a few CPUs can do with a lock's own text, " +
		"in every order in which their operations and " +
		"their store buffers can take effect (tso; under sc there are no store buffers)." +
		explored(c.Runs)}
	if len(c.Runs) > 0 {
		s.Parts = append(s.Parts,
			part{Title: "Explorations",
				Tables: []table{explorations("What was explored, and what was found", c.Runs)},
				Folded: counterexamples(c.Runs)})
	}
	for i := range c.Scenarios {
		s.Parts = append(s.Parts, scenario(&c.Scenarios[i]))
	}
	if len(c.Unseen) > 0 {
		p := part{Title: "What the model can't show"}
		p.Words = append(p.Words, c.Unseen...)
		s.Parts = append(s.Parts, p)
	}
	for i := range c.Necessity {
		s.Parts = append(s.Parts, necessity(&c.Necessity[i]))
	}
	return s
}

func explored(runs []*result.Exploration) string {
	if len(runs) == 0 {
		return ""
	}
	states, complete, found := 0.0, 0, 0
	for _, x := range runs {
		states += float64(x.States)
		switch {
		case x.Finding != nil:
			found++
		case x.Complete:
			complete++
		}
	}
	return fmt.Sprintf(" %s, %s states: %d complete and clean, %d with a violation, %d cut by a "+
		"bound.",
		plural(len(runs), "exploration"), number(states, ""), complete, found,
		len(runs)-complete-found)
}

func explorations(caption string, runs []*result.Exploration) table {
	t := table{Caption: caption, Words: true,
		Head: []string{"lock", "client", "model", "states", "depth", "time", "found"}}
	for _, x := range runs {
		t.Rows = append(t.Rows,
			[]string{named(x), x.Client, x.Model, number(float64(x.States), ""),
				strconv.Itoa(x.Depth), nanos(x.Seconds * 1e9), found(x)})
	}
	return t
}

func named(x *result.Exploration) string {
	if x.Change != "" {
		return x.Lock + ", " + x.Change
	}
	return x.Lock
}

func found(x *result.Exploration) string {
	text := "complete, clean"
	switch {
	case x.Finding != nil:
		text = fmt.Sprintf("%s, in %s", x.Finding.Kind, plural(x.Finding.Steps, "step"))
	case !x.Complete:
		text = "nothing before the bound: " + x.Bound
	}
	if x.Counted {
		text += fmt.Sprintf("; passed over %d times at most", x.Passed)
	}
	if x.Kicks > 0 {
		text += fmt.Sprintf("; %s for an acquisition at most", plural(x.Kicks, "kick"))
	}
	if x.Buffer > 0 {
		text += fmt.Sprintf(" (store buffers of %d)", x.Buffer)
	}
	return text
}

// counterexamples are tables with a column for each CPU and a row for each step.
func counterexamples(runs []*result.Exploration) (all []table) {
	for _, x := range runs {
		if x.Finding == nil || len(x.Finding.Rows) == 0 {
			continue
		}
		f := x.Finding
		t := table{Words: true,
			Caption: fmt.Sprintf("%s, %s, %s: %s, the shortest way there", named(x), x.Client,
				x.Model, f.Kind), After: f.Text, Head: []string{""}}
		for i := range f.Rows[0].Buffers {
			t.Head = append(t.Head, fmt.Sprintf("CPU %d", i))
		}
		for i := range f.Rows[0].Locks {
			t.Head = append(t.Head, "lock "+string(rune('A'+i%26)))
		}
		t.Head = append(t.Head, "store buffers", "pending", "at")
		for i := range f.Rows {
			t.Rows = append(t.Rows, step(i, &f.Rows[i]))
		}
		all = append(all, t)
	}
	return all
}

func step(i int, r *result.CheckRow) []string {
	cells := []string{strconv.Itoa(i + 1)}
	var held, pending []string
	for j, b := range r.Buffers {
		what := ""
		if j == r.CPU {
			what = r.What
		}
		cells = append(cells, what)
		if b != "" {
			held = append(held, fmt.Sprintf("%d: %s", j, b))
		}
	}
	for _, p := range r.Pending {
		pending = append(pending, strconv.Itoa(p))
	}
	return slices.Concat(cells, r.Locks,
		[]string{strings.Join(held, "; "), strings.Join(pending, " "),
			strings.TrimSpace(path.Base(r.Site) + " " + r.Func)})
}

func scenario(s *result.CheckScenario) part {
	p := part{Title: "A fault of their history: " + s.Name}
	verdict := "It is as it must be."
	switch {
	case s.Undecided():
		verdict = "It was cut by a bound before that could be said."
	case !s.Held:
		verdict = "It is NOT as it must be."
	}
	want := "Nothing is to be found."
	if s.Want != "" {
		want = fmt.Sprintf("To be found: %s; and nothing where it is mended.", s.Want)
	}
	p.Words = []string{s.About + ". " + want + " " + verdict}
	all := append([]*result.Exploration{s.Found}, s.Clean...)
	p.Tables = []table{explorations(s.Name+": what was found", all)}
	p.Folded = counterexamples(all)
	return p
}

func necessity(n *result.LockNeeds) part {
	p := part{Title: "What each barrier of " + n.Lock + " is good for", Words: []string{
		"Each fence, locked instruction, second look and order of stores is weakened, alone. " +
			"What breaks then shows what it is there for; " +
			"what is redundant is so as far as the clients go."}}
	t := table{Caption: n.Lock + ": weakened one at a time", Words: true,
		Head: []string{"at", "weakened", "breaks", "steps", "client", "text"}}
	for _, x := range n.Needs {
		breaks, steps, client := string(x.Breaks), strconv.Itoa(x.Steps), x.Client
		switch {
		case x.Breaks != "":
		case x.Complete:
			breaks, steps = "redundant", ""
		default:
			breaks, steps, client = "not found", "", fmt.Sprintf("cut in %d", len(x.Cut))
		}
		t.Rows = append(t.Rows, []string{path.Base(x.At), x.Change, breaks, steps, client, x.Text})
	}
	p.Tables = []table{t}
	return p
}
