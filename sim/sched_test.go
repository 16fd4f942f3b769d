package sim

import (
	"context"
	"reflect"
	"runtime"
	"slices"
	"testing"
	"time"

	"example.com/pvlock/result"
)

var schedulers = []Scheduler{RoundRobin, Credit, Fair}

func TestSchedulersShareTheCPUByWeight(t *testing.T) {
	for _, s := range schedulers {
		cfg := cell(t, "tas")
		cfg.Scheduler, cfg.VMs, cfg.Background = s, []VM{{VCPUs: 4}}, 8
		cfg.Think, cfg.Warmup, cfg.Duration = 20*time.Microsecond, 200*time.Millisecond, time.Second
		want := 1.0 / 3
		if s != RoundRobin { // which knows no weights
			cfg.VMs[0].Weight = 2 * defaultWeight
			want = 0.5
		}
		if got := run(t, cfg).Values["cpu_share"]; !within(got, want, 1.07) {
			t.Errorf("%s: the VM has %.3f of the CPUs, want %.3f", s, got, want)
		}
	}
}

// What a vCPU had still to compute when it lost its CPU, it computes when it has it again.
func TestLosingTheCPUSavesNoComputation(t *testing.T) {
	for _, s := range schedulers {
		cfg := cell(t, "tas")
		cfg.Scheduler, cfg.VMs, cfg.Background = s, []VM{{VCPUs: 1}}, 7
		cfg.Think, cfg.Duration = 2*time.Millisecond, time.Second
		if got, want := run(t, cfg).
			Values["cpu_per_op_ns"], float64(cfg.Think); !within(got, want, 1.1) {
			t.Errorf("%s: an acquisition takes %.0f ns of CPU time, want the %.0f between two, "+
				"and little more", s, got, want)
		}
	}
}

// No CPU stands idle while somebody is ready.
func TestSchedulersAreWorkConserving(t *testing.T) {
	for _, s := range schedulers {
		for _, lock := range []string{"ticket", "xen", "pvqspin"} {
			cfg := cell(t, lock)
			cfg.Scheduler, cfg.Spin, cfg.Duration = s, ptr(uint32(100)), 50*time.Millisecond
			cfg.VMs[0].VCPUs, cfg.Background = 12, 3
			cfg.Timeline = cfg.Duration
			_, tl, err := Run(context.Background(), cfg)
			if err != nil {
				t.Fatal(err)
			}
			var idle int64
			for _, track := range tl.Tracks[:cfg.PCPUs] {
				for _, s := range track.Spans {
					if s.State == "idle" {
						idle += s.ToNanos - s.FromNanos
					}
				}
			}
			if idle > 0 {
				t.Errorf("%s, %s: CPUs are idle for %d ns while other VMs compute", s, lock, idle)
			}
		}
	}
}

// What a timeline shows: each CPU does one thing at a time; as many vCPUs run as CPUs are busy with
// them; and one holds the lock.
func TestATimelineIsWhatAHostCanDo(t *testing.T) {
	forAll(t, func(t *testing.T, cfg Config) {
		cfg.Timeline = 2 * time.Millisecond
		r, tl, err := Run(context.Background(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		cfg.Timeline = 0
		if without := run(t, cfg); !reflect.DeepEqual(r, without) {
			t.Errorf("to record it changes the result: %+v, want %+v", r, without)
		}
		type change struct {
			at                   int64
			busy, running, holds int
		}
		var changes []change
		add := func(s result.Span, c change) {
			c.at = s.FromNanos
			changes = append(changes, c)
			changes = append(changes, change{s.ToNanos, -c.busy, -c.running, -c.holds})
		}
		for _, track := range tl.Tracks {
			end := tl.FromNanos
			for _, s := range track.Spans {
				if s.FromNanos < end || s.ToNanos <= s.FromNanos || s.ToNanos > tl.ToNanos {
					t.Fatalf("%s: a span from %d to %d after %d", track.Name, s.FromNanos,
						s.ToNanos, end)
				}
				end = s.ToNanos
				var c change
				switch {
				case track.Kind == "pcpu" && s.State == "running" && s.Who[0] == 'V':
					c.busy = 1
				case track.Kind == "vcpu" &&
					(s.State == "running" || s.State == "spinning" || s.State == "holding"):
					c.running = 1
				}
				if s.State == "holding" {
					c.holds = 1
				}
				add(s, c)
			}
		}
		slices.SortStableFunc(changes, func(a, b change) int { return int(a.at - b.at) })
		var now change
		var shorter int64 // for how long less runs than CPUs are busy
		for i, c := range changes {
			if i > 0 && c.at > now.at {
				if now.running > now.busy {
					t.Fatalf("at %d %d vCPUs run, on %d CPUs", now.at, now.running, now.busy)
				}
				if now.holds > len(cfg.VMs) {
					t.Fatalf("at %d %d hold a lock, of %d", now.at, now.holds, len(cfg.VMs))
				}
				if now.running < now.busy {
					shorter += c.at - now.at
				}
			}
			now = change{c.at, now.busy + c.busy, now.running + c.running, now.holds + c.holds}
		}
		if !cfg.layered() && shorter > 0 {
			t.Errorf("for %d ns CPUs were busy with vCPUs that didn't run", shorter)
		}
	})
}

// Exits from pause loops let a queue of spinners go on.
func TestExitsSaveSpinners(t *testing.T) {
	for _, s := range schedulers {
		cfg := cell(t, "ticket")
		cfg.Scheduler, cfg.Warmup, cfg.Duration = s, 50*time.Millisecond, 100*time.Millisecond
		without := perOp(t, cfg)
		cfg.PLE = 256
		with := perOp(t, cfg)
		t.Logf("%s: without %.0f ns, with %.0f", s, without, with)
		if with > without/3 {
			t.Errorf("%s: with exits an acquisition takes %.0f ns, without %.0f", s, with, without)
		}
	}
}

// All of a VM together, or none: nobody waits for whom doesn't run.
func TestCoSchedulingLeavesNothingToWaitFor(t *testing.T) {
	cfg := cell(t, "ticket")
	cfg.Slice, cfg.Duration = 3*time.Millisecond, 60*time.Millisecond
	cfg.VMs = []VM{{VCPUs: 4}}
	alone := perOp(t, cfg)
	cfg.VMs = []VM{{VCPUs: 4}, {VCPUs: 4}, {VCPUs: 4}}
	cfg.Gang = true
	if got := perOp(t, cfg); !within(got, alone, 1.1) {
		t.Errorf("three VMs take %.0f ns for an acquisition, want the %.0f of one VM alone", got,
			alone)
	}
}

// The same collapse comes from each layer, in that layer's slices.
func TestEveryLayerTakesItsSlice(t *testing.T) {
	host := cell(t, "ticket")
	host.VMs[0].VCPUs, host.Slice, host.Warmup, host.Duration = 8, 2*time.Millisecond,
		100*time.Millisecond, 500*time.Millisecond
	guest := host
	guest.VMs = []VM{{VCPUs: 4}}
	guest.Threads, guest.GuestSlice = 8, 4*time.Millisecond
	golang := host
	golang.VMs = []VM{{VCPUs: 4}}
	golang.Goroutines = 8
	for _, x := range []struct {
		name  string
		cfg   Config
		slice time.Duration
	}{{"host", host, 2 * time.Millisecond}, {"guest", guest, 4 * time.Millisecond},
		{"Go", golang, goSlice}} {
		got, want := perOp(t, x.cfg), float64(x.slice)/4
		t.Logf("%s: %.0f ns", x.name, got)
		if !within(got, want, 1.7) {
			t.Errorf("%s: a hand-over takes %.0f ns, want about %.0f", x.name, got, want)
		}
	}
	// Each alone is not overcommitted; together they are.
	both := guest
	both.PCPUs = 2
	once, twice := perOp(t, guest), perOp(t, both)
	t.Logf("guest and host: %.0f ns", twice)
	if twice < once*1.3 {
		t.Errorf("a hand-over takes %.0f ns if only the guest is overcommitted, and %.0f if the "+
			"host is too", once, twice)
	}
}

// Every goroutine stops, and then for a while none runs.
func TestStoppingTheWorldCostsItsPauses(t *testing.T) {
	cfg := cell(t, "tas")
	cfg.VMs, cfg.Goroutines, cfg.Duration = []VM{{VCPUs: 4}}, 4, 50*time.Millisecond
	without := run(t, cfg).Values["ops_per_s"]
	cfg.StopTheWorld = time.Millisecond
	lost := 1 - run(t, cfg).Values["ops_per_s"]/without
	if lost < 0.03 || lost > 0.12 {
		t.Errorf("%.1f%% lost to pauses of 50 µs and a wake-up in each ms", lost*100)
	}
}

// The seed's "should mix up next cpu selection": if always the first that is found is kicked, those
// with high numbers wait.
func TestKickingTheOldestIsFairerThanTheFirst(t *testing.T) {
	cfg := cell(t, "xen2008")
	cfg.PCPUs, cfg.VMs[0].VCPUs, cfg.Spin = 4, 16, ptr(uint32(8))
	cfg.Critical, cfg.Think, cfg.Duration = 5*time.Microsecond, 5*time.Microsecond,
		300*time.Millisecond
	fairness := make(map[KickChoice]float64)
	for _, k := range []KickChoice{"", KickFirst, KickRotating, KickOldest} {
		cfg.Kick = k
		fairness[k] = run(t, cfg).Values["jain"]
	}
	t.Log(fairness)
	if fairness[""] != fairness[KickFirst] {
		t.Errorf("xen2008 kicks the first, and yet Jain's index is %v, not %v", fairness[KickFirst],
			fairness[""])
	}
	if fairness[KickOldest] <= fairness[KickFirst] ||
		fairness[KickRotating] <= fairness[KickFirst] {
		t.Errorf("Jain's index: first %.3f, rotating %.3f, oldest %.3f", fairness[KickFirst],
			fairness[KickRotating], fairness[KickOldest])
	}
}

func TestAThousandVCPUsFitIntoMemory(t *testing.T) {
	cfg := cell(t, "pvqspin")
	cfg.PCPUs, cfg.Sockets, cfg.VMs, cfg.Scheduler = 128, 2, []VM{{VCPUs: 1024}}, Fair
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	r := run(t, cfg)
	runtime.ReadMemStats(&after)
	if r.Acquisitions == 0 {
		t.Error("nothing happened")
	}
	if got := after.Sys - before.Sys; got > 256<<20 {
		t.Errorf("%d MB more of the system's memory, want far less than a gigabyte", got>>20)
	}
	if got := after.TotalAlloc - before.TotalAlloc; got > 512<<20 {
		t.Errorf("%d MB allocated in all", got>>20)
	}
}

// A vCPU that mostly sleeps doesn't wait for the slices of those that compute, where the scheduler
// knows wake-ups.
func TestWhoWakesDoesNotWaitForASlice(t *testing.T) {
	for _, s := range []Scheduler{Credit, Fair} {
		cfg := cell(t, "xen")
		cfg.Scheduler, cfg.Slice = s, 9*time.Millisecond
		cfg.PCPUs, cfg.VMs, cfg.Background = 1, []VM{{VCPUs: 1, Yield: 2 * time.Millisecond}}, 1
		cfg.Think, cfg.Warmup, cfg.Duration = 50*time.Microsecond, 200*time.Millisecond, time.Second
		// It sleeps from 2 ms after each tick until the next: so it has a fifth, if it never waits.
		share := run(t, cfg).Values["cpu_share"]
		t.Logf("%s: %.3f", s, share)
		if !within(share, 0.2, 1.15) {
			t.Errorf("%s: it has %.3f of the CPU, want 0.2", s, share)
		}
	}
}
