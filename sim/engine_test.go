package sim

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"

	"example.com/pvlock/internal/twin/arch"
	"example.com/pvlock/internal/twin/paravirt"
	"example.com/pvlock/internal/twin/spinlock"
	"example.com/pvlock/result"
)

func kind(t testing.TB, lock string) spinlock.Kind {
	t.Helper()
	for _, k := range spinlock.Kinds() {
		if k.Name == lock {
			return k
		}
	}
	t.Fatalf("no lock %s", lock)
	return spinlock.Kind{}
}

// cell is a small host of which the guest has too much.
func cell(t testing.TB, lock string) Config {
	return Config{
		Lock: kind(t, lock), PCPUs: 4, VMs: []VM{{VCPUs: 8}}, Scheduler: RoundRobin,
		Slice:    400 * time.Microsecond,
		Critical: 100, Think: 500, Duration: 3 * time.Millisecond, Warmup: 500 * time.Microsecond,
		Costs: DefaultCosts(), Seed: 1,
	}
}

func run(t testing.TB, cfg Config) result.SimRun {
	t.Helper()
	r, _, err := Run(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// bytesOf is all that a run gives, as it would be written.
func bytesOf(t testing.TB, cfg Config) []byte {
	t.Helper()
	r, tl, err := Run(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(struct {
		Run  result.SimRun
		Line *result.Timeline
	}{r, tl})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func ptr[T any](v T) *T { return &v }

// variants are hosts and guests of all sorts.
func variants(t testing.TB, lock string) map[string]Config {
	all := make(map[string]Config)
	add := func(name string, change func(*Config)) {
		cfg := cell(t, lock)
		change(&cfg)
		all[name] = cfg
	}
	queued := strings.Contains(lock, "pv") || strings.HasPrefix(lock, "xen")
	add("rr", func(c *Config) { c.Timeline = time.Millisecond })
	add("credit", func(c *Config) {
		c.Scheduler, c.Duration = Credit, 25*time.Millisecond
		c.VMs[0].Yield = 7 * time.Millisecond
	})
	add("fair", func(c *Config) { c.Scheduler, c.Background = Fair, 3 })
	add("two sockets", func(c *Config) {
		c.Sockets, c.Seed = 2, 7
		c.VMs = []VM{{VCPUs: 5}, {VCPUs: 4}}
	})
	add("exits", func(c *Config) { c.PLE = 64 })
	add("boost", func(c *Config) {
		c.Scheduler, c.BoostHead, c.VMs = Fair, true, []VM{{VCPUs: 4}, {VCPUs: 4}}
	})
	add("gang", func(c *Config) {
		c.Gang, c.VMs, c.Background = true, []VM{{VCPUs: 4}, {VCPUs: 3}}, 5
	})
	add("threads", func(c *Config) { c.Threads, c.GuestSlice = 12, 200*time.Microsecond })
	add("goroutines", func(c *Config) { c.Goroutines, c.StopTheWorld = 12, 300*time.Microsecond })
	add("all layers", func(c *Config) {
		c.Goroutines, c.Threads, c.StopTheWorld, c.Scheduler = 20, 12, 700*time.Microsecond, Fair
		c.GuestSlice = 300 * time.Microsecond
	})
	if queued {
		add("short budget", func(c *Config) { c.Spin = ptr(uint32(20)) })
		add("steal time", func(c *Config) { c.StealTime, c.WaitEarly = true, ptr(true) })
	}
	if kicksFirst(kind(t, lock)) {
		add("oldest", func(c *Config) { c.Spin, c.Kick = ptr(uint32(20)), KickOldest })
		add("rotating", func(c *Config) { c.Spin, c.Kick = ptr(uint32(20)), KickRotating })
	}
	return all
}

func forAll(t *testing.T, f func(t *testing.T, cfg Config)) {
	for _, k := range spinlock.Kinds() {
		for name, cfg := range variants(t, k.Name) {
			t.Run(k.Name+"/"+name, func(t *testing.T) {
				t.Parallel()
				f(t, cfg)
			})
		}
	}
}

// Run makes sure itself that the lock excludes.
func TestSkippingSpinsChangesNothing(t *testing.T) {
	forAll(t, func(t *testing.T, cfg Config) {
		skipped := bytesOf(t, cfg)
		cfg.StepByStep = true
		if step := bytesOf(t, cfg); !bytes.Equal(step, skipped) {
			t.Errorf("each round of each spin simulated:\n%.2000s\nskipped:\n%.2000s", step,
				skipped)
		}
	})
}

func TestSameSeedSameBytes(t *testing.T) {
	cfg := cell(t, "pvqspin")
	cfg.Scheduler, cfg.Timeline, cfg.Background = Fair, 500*time.Microsecond, 2
	first := bytesOf(t, cfg)
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	if again := bytesOf(t, cfg); !bytes.Equal(first, again) {
		t.Error("another result with one processor")
	}
	cfg.Seed++
	if other := bytesOf(t, cfg); bytes.Equal(first, other) {
		t.Error("the same result with another seed")
	}
}

func TestALockThatDoesNotExcludeIsAnError(t *testing.T) {
	cfg := cell(t, "tas")
	cfg.Lock.Lock = func(*spinlock.Word, *paravirt.CPU) {}
	if _, _, err := Run(context.Background(), cfg); err == nil ||
		!strings.Contains(err.Error(), "not alone") {
		t.Errorf("got %v", err)
	}
}

func TestAFatalTextIsAnError(t *testing.T) {
	cfg := cell(t, "tas")
	cfg.Lock.Unlock = func(_ *spinlock.Word, c *paravirt.CPU) { c.Fatal("that's it") }
	if _, _, err := Run(context.Background(), cfg); err == nil ||
		!strings.Contains(err.Error(), "that's it") {
		t.Errorf("got %v", err)
	}
}

func TestALostWakeupStalls(t *testing.T) {
	cfg := cell(t, "pvticket")
	cfg.Spin = ptr(uint32(10))
	// and kicks nobody
	cfg.Lock.Unlock = func(w *spinlock.Word, c *paravirt.CPU) { c.Add16(w.Half(0), 2) }
	if r := run(t, cfg); !r.Stalled {
		t.Errorf("%d acquisitions, and not stalled", r.Acquisitions)
	}
	cfg.Lock = kind(t, "pvticket")
	if r := run(t, cfg); r.Stalled {
		t.Error("stalled, and all is well")
	}
}

func TestCancelledRunEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	cfg := cell(t, "tas")
	cfg.Duration = time.Hour
	if _, _, err := Run(ctx, cfg); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestBadParametersAreRefused(t *testing.T) {
	for want, change := range map[string]func(*Config){
		"no lock":                    func(c *Config) { c.Lock = spinlock.Kind{} },
		"unknown kick choice":        func(c *Config) { c.Kick = "last" },
		"kick choice \"oldest\" for": func(c *Config) { c.Kick = KickOldest },
		"unknown scheduler":          func(c *Config) { c.Scheduler = "lottery" },
		"0 physical CPUs":            func(c *Config) { c.PCPUs = 0 },
		"4097 physical CPUs":         func(c *Config) { c.PCPUs = MaxPCPUs + 1 },
		"9 sockets":                  func(c *Config) { c.Sockets = 9 },
		"-1 vCPUs of other VMs":      func(c *Config) { c.Background = -1 },
		"ticks that debit":           func(c *Config) { c.TickDebit = true },
		"no VM":                      func(c *Config) { c.VMs = nil },
		"VM 0 has 0 vCPUs":           func(c *Config) { c.VMs[0].VCPUs = 0 },
		"for at most 16383 vCPUs":    func(c *Config) { c.VMs[0].VCPUs = 20000 },
		"want at most 16383 in all": func(c *Config) {
			c.VMs = []VM{{VCPUs: 9000}, {VCPUs: 9000}}
		},
		"for at most 32 vCPUs": func(c *Config) {
			c.Lock, c.VMs[0].VCPUs = kind(t, "xen2008text"), 33
		},
		"VM 0 yields":               func(c *Config) { c.VMs[0].Yield = 10 * time.Millisecond },
		"has weight":                func(c *Config) { c.VMs[0].Weight = -1 },
		"runs the 8 vCPUs":          func(c *Config) { c.Gang = true },
		"co-scheduling goes round":  func(c *Config) { c.Gang, c.Scheduler = true, Fair },
		"co-scheduling is of vCPUs": func(c *Config) { c.Gang, c.Threads = true, 3 },
		"slice of -1ns":             func(c *Config) { c.Slice = -1 },
		"slice of 2s":               func(c *Config) { c.Slice = 2 * time.Second },
		"slice of the guest":        func(c *Config) { c.Threads, c.GuestSlice = 3, -1 },
		"-1 threads":                func(c *Config) { c.Threads = -1 },
		"the world stops":           func(c *Config) { c.StopTheWorld = time.Second },
		"critical section of -1ns":  func(c *Config) { c.Critical = -1 },
		"time between critical":     func(c *Config) { c.Think = time.Minute },
		"duration of 0s":            func(c *Config) { c.Duration = 0 },
		"warm-up":                   func(c *Config) { c.Warmup = -1 },
		"timeline":                  func(c *Config) { c.Timeline = -1 },
		"cost pause of 0 ns":        func(c *Config) { c.Costs.Pause = 0 },
		"cost socket of -1 ns":      func(c *Config) { c.Costs.Socket = -1 },
		"cost slice of 0 ns":        func(c *Config) { c.Costs.Slice = 0 },
	} {
		cfg := cell(t, "tas")
		change(&cfg)
		_, _, err := Run(context.Background(), cfg)
		switch {
		case err == nil:
			t.Errorf("%s: no error", want)
		case !strings.Contains(err.Error(), want):
			t.Errorf("got %q, want something with %q", err, want)
		case strings.Contains(err.Error(), "\n"):
			t.Errorf("more than a line: %q", err)
		}
	}
}

// Of all pairs of accesses by two CPUs, what the coherence model charges.
func TestALineCostsWhatItsPlaceSays(t *testing.T) {
	cfg := cell(t, "tas")
	cfg.PCPUs, cfg.Sockets = 4, 2
	c := cfg.Costs
	e, err := newEngine(context.Background(), &cfg)
	if err != nil {
		t.Fatal(err)
	}
	task := func(cpu int32) *task {
		x := e.vms[0].tasks[cpu]
		x.cpu = cpu
		return x
	}
	e.now = 1000
	step := func(what string, got, want int64) {
		t.Helper()
		if got-e.now != want {
			t.Errorf("%s takes %d ns, want %d", what, got-e.now, want)
		}
		e.now += 10_000
	}
	step("a locked instruction, first", e.write(task(0), 1, true), c.Socket+c.Hit+c.Locked)
	step("and again", e.write(task(0), 1, true), c.Hit+c.Locked)
	step("a load on the socket", e.read(task(1), 1), c.Socket+c.Hit)
	step("and again", e.read(task(1), 1), c.Hit)
	step("a load from the other", e.read(task(2), 1), c.Remote+c.Hit)
	step("a store is buffered", e.write(task(3), 1, false), c.Hit)
	e.now -= 10_000
	step("and a locked instruction waits for it", e.write(task(3), 2, true)-c.Remote,
		c.Hit+c.Socket+c.Hit+c.Locked)
	e.now += 100
	first := e.read(task(0), 3)
	step("the second one queues up", e.read(task(1), 3), first-e.now+c.Socket)
}

func TestTheFirstEventIsTheLeast(t *testing.T) {
	const n = 50
	q := newQueue(n)
	want := make(map[int32]int64)
	r := arch.NewRand(3, 0)
	for range 20000 {
		a := int32(r.Below(n))
		switch r.Below(4) {
		case 0:
			q.remove(a)
			delete(want, a)
		case 1:
			if q.min() == never {
				break
			}
			least := never
			for a, at := range want {
				least = min(least, key(at, a))
			}
			if got := q.pop(); got != least {
				t.Fatalf("popped %x, want %x", got, least)
			}
			delete(want, int32(least&(maxActors-1)))
		default:
			want[a] = int64(r.Below(1000))
			q.set(a, want[a])
		}
		if len(q.keys) != len(want) {
			t.Fatalf("%d events, want %d", len(q.keys), len(want))
		}
	}
}

// BenchmarkEvents says how many events a second the engine executes: a simulated millisecond of 64
// vCPUs on 16 physical CPUs.
func BenchmarkEvents(b *testing.B) {
	for _, lock := range []string{"ticket", "xen", "pvqspin"} {
		b.Run(lock, func(b *testing.B) {
			cfg := cell(b, lock)
			cfg.PCPUs, cfg.VMs, cfg.Slice = 16, []VM{{VCPUs: 64}}, 3*time.Millisecond
			cfg.Duration, cfg.Warmup = time.Duration(b.N)*time.Millisecond, 0
			r := run(b, cfg)
			b.ReportMetric(float64(r.Events)/b.Elapsed().Seconds(), "events/s")
			b.ReportMetric(float64(r.Acquisitions)/float64(b.N), "acquisitions/ms")
		})
	}
}
