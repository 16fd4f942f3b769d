package report

import (
	"fmt"
	"math"
	"time"

	"example.com/pvlock/result"
	"example.com/pvlock/spinlock"
)

var sampleHost = result.Host{
	CPU: "Some CPU @ 2.60GHz", CPUs: 2, Hypervisor: "KVM", Kernel: "6.18.44", GOOS: "linux",
	GOARCH: "amd64", Go: "go1.26.8",
	GOMAXPROCS: 2, PauseNanos: 15.25, Steal: &result.Steal{BeforeNanos: 10, AfterNanos: 3_000_000},
}

var sampleTime = time.Date(2026, 11, 22, 2, 30, 0, 0, time.UTC)

// wobble is a number from 0.9 to 1.1 that looks like noise.
func wobble(i int) float64 { return 1 + 0.1*math.Sin(float64(i)*12.9898) }

// sampleBench is what a default bench writes: all locks, three overcommits, five rounds.
func sampleBench() *result.Bench {
	b := &result.Bench{Host: sampleHost, Command: []string{"pvlock", "bench"}, Started: sampleTime}
	for round := 1; round <= 5; round++ {
		for _, over := range []int{1, 2, 4} {
			for _, k := range spinlock.Kinds() {
				b.Runs = append(b.Runs,
					sampleRun(k.Name, over, round, k.Fair && k.Name != "pvqspin"))
			}
			for _, peer := range peers {
				r := sampleRun(peer, over, round, false)
				r.Peer = true
				b.Runs = append(b.Runs, r)
			}
		}
	}
	return b
}

func sampleRun(lock string, over, round int, collapses bool) result.Run {
	i := round*100 + over*10 + len(lock)
	ops := 3e6 * wobble(i)
	if collapses && over > 1 {
		ops = 300 * wobble(i)
	}
	total := uint64(ops / 5)
	r := result.Run{
		Lock: lock, Machine: "threads", CPUs: 2, VCPUs: 2 * over, Overcommit: float64(over),
		CSNanos: 100, NCSNanos: 500, Round: round, Seconds: 0.2,
		Acquisitions: total, AcquisitionsTotal: total + 10, OpsPerSecond: ops,
		Jain: 0.95 * math.Min(1, wobble(i)), CPUSeconds: 0.4,
		Latency: result.Latency{P50: uint64(100 * wobble(i)), P99: uint64(20_000 * wobble(i)),
			P999: uint64(5e6 * wobble(i)), Max: uint64(6e7 * wobble(i))},
		Contended: total / 5, Blocked: total / 1000, Counters: map[string]uint64{},
		SpinRounds: make([]uint64, 33),
	}
	for b := range 18 {
		r.SpinRounds[b] = r.Contended / uint64(1+(b-4)*(b-4)*2)
	}
	if lock == "sync.Mutex" {
		r.Contended, r.Blocked, r.SpinRounds = 0, 0, make([]uint64, 33)
	}
	return r
}

// sampleSim is a sweep of two locks, one of them with two budgets, and a timeline.
func sampleSim() *result.Sim {
	s := &result.Sim{
		Command: []string{"pvlock", "sim", "--experiment", "overcommit"}, Experiment: "overcommit",
		About: "Fair locks stand still when the next waiter has no CPU", Seed: 1,
		Costs: map[string]int64{"hit": 1, "kick": 2600}, CostsFrom: "defaults",
		Shard: result.Shard{Index: 1, Of: 1},
		Plots: []result.Plot{
			{Title: "Throughput of 32 vCPUs",
				X: result.Axis{Value: "overcommit", Label: "overcommit", Log: true},
				Y: result.Axis{Value: "ops_per_s", Label: "acquisitions", Unit: "1/s", Log: true}},
			{Title: "Longest wait",
				X: result.Axis{Value: "spin", Label: "budget, rounds", Log: true,
					Marks: []result.Mark{{At: 1024, Label: "2^10"}}},
				Y: result.Axis{Value: "max", Label: "longest wait", Unit: "ns", Log: true,
					Marks: []result.Mark{{At: 3e6, Label: "a slice"}}}},
			{Title: "By scheduler", X: result.Axis{Value: "scheduler", Label: "scheduler"},
				Y: result.Axis{Value: "jain", Label: "Jain's index"}},
		},
	}
	for _, series := range [][3]string{{"ticket", "ticket", "0"}, {"xen 2^10", "xen", "1024"},
		{"xen 2^16", "xen", "65536"}, {"pvqspin", "pvqspin", "32768"}} {
		for i, over := range []float64{1, 1.5, 2, 4, 8} {
			ops := 3e6 / (1 + over)
			if series[1] == "ticket" && over > 1 {
				ops = 0
			}
			s.Runs = append(s.Runs, result.SimRun{
				Cell: len(s.Runs), Series: series[0], Lock: series[1],
				Scheduler: []string{"rr", "credit", "fair"}[i%3],
				Setting:   map[string]string{"spin": series[2]},
				PCPUs:     4, VCPUs: int(4 * over), VMs: 1, CSNanos: 100, NCSNanos: 500, Nanos: 1e9,
				Events: 1e6, Acquisitions: uint64(ops),
				Latency: result.Latency{P50: 100, P99: 1000, P999: 10_000, Max: uint64(1e6 * over)},
				Values: map[string]float64{"overcommit": over, "ops_per_s": ops,
					"jain": 1 - 0.05*over}, Counters: map[string]uint64{}, SpinRounds: []uint64{},
				Stalled: ops == 0,
			})
		}
	}
	s.Cells = len(s.Runs)
	s.Timelines = []result.Timeline{sampleTimeline()}
	return s
}

// sampleTimeline is two CPUs that four vCPUs share.
func sampleTimeline() result.Timeline {
	t := result.Timeline{Title: "xen, 4 vCPUs on 2 CPUs", FromNanos: 1e9, ToNanos: 1e9 + 12e6}
	for p := range 2 {
		track := result.Track{Name: fmt.Sprintf("pCPU %d", p), Kind: "pcpu"}
		for i := range int64(4) {
			track.Spans = append(track.Spans,
				result.Span{FromNanos: 1e9 + i*3e6, ToNanos: 1e9 + (i+1)*3e6,
					State: []string{"running", "idle"}[i/3],
					Who:   fmt.Sprintf("vCPU %d", (i+int64(p))%4)})
		}
		t.Tracks = append(t.Tracks, track)
	}
	for v := range 4 {
		track := result.Track{Name: fmt.Sprintf("vCPU %d", v), Kind: "vcpu"}
		for i := range int64(24) {
			track.Spans = append(track.Spans,
				result.Span{FromNanos: 1e9 + i*5e5, ToNanos: 1e9 + (i+1)*5e5,
					State: []string{"running", "spinning", "holding", "preempted",
						"blocked"}[(int(i)*(v+1)+v)%5]})
		}
		t.Tracks = append(t.Tracks, track)
	}
	t.Flows = []result.Flow{{From: 2, To: 4, AtNanos: 1e9 + 2e6, WokenNanos: 1e9 + 3e6},
		{From: 5, To: 2, AtNanos: 1e9 + 8e6, WokenNanos: 1e9 + 8.4e6}}
	return t
}

func sampleTorture() *result.Torture {
	t := &result.Torture{Host: sampleHost, Command: []string{"pvlock", "torture"},
		Started: sampleTime, Seed: 7}
	for i, lock := range []string{"busted", "xen2008", "xen", "pvqspin"} {
		for _, machine := range []string{"threads", "goroutines"} {
			r := result.TortureRun{
				Lock: lock, Machine: machine, CPUs: 2, VCPUs: 8, Seconds: 30,
				Torments: []string{"long holds", "TryLock", "signals"}, Acquisitions: 1e7,
				Slow:      uint64(2e6 + 1e5*i),
				TryFailed: 1e5, Unlocks: 1e7, LongestWaitNanos: int64(2e7 * (i + 1)),
				Counters: map[string]uint64{}, Expected: i < 2,
			}
			if i == 0 {
				r.Findings = []result.TortureFinding{
					{Kind: "exclusion", AtSeconds: 0.01,
						Text: "two vCPUs were inside at the same time"}}
			}
			if i == 1 {
				r.LostWakeups, r.Findings = 12,
					[]result.TortureFinding{
						{Kind: "lost wake-up", AtSeconds: 3,
							Text: "vCPU 3 slept although the lock was free"}}
			}
			t.Runs = append(t.Runs, r)
		}
	}
	return t
}

func sampleCheck() *result.Check {
	lost := &result.CheckFinding{
		Violation: result.Violation{Kind: "lost wake-up",
			Text: "nobody wakes anybody any more: CPU 1 waits for its channel"}, Steps: 3,
		Rows: []result.CheckRow{
			{CPU: 0, Site: "spinlock/xen2008.go:41", Func: "Unlock", What: "lock.locked = 0",
				Buffers: []string{"lock.locked=0", ""}, Locks: []string{"00000001"}},
			{CPU: 1, Site: "spinlock/xen2008.go:77", Func: "slow", What: "lock.spinners += 1, is 1",
				Buffers: []string{"lock.locked=0", ""}, Locks: []string{"00000101"},
				Pending: []int{1}},
			{CPU: 1, What: "poll", Buffers: []string{"", ""}, Locks: []string{"00000100"}},
		},
	}
	clean := &result.Exploration{Lock: "xen", Client: "2 CPUs, 2 times each", Model: "tso",
		Complete: true, States: 123456, Depth: 80, Seconds: 1.5, Buffer: 4}
	bad := &result.Exploration{Lock: "xen2008", Client: "2 CPUs, 2 times each", Model: "tso",
		States: 2345, Depth: 30, Seconds: 0.1, Finding: lost}
	return &result.Check{
		Command: []string{"pvlock", "check"},
		Runs: []*result.Exploration{clean, bad,
			{Lock: "pvqspin", Client: "3 CPUs", Model: "tso", Bound: "2048 MB of memory",
				States: 9e6}},
		Scenarios: []result.CheckScenario{
			{Name: "lost-wakeup-2008", About: "The unlock's plain store and load",
				Want: "lost wake-up", Found: bad, Clean: []*result.Exploration{clean}, Held: true}},
		Necessity: []result.LockNeeds{{Lock: "xen", Needs: []result.Need{
			{At: "spinlock/xen.go:50", Text: "c.Add32(l.whole(), 1)", Change: "load and store",
				Breaks: "two holders", Client: "2 CPUs, 2 times each", Steps: 9},
			{At: "spinlock/xen.go:61", Text: "c.Fence()", Change: "dropped", Complete: true},
			{At: "spinlock/xen.go:70", Text: "c.Load8(&l.spinners)", Change: "skipped",
				Cut: []string{"3 CPUs: 20000 states"}},
		}}},
		Unseen: []string{"a fault of the compiler"},
	}
}

func sampleMutexes() *result.Mutexes {
	m := &result.Mutexes{Host: sampleHost, Command: []string{"pvlock", "bench", "mutex"},
		Started: sampleTime}
	for i, name := range []string{"empty", "two lines", "hogs=4 g=100 cs=10µs ncs=10µs",
		"g=2 cs=100ns ncs=0s"} {
		c := result.MutexMeasured{
			MutexCell: result.MutexCell{Group: []string{"alone", "contended"}[i/2], Name: name,
				Procs: 2, Goroutines: 1 + i, Mutexes: 1}}
		for round := 1; round <= 7; round++ {
			for k, mutex := range []string{result.MutexSync, result.MutexPvlock,
				result.MutexControl} {
				nanos := []float64{16, 9, 16.2}[k] * wobble(round*7+k+i)
				c.Runs = append(c.Runs,
					result.MutexRun{Mutex: mutex, Round: round, Seconds: 0.1,
						Acquisitions: uint64(1e8 / nanos), NanosPerOp: nanos, CPUPerOp: nanos,
						Jain: 1})
			}
		}
		m.Cells = append(m.Cells, c)
	}
	return m
}

func sampleUnlocks() *result.Unlocks {
	return &result.Unlocks{Go: "go1.26.8", Rounds: 51, NoCounts: "no counters in this guest",
		Ways: []result.UnlockWay{
			{Name: "a store where it is called", PairNS: 6.08, UnlockNS: 0.05, PairToDirect: 1,
				CallerBytes: 54},
			{Name: "native, through the table", PairNS: 6.6, UnlockNS: 2.45, PairToDirect: 1.09,
				CallerBytes: 166, CallerStack: 8},
		}}
}

// samples are results of every kind.
func samples() []File {
	return []File{
		{"bench.json", sampleBench()}, {"sim.json", sampleSim()}, {"torture.json", sampleTorture()},
		{"check.json", sampleCheck()}, {"mutex.json", sampleMutexes()},
		{"unlock.json", sampleUnlocks()},
	}
}

// tracks is how many tracks the timelines of some files have.
func tracks(files []File) (n int) {
	for _, f := range files {
		if s, ok := f.Result.(*result.Sim); ok {
			for _, t := range s.Timelines {
				n += len(t.Tracks)
			}
		}
	}
	return n
}
