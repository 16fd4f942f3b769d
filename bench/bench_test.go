package bench

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"example.com/pvlock/host"
	"example.com/pvlock/internal/arch"
	"example.com/pvlock/paravirt"
	"example.com/pvlock/result"
	"example.com/pvlock/spinlock"
	"example.com/pvlock/workload"
)

// short returns a bench that takes a moment.
func short(t *testing.T, on string) Config {
	t.Helper()
	if err := Probe(on); err != nil {
		t.Skip(err)
	}
	cpus := host.Collect().CPUs
	if cpus.State() != host.Known {
		t.Skipf("which CPUs this process may use is %v", cpus)
	}
	return Config{
		On: on, HostCPUs: cpus.Or(nil), Overcommit: []float64{1, 4},
		Critical: 100 * time.Nanosecond, Think: 500 * time.Nanosecond,
		Duration: 10 * time.Millisecond, Rounds: 2, DrainLimit: time.Minute,
	}
}

func TestEveryLockExcludesAndItsCountersAgree(t *testing.T) {
	for _, on := range Machines() {
		t.Run(on, func(t *testing.T) {
			cfg := short(t, on)
			b, err := Run(t.Context(), cfg, []string{"test"}, nil)
			if err != nil {
				t.Fatal(err)
			}
			if want := cfg.Rounds * len(cfg.Overcommit) * len(contenders(on)); len(b.Runs) != want {
				t.Errorf("%d runs, want %d", len(b.Runs), want)
			}
			for i := range b.Runs {
				check(t, &b.Runs[i])
			}
		})
	}
}

// check fails the test if what a run says of itself can't be.
func check(t *testing.T, r *result.Run) {
	t.Helper()
	fail := func(format string, args ...any) {
		t.Helper()
		t.Errorf("%s, %d vCPUs, round %d: "+format,
			append([]any{r.Lock, r.VCPUs, r.Round}, args...)...)
	}
	if r.Violations > 0 {
		fail("%d violations", r.Violations)
	}
	if r.AcquisitionsTotal < r.Acquisitions || r.AcquisitionsTotal == 0 {
		fail("%d acquisitions measured, of %d", r.Acquisitions, r.AcquisitionsTotal)
	}
	kind := kindOf(r.Lock)
	if r.LostWakeups > 0 && (kind == nil || !kind.LosesWakeups) {
		fail("%d lost wake-ups", r.LostWakeups)
	}
	count := func(e paravirt.Event) uint64 { return r.Counters[e.String()] }
	if count(paravirt.EventWakeup) > count(paravirt.EventKick)+r.LostWakeups*uint64(r.VCPUs) {
		fail("%d waits ended by a kick, but only %d kicks were sent", count(paravirt.EventWakeup),
			count(paravirt.EventKick))
	}
	if r.Blocked > r.Contended || r.Contended > r.AcquisitionsTotal {
		fail("of %d acquisitions %d were contended, of these %d blocked", r.AcquisitionsTotal,
			r.Contended, r.Blocked)
	}
	var spun uint64
	for _, n := range r.SpinRounds {
		spun += n
	}
	if spun+r.Blocked != r.Contended {
		fail("%d won by spinning and %d by blocking, of %d contended", spun, r.Blocked, r.Contended)
	}
	if kind != nil && !kind.Sleeps && (r.Blocked > 0 || count(paravirt.EventKick) > 0) {
		fail("does not sleep, but blocked %d times and sent %d kicks", r.Blocked,
			count(paravirt.EventKick))
	}
	if r.Jain < 0 || r.Jain > 1.0000001 {
		fail("Jain's index of %v", r.Jain)
	}
	if r.LatencyClosed.Max < r.LatencyClosed.P999 || r.LatencyClosed.P999 < r.LatencyClosed.P50 ||
		r.Latency.Max < r.Latency.P999 {
		fail("latencies %+v, and as seen %+v", r.Latency, r.LatencyClosed)
	}
}

func kindOf(name string) *spinlock.Kind {
	for _, k := range spinlock.Kinds() {
		if k.Name == name {
			return &k
		}
	}
	return nil
}

// With a budget of 0 every contended acquisition goes the slow way.
func TestNothingIsLostWhenEveryoneSleepsAtOnce(t *testing.T) {
	cfg := short(t, OnThreads)
	cfg.Locks = []string{"xen", "xen2008", "pvticket", "pvqspin2015", "pvqspin"}
	cfg.Tune = func(p *paravirt.Tunables) { p.Spin, p.Steal = paravirt.None, paravirt.None }
	b, err := Run(t.Context(), cfg, []string{"test"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range b.Runs {
		check(t, &b.Runs[i])
	}
}

// busted is a lock that doesn't exclude: the control that must be caught.
func busted() contender {
	return contender{
		kind: spinlock.Kind{Name: "busted", MaxCPUs: paravirt.MaxCPUs},
		ops: func() workload.Ops {
			nothing := func(*arch.Word, *paravirt.CPU) {}
			return workload.Ops{Lock: nothing, Unlock: nothing}
		},
	}
}

func TestALockThatDoesNotExcludeIsCaught(t *testing.T) {
	cfg := short(t, OnThreads)
	if len(cfg.HostCPUs) < 2 {
		// One CPU: somebody must lose it in the middle of a critical section.
		cfg.Critical = time.Millisecond
	}
	for _, who := range []contender{busted()} {
		for round := 1; ; round++ {
			c, err := cfg.run(t.Context(), who, 8, 1)
			if err != nil {
				t.Fatal(err)
			}
			if cfg.runOf(c, who, Progress{Round: round}).Violations > 0 {
				break
			}
			if round == 100 {
				t.Fatal("not caught in 100 rounds")
			}
		}
	}
}

// deaf is a lock whose waiters sleep and whose unlocker never kicks.
func deaf() contender {
	xen := kindOf("xen")
	return contender{
		kind: *xen,
		ops: func() workload.Ops {
			return workload.Ops{
				Lock: func(w *arch.Word, c *paravirt.CPU) {
					for !c.Cas32(w.Whole(), 0, 1) {
						c.ClearPending()
						c.Poll()
					}
				},
				Unlock: func(w *arch.Word, c *paravirt.CPU) { c.Store32(w.Whole(), 0) },
			}
		},
	}
}

func TestALostWakeUpIsFoundAndMadeGood(t *testing.T) {
	cfg := short(t, OnThreads)
	cfg.Think = 0
	for round := 1; ; round++ {
		c, err := cfg.run(t.Context(), deaf(), 8, 1)
		if err != nil {
			t.Fatal(err)
		}
		if c.lost > 0 {
			return
		}
		if round == 100 {
			t.Fatal("none found in 100 rounds")
		}
	}
}

func TestAHundredAndTwentyEightVCPUs(t *testing.T) {
	if arch.Race {
		t.Skip("the race detector has each look of 128 spinning threads take turns: minutes, and " +
			"nothing learnt")
	}
	cfg := short(t, OnThreads)
	cfg.Overcommit = []float64{128 / float64(len(cfg.HostCPUs))}
	cfg.Rounds = 1
	cfg.Locks = []string{"xen", "xen2008", "pvqspin", "tas"} // xen2008text is for 32
	b, err := Run(t.Context(), cfg, []string{"test"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range b.Runs {
		if b.Runs[i].VCPUs != 128 {
			t.Errorf("%d vCPUs, want 128", b.Runs[i].VCPUs)
		}
		check(t, &b.Runs[i])
	}
}

func TestAnInterruptKeepsWhatWasMeasured(t *testing.T) {
	cfg := short(t, OnThreads)
	cfg.Locks = []string{"xen", "tas"}
	cfg.Duration = time.Hour
	ctx, cancel := context.WithCancel(t.Context())
	cells := 0
	b, err := Run(ctx, cfg, []string{"test"}, func(Progress) { cells++; cancel() })
	if err != nil {
		t.Fatal(err)
	}
	if cells != 1 || len(b.Runs) != 1 || !b.Runs[0].Interrupted {
		t.Errorf("%d cells begun, results %+v: want one, interrupted", cells, b.Runs)
	}
}

// A lock whose holder, after a while, never lets go: the cell is given up. What its data says can't
// be known, and is not called a violation.
func TestACellThatDoesNotEndIsGivenUp(t *testing.T) {
	cfg := short(t, OnGoroutines)
	cfg.DrainLimit = 50 * time.Millisecond
	release := make(chan struct{})
	tas := *kindOf("tas")
	stubborn := contender{kind: tas, ops: func() workload.Ops {
		taken := 0 // the lock's
		return workload.Ops{
			Lock: func(w *arch.Word, c *paravirt.CPU) {
				tas.Lock(w, c)
				if taken++; taken > 100 {
					<-release
				}
			},
			Unlock: tas.Unlock,
		}
	}}
	c, err := cfg.run(t.Context(), stubborn, 2, 1)
	r := cfg.runOf(c, stubborn, Progress{})
	close(release)
	if r.AcquisitionsTotal == 0 || r.Violations > 0 {
		t.Errorf("%d acquisitions, %d violations; want some, and none", r.AcquisitionsTotal,
			r.Violations)
	}
	if !errors.As(err, new(Stuck)) || !strings.Contains(err.Error(), "2 waiting") {
		t.Errorf("error %v, want one that says that 2 wait", err)
	}
}

func TestTheTableSaysWhoCollapsed(t *testing.T) {
	run := func(lock string, vcpus int, ops float64) result.Run {
		return result.Run{Lock: lock, Machine: OnThreads, CPUs: 2, VCPUs: vcpus,
			Overcommit: float64(vcpus) / 2, Round: 1,
			Seconds: 1, OpsPerSecond: ops, Acquisitions: uint64(ops),
			AcquisitionsTotal: uint64(ops),
			SpinRounds:        make([]uint64, paravirt.HistBuckets)}
	}
	b := &result.Bench{
		Runs: []result.Run{run("xen", 2, 3e6), run("ticket", 2, 3e6), run("xen", 8, 2.4e6),
			run("ticket", 8, 1e3)}}
	b.Runs[3].Violations = 7
	b.Runs = append(b.Runs, run("xen", 2, 3e6), run("ticket", 2, 3e6))
	// A baseline of which a round got nowhere is none.
	b.Runs = append(b.Runs, run("qspin", 2, 1e4), run("qspin", 2, 3e6), run("qspin", 8, 2e6))
	var out bytes.Buffer
	if err := WriteTable(&out, b); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(out.String(), "EMULATED") {
		t.Error("figures of a real machine are said to be emulated")
	}
	for _, want := range []string{"xen (80.0%) kept most of it", "ticket (0.03%) collapsed",
		"VIOLATION: ticket at overcommit 4, round 1: 7 times",
		"don't agree, or are too few: qspin."} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the table doesn't say %q:\n%s", want, &out)
		}
	}
}

func TestTheTableSaysThatItIsOfEmulatedCPUs(t *testing.T) {
	b := &result.Bench{Host: result.Host{Emulated: true},
		Runs: []result.Run{
			{Lock: "xen", Machine: OnXen, CPUs: 2, VCPUs: 2,
				SpinRounds: make([]uint64, paravirt.HistBuckets)}}}
	var out bytes.Buffer
	if err := WriteTable(&out, b); err != nil {
		t.Fatal(err)
	}
	if second := strings.Split(out.String(), "\n")[1]; !strings.HasPrefix(second, "EMULATED CPUs") {
		t.Errorf("below the heading it says %q", second)
	}
}

func TestBadConfigsAreRefusedInOneLine(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"unknown lock": {func(c *Config) { c.Locks = []string{"xenn"} },
			`unknown lock "xenn" on threads: want one of bytelock, ticket`},
		"unknown machine": {func(c *Config) { c.On = "mainframe" },
			`unknown machine "mainframe": want one of threads, goroutines`},
		"no CPUs":     {func(c *Config) { c.HostCPUs = nil }, "want at least 1"},
		"undercommit": {func(c *Config) { c.Overcommit = []float64{0.5} }, "want at least 1"},
		"too many": {func(c *Config) { c.Overcommit = []float64{1e9} },
			"at most 16383 vCPUs"},
		"too many for it": {func(c *Config) {
			c.Overcommit = []float64{500}
			c.Locks = []string{"xen2008text"}
		}, "xen2008text is for at most 32 vCPUs"},
		"no time": {func(c *Config) { c.Duration = 0 }, "duration of 0s: want 1ms to 1h0m0s"},
		"negative": {func(c *Config) { c.Critical = -1 },
			"critical section of -1ns: want 0s to 1s"},
		"no rounds": {func(c *Config) { c.Rounds = 0 }, "0 rounds: want 1 to 10000"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := short(t, OnThreads)
			tt.change(&cfg)
			err := cfg.Check()
			if err == nil || !strings.Contains(err.Error(), tt.want) ||
				strings.Contains(err.Error(), "\n") {
				t.Errorf("error %v, want one line with %q", err, tt.want)
			}
		})
	}
}

func TestSmallNumbersKeepADigit(t *testing.T) {
	for x, want := range map[float64]string{0: "0.000", 1: "1.000", 0.0123456: "0.012",
		0.00051: "0.0005", 0.00000719: "0.000007"} {
		if got := digits(x); got != want {
			t.Errorf("%v is written %s, want %s", x, got, want)
		}
	}
}
