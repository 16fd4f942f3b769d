package torture

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"example.com/pvlock/paravirt"
	"example.com/pvlock/result"
	"example.com/pvlock/rig"
)

// Config says what to torture, and how.
type Config struct {
	// Locks are names of locks or of controls; none means all.
	Locks []string
	// On are the machines; none means all that there are here.
	On []string
	// Torments are names of torments; none means all that apply.
	Torments []string
	// HostCPUs are the CPUs that the vCPUs share.
	HostCPUs []int
	// Overcommit lists the numbers of vCPUs, each as a multiple of len(HostCPUs), at least 1. Each
	// lock goes through all of them on each machine.
	Overcommit []float64
	// Wide adds a few locks with more vCPUs than a word of a mask of CPUs has bits, and more than
	// 256: what fewer vCPUs never use. They are on goroutines, if these are among the machines,
	// where so many cost least.
	Wide bool
	// Duration is how long all of it takes together.
	Duration time.Duration
	// Critical is the length of a critical section, Think the mean time between two.
	Critical, Think time.Duration
	// Seed repeats what is chosen at random, as far as the machine allows.
	Seed uint64
	// Patience is how long nobody may get a lock, of the time that this process runs, before the
	// machine is given up.
	Patience time.Duration

	// Stop stops this process, as SIGSTOP does; the caller that set it sees to it that it is
	// continued. nil if nobody does.
	Stop func()
	// Hog starts a process that computes until stop is called; nil if there is none.
	Hog func() (stop func(), err error)

	more []lock // of tests
}

// Bounds of what can be asked for.
const (
	minDuration = 10 * time.Millisecond
	maxDuration = 7 * 24 * time.Hour
	maxSection  = time.Millisecond
)

// A round is at most this long; with the torment "remake" each is another machine's. A control must
// show what it is there for within its time, and a lock that doesn't exclude within a second.
const (
	roundTime   = time.Second
	controlTime = 30 * time.Second
	bustedTime  = time.Second
)

// plan is a lock on a machine at an overcommit, which is to be tortured.
type plan struct {
	lock  lock
	on    string
	vcpus int
	// parts is how much of the time it gets: the least overcommit more than others, for there the
	// fair locks get something done. Controls get none, but what they need.
	parts int
}

// Check returns an error if something can't be done: it says what is wrong and what is allowed.
func (cfg *Config) Check() error {
	_, _, err := cfg.plan()
	return err
}

func (cfg *Config) checkNumbers() error {
	if err := rig.CheckOvercommit(len(cfg.HostCPUs), cfg.Overcommit); err != nil {
		return err
	}
	for _, d := range []struct {
		what     string
		is       time.Duration
		from, to time.Duration
	}{
		{"duration", cfg.Duration, minDuration, maxDuration},
		{"critical section", cfg.Critical, 0, maxSection},
		{"time between critical sections", cfg.Think, 0, maxSection},
		{"patience", cfg.Patience, time.Second, maxDuration},
	} {
		if d.is < d.from || d.is > d.to {
			return fmt.Errorf("%s of %v: want %v to %v", d.what, d.is, d.from, d.to)
		}
	}
	for _, name := range cfg.Torments {
		if !slices.Contains(Torments(), name) {
			return fmt.Errorf("unknown torment %q: want some of %s", name,
				strings.Join(Torments(), ", "))
		}
	}
	return nil
}

// plan returns what is to be done, and what is left out.
func (cfg *Config) plan() (plans []plan, skipped []result.TortureSkip, err error) {
	if err := cfg.checkNumbers(); err != nil {
		return nil, nil, err
	}
	on := cfg.On
	if len(on) == 0 {
		for _, name := range rig.Machines() {
			if err := rig.Probe(name); err != nil {
				skipped = append(skipped, result.TortureSkip{What: name, Why: err.Error()})
				continue
			}
			on = append(on, name)
		}
	}
	for _, name := range on {
		if err := rig.Probe(name); err != nil {
			return nil, nil, err
		}
	}
	chosen, err := cfg.locks()
	if err != nil {
		return nil, nil, err
	}
	for _, t := range torments() {
		// What applies to no lock and no machine, because it isn't there at all.
		if slices.Contains([]string{"affinity", "signals", "stop", "hogs"}, t.name) {
			if err := t.missing(cfg, nil, ""); err != nil {
				skipped = append(skipped, result.TortureSkip{What: t.name, Why: err.Error()})
			}
		}
	}
	idle := "" // a control that has no chance to show anything
	for _, name := range on {
		for _, l := range chosen {
			if l.on != "" && l.on != name {
				continue
			}
			if l.by != "" && len(cfg.Torments) > 0 && !slices.Contains(cfg.Torments, l.by) {
				skip := result.TortureSkip{What: l.kind.Name + " on " + name,
					Why: "a control that shows nothing without the torment " + l.by}
				skipped = append(skipped, skip)
				idle = skip.What + ": " + skip.Why
				continue
			}
			all := cfg.vcpus(&l)
			for _, vcpus := range all {
				p := plan{lock: l, on: name, vcpus: vcpus}
				switch {
				case l.control != "":
				case vcpus == slices.Min(all):
					p.parts = 2
				default:
					p.parts = 1
				}
				plans = append(plans, p)
			}
		}
	}
	if cfg.Wide {
		plans = append(plans, widePlans(on, chosen)...)
	}
	if len(plans) == 0 && idle != "" {
		return nil, nil, fmt.Errorf("nothing is left to torture: %s", idle)
	}
	if len(plans) == 0 {
		return nil, nil, fmt.Errorf("none of the locks %s is for any of the machines %s",
			strings.Join(cfg.Locks, ", "), strings.Join(on, ", "))
	}
	return plans, skipped, nil
}

// widest are the locks that look CPUs up in masks, and numbers of vCPUs of which these have several
// words.
var (
	widest     = []string{"pvticket", "xen2008"}
	widestCPUs = []int{40, 300}
)

// widePlans are the cells with many vCPUs.
func widePlans(on []string, chosen []lock) (plans []plan) {
	name := on[0]
	if slices.Contains(on, rig.Goroutines) {
		name = rig.Goroutines
	}
	for _, l := range chosen {
		for _, n := range widestCPUs {
			if slices.Contains(widest, l.kind.Name) && n <= l.kind.MaxCPUs {
				plans = append(plans, plan{lock: l, on: name, vcpus: n, parts: 1})
			}
		}
	}
	return plans
}

// vcpus returns the numbers of vCPUs for a lock, those that it can have. A control gets the
// fewest: they run at the same time.
func (cfg *Config) vcpus(l *lock) (all []int) {
	for _, o := range cfg.Overcommit {
		n := max(int(o*float64(len(cfg.HostCPUs))+0.5), 2)
		if n <= l.kind.MaxCPUs && !slices.Contains(all, n) {
			all = append(all, n)
		}
	}
	if l.control != "" && len(all) > 1 {
		return []int{slices.Min(all)}
	}
	return all
}

func (cfg *Config) locks() ([]lock, error) {
	all := append(locks(), cfg.more...)
	if len(cfg.Locks) == 0 {
		return all, nil
	}
	var chosen []lock
	for _, name := range cfg.Locks {
		i := slices.IndexFunc(all, func(l lock) bool { return l.kind.Name == name })
		if i < 0 {
			return nil, fmt.Errorf("unknown lock %q: want some of %s", name,
				strings.Join(Locks(), ", "))
		}
		if len(cfg.vcpus(&all[i])) == 0 {
			return nil, fmt.Errorf("lock %s is for at most %d vCPUs, and every overcommit given "+
				"has more", name, all[i].kind.MaxCPUs)
		}
		chosen = append(chosen, all[i])
	}
	return chosen, nil
}

// Progress says how things are.
type Progress struct {
	// Done of Cells are over; the one that is under way is of Lock on Machine with VCPUs.
	Done, Cells   int
	Lock, Machine string
	VCPUs         int
	// Acquisitions is what it has come to, all cells together, Findings how many were unexpected.
	Acquisitions uint64
	Findings     int
	// Now is what goes on.
	Now string
}

// Watcher is told how things go: Progress about every second, Done when a cell is over. Either may
// be nil.
type Watcher struct {
	Progress func(Progress)
	Done     func(result.TortureRun)
}

// Run tortures. Command is what is recorded as the command. When ctx is done Run stops cleanly and
// returns what there is, the cell that was cut short included; so it does, with an error, when a
// machine fails or can't be stopped.
func Run(ctx context.Context, cfg Config, command []string, w Watcher) (*result.Torture, error) {
	plans, skipped, err := cfg.plan()
	if err != nil {
		return nil, err
	}
	t := &result.Torture{Host: rig.Host(), Command: command, Started: time.Now(), Seed: cfg.Seed,
		Skipped: skipped}
	defer rig.Steal(&t.Host)()

	end := t.Started.Add(cfg.Duration)
	threads := hold().threads + spareThreads
	for i, p := range plans {
		if ctx.Err() != nil {
			t.Interrupted = true
			return t, nil
		}
		c := newCell(&cfg, p, newRand(cfg.Seed, uint64(i)))
		threads = max(threads, hold().threads+vcpuThreads*p.vcpus+spareThreads)
		c.threads = threads
		c.watch(&w, t, i, len(plans))
		// What is left of the time, without the controls', which hardly take any.
		left := 0
		for _, q := range plans[i:] {
			left += q.parts
		}
		d := controlTime
		switch p.lock.control {
		case result.FindingExclusion:
			d = bustedTime
		case "":
			d = max(time.Until(end)*time.Duration(p.parts)/time.Duration(left), minDuration)
		}
		err := c.run(ctx, d)
		if err != nil {
			c.Failed = strings.Join(strings.Fields(err.Error()), " ")
		}
		c.finish()
		t.Runs = append(t.Runs, c.TortureRun)
		if w.Done != nil {
			w.Done(c.TortureRun)
		}
		if err != nil {
			t.Failed = fmt.Sprintf("%s on %s, %d vCPUs: %s", p.lock.kind.Name, p.on, p.vcpus,
				c.Failed)
			return t, fmt.Errorf("%s on %s, %d vCPUs: %w", p.lock.kind.Name, p.on, p.vcpus, err)
		}
		t.Interrupted = c.Interrupted
	}
	return t, nil
}

func newRand(seed, i uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, i)) }

// vcpuThreads is how many threads there may be for each vCPU: its own, which may be in a system
// call, and while vCPUs are threads GOMAXPROCS is more than their number, so that the runtime may
// have one for each P besides.
const vcpuThreads = 2

// spareThreads are what Go's runtime may have besides: the collector's, those in system calls.
const spareThreads = 64

// A cell is what one lock goes through on one machine at one overcommit.
type cell struct {
	result.TortureRun
	plan
	cfg     *Config
	chosen  []torment
	rand    *rand.Rand
	threads int
	began   time.Time
	each    []uint64 // acquisitions of each vCPU
	now     atomic.Pointer[string]
	tick    func(r *round) // nil if nobody wants to know
}

func newCell(cfg *Config, p plan, r *rand.Rand) *cell {
	c := &cell{
		plan: p, cfg: cfg, rand: r, each: make([]uint64, p.vcpus),
		chosen: choose(cfg, &p.lock, p.on), began: time.Now(),
		TortureRun: result.TortureRun{
			Lock: p.lock.kind.Name, Machine: p.on, CPUs: len(cfg.HostCPUs), VCPUs: p.vcpus,
			Overcommit: float64(p.vcpus) / float64(len(cfg.HostCPUs)),
			Counters:   make(map[string]uint64),
		},
	}
	for _, t := range c.chosen {
		c.Torments = append(c.Torments, t.name)
	}
	return c
}

// run makes machine after machine.
func (c *cell) run(ctx context.Context, d time.Duration) error {
	part := d
	switch {
	case c.lock.control != "":
		// Some of what they must show is found at the end of a round.
		part = bustedTime / 5
	case slices.Contains(c.Torments, remake):
		part = min(roundTime, d)
	}
	more := func() bool { return time.Since(c.began)+part/2 < d && !c.caught() }
	for first := true; first || ctx.Err() == nil && more(); first = false {
		r := &round{cfg: c.cfg, lock: &c.lock, on: c.on, chosen: c.chosen, rand: c.rand,
			threads: c.threads, cell: c}
		if err := r.make(c.vcpus); err != nil {
			return err
		}
		c.Machines++
		if err := r.run(ctx, part); err != nil {
			return err
		}
	}
	// Of an interrupt in a round's drain, or between two rounds, no round knows.
	c.Interrupted = c.Interrupted || ctx.Err() != nil && more()
	return nil
}

// spell notes what goes on now.
func (c *cell) spell(on []string) {
	for _, name := range on {
		c.Counters["torment_"+name]++
	}
	now := strings.Join(on, " ")
	c.now.Store(&now)
}

// report notes a finding.
func (c *cell) report(kind, text string, n uint64) {
	for i := range c.Findings {
		if f := &c.Findings[i]; f.Kind == kind {
			f.Count += n
			return
		}
	}
	c.Findings = append(c.Findings,
		result.TortureFinding{Kind: kind, AtSeconds: time.Since(c.began).Seconds(), Count: n,
			Text: text})
}

// caught reports whether the cell is a control's and has shown what it is there for.
func (c *cell) caught() bool {
	return c.lock.control != "" &&
		slices.ContainsFunc(c.Findings, func(f result.TortureFinding) bool {
			return f.Kind == c.lock.control
		})
}

// finish completes the result.
func (c *cell) finish() {
	c.Seconds = time.Since(c.began).Seconds()
	c.Slow = min(c.Counters[paravirt.Contended.String()], c.Acquisitions)
	c.Fewest = slices.Min(c.each)
	c.Expected = c.unexpected() == 0
	c.Missed = c.lock.control != "" && !c.caught() && c.Complete()
}

// unexpected is how many kinds of findings there are that aren't known of the lock.
func (c *cell) unexpected() (n int) {
	for _, f := range c.Findings {
		if !slices.Contains(c.lock.known, f.Kind) {
			n++
		}
	}
	return n
}

// watch has the watcher told about every second.
func (c *cell) watch(w *Watcher, t *result.Torture, done, cells int) {
	if w.Progress == nil {
		return
	}
	var last time.Time
	c.tick = func(r *round) {
		if time.Since(last) < time.Second {
			return
		}
		last = time.Now()
		p := Progress{Done: done, Cells: cells, Lock: c.Lock, Machine: c.Machine, VCPUs: c.VCPUs,
			Findings: c.unexpected()}
		for i := range t.Runs {
			p.Acquisitions += t.Runs[i].Acquisitions
			if !t.Runs[i].Expected {
				p.Findings++
			}
		}
		p.Acquisitions += c.Acquisitions
		for i := range r.clients {
			p.Acquisitions += r.clients[i].acquisitions()
		}
		if now := c.now.Load(); now != nil {
			p.Now = *now
		}
		w.Progress(p)
	}
}
