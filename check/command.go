package check

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"example.com/pvlock/internal/twin/spinlock"
	"example.com/pvlock/result"
)

// needStates bounds each exploration of a necessity table, if nothing else is asked for: there are
// some hundreds of them.
const needStates = 20_000

// What can be asked for.
const (
	maxMemoryMB = 1 << 24
	maxWorkers  = 1 << 10
)

// Options are what the command can be asked for.
type Options struct {
	// Locks are the names of locks; none means all of the catalogue that ought to be right, and the
	// mutex, as far as they can run the client.
	Locks []string
	// Full asks for the full set of clients.
	Full bool
	// Client, CPUs, Times, Spin and Interrupts ask for one client instead of a set. Spin is 0, 1,
	// or any.
	Client      string
	CPUs, Times int
	Spin        string
	Interrupts  int
	// Model is tso or sc.
	Model string
	// Scenarios asks for scenarios, by name, or all.
	Scenarios []string
	// Necessity asks for the necessity table.
	Necessity bool
	// Buffer, Workers, States and MemoryMB bound each exploration; 0 is the default, and of states
	// no bound.
	Buffer, Workers  int
	States, MemoryMB int64
	// Timeout bounds all of them; 0 means no bound.
	Timeout time.Duration
}

// plan is what options ask for.
type plan struct {
	runs      []Config
	scenarios []Scenario
	needs     []Config
}

// Check says what is wrong with the options.
func (o *Options) Check() error {
	_, err := o.plan()
	return err
}

func (o *Options) plan() (p plan, err error) {
	model := TSO
	switch o.Model {
	case "", "tso":
	case "sc":
		model = SC
	default:
		return p, fmt.Errorf("no memory model %q: want tso or sc", o.Model)
	}
	switch {
	case o.States < 0:
		return p, fmt.Errorf("a bound of %d states: want 0 (none) or more", o.States)
	case o.MemoryMB < 0 || o.MemoryMB > maxMemoryMB:
		return p, fmt.Errorf("a bound of %d MB: want 1 to %d", o.MemoryMB, maxMemoryMB)
	case o.Workers < 0 || o.Workers > maxWorkers:
		return p, fmt.Errorf("%d workers: want 1 to %d, or 0 for one on each CPU", o.Workers,
			maxWorkers)
	case o.Buffer < 0 || o.Buffer > maxBuffer:
		return p, fmt.Errorf("store buffers of %d: want 1 to %d", o.Buffer, maxBuffer)
	case o.Timeout < 0:
		return p, fmt.Errorf("a timeout of %v: want 0 (none) or more", o.Timeout)
	}
	var locks []spinlock.Kind
	for _, name := range o.Locks {
		k, err := Lock(name)
		if err != nil {
			return p, err
		}
		locks = append(locks, k)
	}
	if len(locks) == 0 {
		for _, k := range spinlock.Kinds() {
			if !k.LosesWakeups && o.Client != givingUp {
				locks = append(locks, k)
			}
		}
		if o.Client == "" || slices.Contains(mutexClients, o.Client) {
			locks = append(locks, Mutex())
		}
	}
	if p.scenarios, err = o.scenarios(); err != nil || p.scenarios != nil {
		return p, err
	}
	for _, k := range locks {
		set := Set(k, o.Full)
		if o.Client != "" {
			c, err := o.one(k)
			if err != nil {
				return p, err
			}
			set = []Config{c}
		}
		states := o.States
		if o.Necessity {
			set = []Config{{Lock: k, CPUs: 2, Client: Plain(2, 2)}}
			if states == 0 {
				states = needStates
			}
		}
		for _, c := range set {
			c.Model, c.Buffer, c.Workers, c.States, c.Memory = model, o.Buffer, o.Workers, states,
				o.MemoryMB<<20
			checked := c
			if err := checked.complete(); err != nil {
				return p, err
			}
			if o.Necessity {
				p.needs = append(p.needs, c)
			} else {
				p.runs = append(p.runs, c)
			}
		}
	}
	return p, nil
}

func (o *Options) scenarios() ([]Scenario, error) {
	var some []Scenario
	for _, name := range o.Scenarios {
		found := false
		var names []string
		for _, s := range Scenarios() {
			names = append(names, s.Name)
			if name == "all" || s.Name == name {
				some, found = append(some, s), true
			}
		}
		if name == "all" && len(o.Scenarios) > 1 {
			return nil, errors.New("all and other scenarios: want all alone, or some")
		}
		if !found {
			return nil, fmt.Errorf("no scenario %q: want all, or some of %s", name,
				strings.Join(names, ", "))
		}
	}
	return some, nil
}

func (o *Options) one(k spinlock.Kind) (c Config, err error) {
	switch {
	case o.CPUs < 1 || o.CPUs > maxCPUs:
		return c, fmt.Errorf("%d CPUs: want 1 to %d", o.CPUs, maxCPUs)
	case o.Times < 1 || o.Times > 8:
		return c, fmt.Errorf("%d acquisitions: want 1 to 8", o.Times)
	case o.Interrupts < 0 || o.Interrupts > 4:
		return c, fmt.Errorf("%d interrupts: want 0 to 4", o.Interrupts)
	}
	spin := map[string]uint32{"0": 0, "1": 1, "any": AnySpin, "": AnySpin}
	budget, ok := spin[o.Spin]
	if !ok {
		return c, fmt.Errorf("no spin budget %q: want 0, 1 or any", o.Spin)
	}
	client, err := NamedClient(o.Client, o.CPUs, o.Times)
	if err != nil {
		return c, err
	}
	if o.Interrupts > 0 && client.Handler == nil {
		return c, fmt.Errorf("client %q has no handler for interrupts: want --interrupts 0",
			o.Client)
	}
	if k.Name == mutexName {
		if !slices.Contains(mutexClients, o.Client) {
			return c, fmt.Errorf("client %q is not for the mutex: want one of %v", o.Client,
				mutexClients)
		}
		return Config{Lock: k, CPUs: o.CPUs, Client: Goroutines(client), Spin: budget}, nil
	}
	if o.Client == givingUp {
		return c, fmt.Errorf("client %q is for the mutex: want one of %v for %s", o.Client,
			slices.DeleteFunc(Clients(), func(s string) bool { return s == givingUp }), k.Name)
	}
	return Config{Lock: k, CPUs: o.CPUs, Client: client, Spin: budget, Spurious: true,
		Interrupts: o.Interrupts, Bypass: o.Client == "passing"}, nil
}

// Main does what the options ask for, and writes each thing to w as it is done. What is
// found is in the report; an error is one of the options, or of w.
func Main(ctx context.Context, o Options, w io.Writer) (*result.Check, error) {
	p, err := o.plan()
	if err != nil {
		return nil, err
	}
	user := ctx
	if o.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, o.Timeout)
		defer cancel()
	}
	rep := &result.Check{Schema: result.SchemaCheck, Runs: []*result.Exploration{}}
	began := time.Now()
	for _, c := range p.runs {
		if user.Err() != nil {
			break
		}
		r, err := Run(ctx, c)
		if err != nil {
			return nil, err
		}
		rep.Runs = append(rep.Runs, &r.Exploration)
		if err := printExploration(w, &r.Exploration); err != nil {
			return nil, err
		}
	}
	if len(rep.Runs) > 1 {
		if err := summary(w, rep, time.Since(began)); err != nil {
			return nil, err
		}
	}
	for _, s := range p.scenarios {
		if user.Err() != nil {
			break
		}
		r, err := s.run(ctx, &o)
		if err != nil {
			return nil, err
		}
		rep.Scenarios = append(rep.Scenarios, r)
		if err := printScenario(w, &r, &s); err != nil {
			return nil, err
		}
	}
	if p.scenarios != nil {
		rep.Unseen = Unseen()
		for _, u := range rep.Unseen {
			if _, err := fmt.Fprintf(w, "TSO can't show: %s\n", u); err != nil {
				return nil, err
			}
		}
	}
	for _, c := range p.needs {
		if user.Err() != nil {
			break
		}
		began := time.Now()
		needs, err := Necessity(ctx, NecessityClients(c))
		if err != nil {
			return nil, err
		}
		rep.Necessity = append(rep.Necessity, result.LockNeeds{Lock: c.Lock.Name, Needs: needs})
		if err := printNeeds(w, c.Lock.Name, needs, time.Since(began).Seconds()); err != nil {
			return nil, err
		}
	}
	if rep.Interrupted = user.Err() != nil; rep.Interrupted {
		_, err = fmt.Fprintf(w, "%s\n", rep.Ending)
	}
	return rep, err
}

// summary says how far the explorations went.
func summary(w io.Writer, r *result.Check, took time.Duration) error {
	states, complete, found := int64(0), 0, 0
	var cut []string
	for _, x := range r.Runs {
		states += x.States
		switch {
		case x.Finding != nil:
			found++
		case x.Complete:
			complete++
		default:
			cut = append(cut, fmt.Sprintf("%s, %s: %s", x.Lock, x.Client, x.Bound))
		}
	}
	_, err := fmt.Fprintf(w,
		"%d explorations, %d states, %.0f s: %d complete and clean, %d with a violation, %d cut "+
			"by a bound\n",
		len(r.Runs), states, took.Seconds(), complete, found, len(cut))
	for _, c := range cut {
		if err == nil {
			_, err = fmt.Fprintf(w, "  cut: %s\n", c)
		}
	}
	return err
}

func (s *Scenario) run(ctx context.Context, o *Options) (res result.CheckScenario, err error) {
	res = result.CheckScenario{Name: s.Name, About: s.About, Want: s.Want}
	bounded := func(c Config) Config {
		c.Buffer, c.Workers, c.States, c.Memory = o.Buffer, o.Workers, o.States, o.MemoryMB<<20
		return c
	}
	found, err := Run(ctx, bounded(s.Config))
	if err != nil {
		return res, err
	}
	res.Found = &found.Exploration
	if f := res.Found.Finding; s.Want == "" {
		res.Held = f == nil && res.Found.Complete
	} else {
		res.Held = f != nil && f.Kind == s.Want
	}
	for _, c := range s.Clean {
		r, err := Run(ctx, bounded(c))
		if err != nil {
			return res, err
		}
		res.Clean = append(res.Clean, &r.Exploration)
		res.Held = res.Held && r.Finding == nil && r.Complete
	}
	return res, nil
}

// printExploration writes a result in a line, and the counterexample below it.
func printExploration(w io.Writer, r *result.Exploration) error {
	what := "complete, clean"
	switch {
	case r.Finding != nil:
		what = "VIOLATION: " + string(r.Finding.Kind)
	case !r.Complete:
		what = "nothing found before the bound: " + r.Bound
	}
	if r.Counted {
		what += fmt.Sprintf("; once announced, passed over %d times at most", r.Passed)
	}
	if r.Kicks > 0 {
		what += fmt.Sprintf("; %d kicks for an acquisition at most", r.Kicks)
	}
	if r.Buffer > 0 {
		what += fmt.Sprintf(" (store buffers of %d)", r.Buffer)
	}
	of := r.Lock
	if r.Change != "" {
		of += ", " + r.Change
	}
	_, err := fmt.Fprintf(w, "%-12s %-3s %-44s %10d states %9.0f/s %7.2f s  %s\n",
		of, r.Model, r.Client, r.States, float64(r.States)/max(r.Seconds, 1e-6), r.Seconds, what)
	if err != nil || r.Finding == nil {
		return err
	}
	return PrintFinding(w, r.Finding)
}

func printScenario(w io.Writer, r *result.CheckScenario, s *Scenario) error {
	verdict := "as it must be"
	switch {
	case r.Undecided():
		verdict = "cut by a bound before that could be said"
	case !r.Held:
		verdict = "NOT AS IT MUST BE"
	}
	about := s.About
	if s.Mended != "" {
		about += " (mended " + s.Mended + ")"
	}
	if _, err := fmt.Fprintf(w, "%s: %s: %s\n", s.Name, about, verdict); err != nil {
		return err
	}
	for _, x := range append([]*result.Exploration{r.Found}, r.Clean...) {
		if err := printExploration(w, x); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintln(w)
	return err
}

func printNeeds(w io.Writer, lock string, needs []result.Need, seconds float64) error {
	open := 0
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "%s\tweakened\tbreaks\tsteps\tclient\ttext\n", lock)
	for _, n := range needs {
		breaks, steps := string(n.Breaks), fmt.Sprint(n.Steps)
		client := n.Client
		if n.Breaks == "" {
			breaks, steps = "redundant", ""
			if !n.Complete {
				breaks, client = "not found", fmt.Sprintf("cut in %d", len(n.Cut))
				open++
			}
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", n.At, n.Change, breaks, steps, client, n.Text)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(w, "%s: %d weakenings in %.0f s; %d are not found, cut by a bound\n",
		lock, len(needs), seconds, open); err != nil || open == 0 {
		return err
	}
	for cut, n := range cuts(needs) {
		if _, err := fmt.Fprintf(w, "  %s, %d times\n", cut, n); err != nil {
			return err
		}
	}
	return nil
}

// cuts counts what bound cut which client in how many weakenings that were not found, in the order
// of their names.
func cuts(needs []result.Need) iter.Seq2[string, int] {
	count := make(map[string]int)
	for _, n := range needs {
		for _, cut := range n.Cut {
			count[cut]++
		}
	}
	return func(yield func(string, int) bool) {
		for _, cut := range slices.Sorted(maps.Keys(count)) {
			if !yield(cut, count[cut]) {
				return
			}
		}
	}
}
