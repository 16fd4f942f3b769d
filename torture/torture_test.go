package torture

import (
	"context"
	"errors"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/pvlock/host"
	"example.com/pvlock/internal/arch"
	"example.com/pvlock/paravirt"
	"example.com/pvlock/result"
	"example.com/pvlock/rig"
)

// mayUse returns CPUs to run on, two if there are so many.
func mayUse(t *testing.T) []int {
	t.Helper()
	facts := host.Collect()
	cpus, known := facts.CPUs.Get()
	if !known {
		for i := range facts.NumCPUs {
			cpus = append(cpus, i)
		}
		return cpus // where threads can't be confined to some
	}
	return cpus[:min(2, len(cpus))]
}

func config(t *testing.T) Config {
	return Config{
		HostCPUs: mayUse(t), Overcommit: []float64{2}, On: []string{rig.Goroutines},
		Duration: 100 * time.Millisecond,
		Critical: 50 * time.Nanosecond, Think: 100 * time.Nanosecond, Patience: time.Minute,
		Seed: 1,
	}
}

// tortured runs it, and returns its runs.
func tortured(t *testing.T, cfg Config) []result.TortureRun {
	t.Helper()
	got, err := Run(t.Context(), cfg, []string{"test"}, Watcher{})
	if err != nil {
		t.Fatal(err)
	}
	return got.Runs
}

func find(r *result.TortureRun, kind string) *result.TortureFinding {
	i := slices.IndexFunc(r.Findings, func(f result.TortureFinding) bool { return f.Kind == kind })
	if i < 0 {
		return nil
	}
	return &r.Findings[i]
}

// machines are those that there are here.
func machines() (on []string) {
	for _, name := range rig.Machines() {
		if rig.Probe(name) == nil {
			on = append(on, name)
		}
	}
	return on
}

func TestBustedIsCaughtWithinASecond(t *testing.T) {
	cfg := config(t)
	cfg.On, cfg.Locks = machines(), []string{"busted"}
	for _, r := range tortured(t, cfg) {
		// It has no longer.
		if r.Missed || !r.Expected || find(&r, result.FindingExclusion) == nil {
			t.Errorf("%s: missed %v, findings %+v", r.Machine, r.Missed, r.Findings)
		}
	}
}

func TestEachControlShowsWhatItIsThereFor(t *testing.T) {
	cfg := config(t)
	cfg.On, cfg.Locks = machines(), []string{"deaf", "leaky"}
	for _, r := range tortured(t, cfg) {
		if r.Missed || !r.Expected {
			t.Errorf("%s on %s: missed %v, findings %+v", r.Lock, r.Machine, r.Missed, r.Findings)
		}
		if r.Lock == "deaf" && r.LostWakeups == 0 {
			t.Errorf("%s on %s lost no wake-up", r.Lock, r.Machine)
		}
	}
}

func TestAControlThatShowsNothingIsMissed(t *testing.T) {
	cfg := config(t)
	cfg.more = []lock{{kind: spinKind(), control: result.FindingExclusion}}
	cfg.more[0].kind.Name, cfg.Locks = "harmless", []string{"harmless"}
	if r := tortured(t, cfg)[0]; !r.Missed ||
		Verdict(&result.Torture{Runs: []result.TortureRun{r}}) == "" {
		t.Errorf("%+v", r)
	}
}

func TestALockThatIsRightShowsNothing(t *testing.T) {
	cfg := config(t)
	cfg.On, cfg.Locks, cfg.Overcommit, cfg.Duration = machines(), []string{"xen", "pvqspin",
		"tas"}, []float64{1, 3}, time.Second
	for _, r := range tortured(t, cfg) {
		if !r.Expected || r.Missed || len(r.Findings) > 0 || r.Acquisitions == 0 ||
			r.Unlocks != r.Acquisitions || r.Fewest == 0 || r.Interrupted {
			t.Errorf("%+v", r)
		}
	}
}

func TestWhatAProgramImportsIsTorturedOnGoroutines(t *testing.T) {
	cfg := config(t)
	cfg.On, cfg.Locks, cfg.Duration = []string{rig.Threads, rig.Goroutines}, []string{"mutex",
		"spinlock"}, 400*time.Millisecond
	runs := tortured(t, cfg)
	if len(runs) != 2 {
		t.Fatalf("%d runs, want 2", len(runs))
	}
	for _, r := range runs {
		if r.Machine != rig.Goroutines || len(r.Findings) > 0 || r.Acquisitions == 0 {
			t.Errorf("%+v", r)
		}
	}
}

// sleepy sleeps like a good lock, and releases at leisure: its waiters are asleep, the lock is
// free, and the one who will wake them is on the way.
func sleepy() lock {
	l := lock{kind: controlLocks()[1].kind}
	l.kind.Name = "sleepy"
	l.kind.Unlock = func(w *arch.Word, c *paravirt.CPU) {
		m := c.Machine()
		for range 10000 {
			if m.Asleep(int(1 - c.ID())) {
				break
			}
			runtime.Gosched()
		}
		c.Store8(w.Byte(0), 0)
		for began := time.Now(); time.Since(began) < 30*look; {
			runtime.Gosched()
		}
		paravirt.KickEvent(c, 1-c.ID())
	}
	return l
}

func TestAWakeUpThatIsSlowIsNotCalledLost(t *testing.T) {
	cfg := config(t)
	cfg.more = []lock{sleepy()}
	cfg.HostCPUs = cfg.HostCPUs[:1] // two vCPUs
	cfg.Locks, cfg.Torments = []string{"sleepy"}, []string{"long-holds"}
	r := tortured(t, cfg)[0]
	if r.LostWakeups != 0 || len(r.Findings) > 0 || r.Stalls == 0 {
		t.Errorf("%d lost, %d stalls, findings %+v; want stalls alone", r.LostWakeups, r.Stalls,
			r.Findings)
	}
}

func TestALeakIsFound(t *testing.T) {
	end := make(chan struct{})
	defer close(end)
	var open *os.File
	defer func() { _ = open.Close() }()
	for name, leak := range map[string]func(){
		"goroutines": func() { go func() { <-end }() },
		"open files": func() { open, _ = os.Open(os.DevNull) },
	} {
		if name == "open files" && hold().files < 0 {
			continue
		}
		l := lock{kind: spinKind()}
		good, once := l.kind.Lock, true
		l.kind.Lock = func(w *arch.Word, c *paravirt.CPU) {
			good(w, c)
			if once { // the lock protects it, not quite: there is more than one
				once = false
				leak()
			}
		}
		l.kind.Name = "dripping"
		cfg := config(t)
		cfg.more, cfg.Locks, cfg.Torments = []lock{l}, []string{"dripping"}, []string{"trylock"}
		r := tortured(t, cfg)[0]
		if f := find(&r, result.FindingLeak); f == nil || !strings.Contains(f.Text, name) {
			t.Errorf("findings %+v, want a leak of %s", r.Findings, name)
		}
	}
}

func TestAMachineThatDoesNotEndIsGivenUp(t *testing.T) {
	end := make(chan struct{})
	l := lock{kind: spinKind()}
	l.kind.Name = "gone"
	l.kind.Lock = func(*arch.Word, *paravirt.CPU) { <-end }
	l.kind.Unlock = func(*arch.Word, *paravirt.CPU) {}
	cfg := config(t)
	cfg.more, cfg.Locks, cfg.Torments, cfg.Patience = []lock{l}, []string{"gone"},
		[]string{"trylock"}, time.Second
	l.kind.TryLock = never
	cfg.more[0].kind.TryLock = never
	got, err := Run(t.Context(), cfg, []string{"test"}, Watcher{})
	close(end)
	if !errors.As(err, new(errStuck)) {
		t.Fatalf("error %v", err)
	}
	if f := find(&got.Runs[0], result.FindingNoProgress); f == nil || got.Runs[0].Expected ||
		!strings.Contains(f.Text, "nobody holds it") {
		t.Errorf("%+v", got.Runs[0])
	}
}

// sleeper is xen without a spin budget: a vCPU that finds it taken sleeps.
func sleeper() lock {
	all := locks()
	l := all[slices.IndexFunc(all, func(l lock) bool { return l.kind.Name == "xen" })]
	l.kind.Name, l.kind.Tunables.Spin = "sleeper", paravirt.None
	return l
}

func TestEveryTormentComes(t *testing.T) {
	stops, hogs := 0, 0
	for _, name := range Torments() {
		cfg := config(t)
		cfg.Torments, cfg.Locks, cfg.Duration = []string{name}, []string{"xen"}, 60*time.Millisecond
		cfg.Stop = func() { stops++ }
		cfg.Hog = func() (func(), error) { hogs++; return func() { hogs-- }, nil }
		if name == "cancel" || name == "yield" {
			cfg.Locks = []string{"mutex"}
		}
		if name == budgets {
			cfg.Torments = []string{budgets, remake}
		}
		if name == "spurious-wakes" {
			cfg.more, cfg.Locks = []lock{sleeper()}, []string{"sleeper"}
		}
		r := tortured(t, cfg)[0]
		if len(r.Findings) > 0 {
			t.Errorf("%s: %+v", name, r.Findings)
		}
		switch missing := linuxOnly(nil, nil, ""); {
		case missing != nil && (name == "affinity" || name == "signals"):
		case !slices.Contains(r.Torments, name):
			t.Errorf("%s is not among %q", name, r.Torments)
		case name == remake:
		case r.Counters["torment_"+name] == 0:
			t.Errorf("%s has not come: %v", name, r.Counters)
		}
		for torment, counter := range map[string]string{
			"reuse": "reused", "come-and-go": "came_and_went", "spurious-wakes": "spurious_wakes",
		} {
			if name == torment && len(cfg.HostCPUs) > 1 && r.Counters[counter] == 0 {
				t.Errorf("%s: no %s", name, counter)
			}
		}
		if name == "stop" && stops == 0 {
			t.Error("the process was not stopped")
		}
	}
	if hogs != 0 {
		t.Errorf("%d hogs are left", hogs)
	}
}

func TestWhatTheTormentsChangeIsPutBack(t *testing.T) {
	procs := runtime.GOMAXPROCS(0)
	for _, on := range []string{rig.Threads, rig.Goroutines} {
		cfg := config(t)
		cfg.On, cfg.Locks, cfg.Torments, cfg.Duration = []string{on}, []string{"xen"},
			[]string{"gomaxprocs", "affinity"}, 500*time.Millisecond
		tortured(t, cfg)
		if now := runtime.GOMAXPROCS(0); now != procs {
			t.Errorf("%s: GOMAXPROCS is %d, was %d", on, now, procs)
		}
	}
	checkAffinity(t)
}

func TestTheSameSeedChoosesTheSame(t *testing.T) {
	budget := func() (all []uint32) {
		cfg := config(t)
		cfg.Torments = []string{budgets}
		l := locks()[4]
		c := newCell(&cfg, plan{lock: l, on: rig.Goroutines, vcpus: 2}, newRand(cfg.Seed, 3))
		for range 16 {
			r := &round{cfg: &cfg, lock: &l, on: c.on, chosen: c.chosen, rand: c.rand, cell: c}
			if err := r.make(2); err != nil {
				t.Fatal(err)
			}
			all = append(all, r.m.Paravirt().Tunables().Spin, r.clients[0].rand.Uint32())
		}
		return all
	}
	a, b := budget(), budget()
	if !slices.Equal(a, b) || len(slices.Compact(slices.Clone(a))) < 3 {
		t.Errorf("%v, then %v", a, b)
	}
}

func TestAnInterruptEndsIt(t *testing.T) {
	cfg := config(t)
	cfg.Locks, cfg.Duration = []string{"xen"}, time.Hour
	ctx, cancel := context.WithCancel(t.Context())
	got, err := Run(ctx, cfg, []string{"test"}, Watcher{Progress: func(Progress) { cancel() }})
	if err != nil || len(got.Runs) != 1 || !got.Runs[0].Interrupted ||
		got.Runs[0].Acquisitions == 0 {
		t.Errorf("%v, %+v", err, got)
	}
}

// An interrupt that comes when a round has had its time ends the cell early all the same, and a
// control that had no time to show anything is not missed.
func TestAnInterruptBetweenRoundsIsSaid(t *testing.T) {
	for _, control := range []string{"", result.FindingExclusion} {
		ctx, cancel := context.WithCancel(t.Context())
		l := lock{kind: spinKind(), control: control}
		l.kind.Name = "looked at"
		l.kind.IsLocked = func(w *arch.Word, c *paravirt.CPU) bool {
			cancel() // it is asked after a round
			return byteIs(w, c)
		}
		cfg := config(t)
		cfg.more, cfg.Locks, cfg.Torments, cfg.Duration = []lock{l}, []string{"looked at"},
			[]string{remake}, time.Minute
		got, err := Run(ctx, cfg, []string{"test"}, Watcher{})
		if err != nil {
			t.Fatal(err)
		}
		if r := got.Runs[0]; !got.Interrupted || !r.Interrupted || r.Missed || r.Machines != 1 {
			t.Errorf("control %q: interrupted %v, %+v", control, got.Interrupted, r)
		}
	}
}

func TestWhatThereIsNotIsSaid(t *testing.T) {
	cfg := config(t)
	cfg.On = nil
	plans, skipped, err := cfg.plan()
	if err != nil {
		t.Fatal(err)
	}
	for _, on := range rig.Machines() {
		planned := slices.ContainsFunc(plans, func(p plan) bool { return p.on == on })
		left := slices.ContainsFunc(skipped, func(s result.TortureSkip) bool {
			return s.What == on && s.Why != ""
		})
		if planned == left {
			t.Errorf("%s: planned %v, left out %v", on, planned, left)
		}
	}
	for _, torment := range []string{"stop", "hogs"} {
		if !slices.ContainsFunc(skipped,
			func(s result.TortureSkip) bool { return s.What == torment }) {
			t.Errorf("nothing is said of %s", torment)
		}
	}
}

func TestVerdict(t *testing.T) {
	for _, tt := range []struct {
		name string
		run  result.TortureRun
		bad  bool
	}{
		{"nothing", result.TortureRun{Expected: true}, false},
		{"what is known",
			result.TortureRun{Expected: true,
				Findings: []result.TortureFinding{{Kind: result.FindingLost}}}, false},
		{"a fault", result.TortureRun{Findings: []result.TortureFinding{{Kind: result.FindingSum}}},
			true},
		{"a control that showed nothing", result.TortureRun{Expected: true, Missed: true}, true},
	} {
		if bad := Verdict(
			&result.Torture{Runs: []result.TortureRun{tt.run}}); (bad != "") != tt.bad {
			t.Errorf("%s: %q", tt.name, bad)
		}
	}
}

func TestBadConfigurationsAreRefused(t *testing.T) {
	for want, change := range map[string]func(*Config){
		"no CPUs":                func(c *Config) { c.HostCPUs = nil },
		"no overcommit":          func(c *Config) { c.Overcommit = nil },
		"overcommit 0.5":         func(c *Config) { c.Overcommit = []float64{0.5} },
		"duration of 0s":         func(c *Config) { c.Duration = 0 },
		"patience of 0s":         func(c *Config) { c.Patience = 0 },
		"critical section of -1": func(c *Config) { c.Critical = -1 },
		`unknown torment "rain"`: func(c *Config) { c.Torments = []string{"rain"} },
		`unknown lock "xenn"`:    func(c *Config) { c.Locks = []string{"xenn"} },
		"unknown machine":        func(c *Config) { c.On = []string{"mainframe"} },
		"none of the locks mutex": func(c *Config) {
			c.Locks, c.On = []string{"mutex"}, []string{rig.Threads}
		},
		"at most 32 vCPUs": func(c *Config) {
			c.Locks, c.Overcommit = []string{"xen2008text"}, []float64{200}
		},
	} {
		cfg := config(t)
		change(&cfg)
		if err := cfg.Check(); err == nil || !strings.Contains(err.Error(), want) ||
			strings.Contains(err.Error(), "\n") {
			t.Errorf("error %v, want one line with %q", err, want)
		}
	}
}

// The second word of a mask of CPUs, and numbers of CPUs above 255, are used by default.
func TestSomeCellsHaveMoreCPUsThanAWordHasBits(t *testing.T) {
	cfg := config(t)
	cfg.On, cfg.Wide = nil, true
	plans, _, err := cfg.plan()
	if err != nil {
		t.Fatal(err)
	}
	for _, least := range []int{32, 256} {
		if !slices.ContainsFunc(plans,
			func(p plan) bool { return p.vcpus > least && p.lock.kind.Name == "pvticket" }) {
			t.Errorf("no cell has more than %d vCPUs", least)
		}
	}
}

// The runtime has a thread for each P besides those of the vCPUs, and these are no leak.
func TestManyThreadsAreNoLeak(t *testing.T) {
	cfg := config(t)
	cfg.On, cfg.Locks, cfg.Overcommit = []string{rig.Threads}, []string{"tas"},
		[]float64{100 / float64(len(cfg.HostCPUs))}
	for _, r := range tortured(t, cfg) {
		if len(r.Findings) > 0 || r.VCPUs != 100 {
			t.Errorf("%d vCPUs: %+v", r.VCPUs, r.Findings)
		}
	}
}
