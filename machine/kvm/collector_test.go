//go:build linux && amd64 && !purego && !race

package kvm_test

import (
	"errors"
	"flag"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/metrics"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"example.com/pvlock/host"
	"example.com/pvlock/internal/arch"
	"example.com/pvlock/machine"
	"example.com/pvlock/machine/kvm"
	"example.com/pvlock/paravirt"
	"example.com/pvlock/spinlock"
	"example.com/pvlock/workload"
)

var hold = flag.Duration("hold", time.Second,
	"for how long a lock is driven under the collector and signals")

// Virtual CPUs run a lock while garbage is made and collected, the process is profiled, and every
// vCPU's thread is sent the runtime's preemption signal. What must hold is exclusion, and that
// nobody is lost.
//
// How long the collector waited for the world to stop is logged. So that it is the vCPUs that it
// waited for, and not itself for a CPU behind eight that never rest, all threads but the vCPUs' are
// given a higher priority, where that is permitted; what remains shows with as many loops of other
// processes in place of vCPUs. Threads, which run the lock in Go code and hold a P, are there to
// compare with.
func TestUnderTheCollectorAndSignals(t *testing.T) {
	if err := kvm.Probe(); err != nil {
		t.Skip(err)
	}
	for _, name := range []string{"xen", "pvqspin"} {
		for on, make := range map[string]func(machine.Config) (machine.Machine, error){"kvm": onKVM,
			"threads": onThreads} {
			t.Run(name+"/"+on, func(t *testing.T) { underSignals(t, kind(t, name), make) })
		}
	}
	t.Run("loops of other processes", func(t *testing.T) {
		for range vcpus {
			loop := exec.CommandContext(t.Context(), "sh", "-c", "while :; do :; done")
			if err := loop.Start(); err != nil {
				t.Skip(err)
			}
			defer loop.Wait()
			defer loop.Process.Kill()
		}
		calm := disturb(t)
		time.Sleep(*hold)
		calm()
	})
}

const vcpus = 8

func kind(t *testing.T, name string) spinlock.Kind {
	t.Helper()
	for _, k := range spinlock.Kinds() {
		if k.Name == name {
			return k
		}
	}
	t.Fatalf("no lock %s", name)
	return spinlock.Kind{}
}

func underSignals(t *testing.T, k spinlock.Kind, on func(machine.Config) (machine.Machine, error)) {
	const n = vcpus
	cpus, known := host.Collect().CPUs.Get()
	if !known {
		t.Skip("which CPUs this process may use isn't known here")
	}
	m, err := on(machine.Config{VCPUs: n, HostCPUs: cpus, Tunables: k.Tunables, Stats: true})
	if err != nil {
		t.Fatal(err)
	}
	arch.Calibrate()
	var (
		clients = make([]workload.Client, n)
		shared  = new(workload.Shared)
		ops     = &workload.Ops{Lock: k.Lock, Unlock: k.Unlock}
		params  = workload.Params{Critical: arch.WorkUnits(100), Think: arch.WorkUnits(500)}
		lost    = 0
		watched = make(chan struct{})
	)
	for i := range clients {
		clients[i].Init(params, i)
	}
	var calm func()
	_, err = m.Run(
		func() {
			calm = disturb(t)
			go func() {
				defer close(watched)
				end := time.Now().Add(*hold)
				var w workload.Watch
				for {
					time.Sleep(10 * time.Millisecond)
					if time.Now().After(end) {
						shared.Stop(arch.Core{})
					}
					switch w.Look(m.Paravirt(), clients) {
					case workload.Lost:
						lost++
						workload.Rescue(m.Paravirt(), clients)
					case workload.Finished:
						return
					}
				}
			}()
		},
		func(c *paravirt.CPU) { clients[c.ID()].Run(c, shared, ops) },
	)
	if err != nil {
		t.Fatal(err)
	}
	<-watched
	calm()
	var sum, violations uint64
	for i := range clients {
		sum += clients[i].Acquisitions.Value()
		violations += clients[i].Violations.Value()
	}
	first, second := shared.Entries(arch.Core{})
	if violations > 0 || first != uint32(sum) || second != uint32(sum) {
		t.Errorf("%d acquisitions, %d and %d updates, %d violations", sum, first, second,
			violations)
	}
	if lost > 0 {
		t.Errorf("%d lost wake-ups", lost)
	}
	t.Logf("%.1f million acquisitions", float64(sum)/1e6)
}

// disturb makes garbage, collects it, profiles the process and signals its threads, until what it
// returns is called; that logs how long the collector had to wait.
func disturb(t *testing.T) (stop func()) {
	t.Helper()
	if err := pprof.StartCPUProfile(io.Discard); err != nil {
		t.Fatal(err)
	}
	before := pauses()
	var (
		done        atomic.Bool
		workers     sync.WaitGroup
		collections runtime.MemStats
		signals     int
	)
	runtime.ReadMemStats(&collections)
	cycles := collections.NumGC
	workers.Go(func() {
		var keep [64][]*[256]byte
		for i := 0; !done.Load(); i++ {
			list := make([]*[256]byte, 1000)
			for j := range list {
				list[j] = new([256]byte)
			}
			keep[i%len(keep)] = list
			if i%20 == 0 {
				time.Sleep(time.Millisecond)
			}
		}
	})
	workers.Go(func() {
		for !done.Load() {
			for id, isVCPU := range threads() {
				priority := -20
				if isVCPU {
					priority = 0
					if unix.Tgkill(unix.Getpid(), id, unix.SIGURG) == nil {
						signals++
					}
				}
				_ = unix.Setpriority(unix.PRIO_PROCESS, id, priority)
			}
			time.Sleep(time.Millisecond)
		}
		for id := range threads() {
			_ = unix.Setpriority(unix.PRIO_PROCESS, id, 0)
		}
	})
	return func() {
		done.Store(true)
		workers.Wait()
		pprof.StopCPUProfile()
		runtime.ReadMemStats(&collections)
		total, over10, median, longest := since(before, pauses())
		t.Logf("%d collections, %d signals; %d stops of the world: median %v, longest %v, %d "+
			"over 10ms",
			collections.NumGC-cycles, signals, total, median, longest, over10)
	}
}

// threads returns the process's threads, and whether they are vCPUs, which is known by their names.
func threads() map[int]bool {
	ids := make(map[int]bool)
	names, _ := filepath.Glob("/proc/self/task/*")
	for _, name := range names {
		if comm, err := os.ReadFile(name + "/comm"); err == nil {
			if id, err := strconv.Atoi(filepath.Base(name)); err == nil {
				ids[id] = strings.HasPrefix(string(comm), "spinlock")
			}
		}
	}
	return ids
}

// pauses is how long it took to stop the world for the collector, ever: from the decision until
// the last P had stopped.
func pauses() *metrics.Float64Histogram {
	s := []metrics.Sample{{Name: "/sched/pauses/stopping/gc:seconds"}}
	metrics.Read(s)
	return s[0].Value.Float64Histogram()
}

// since says what happened between two readings, by the upper bounds of the buckets, of which there
// are a few to each power of two.
func since(before,
	after *metrics.Float64Histogram) (total, over10 uint64, median, longest time.Duration) {
	counts := slices.Clone(after.Counts)
	for i := range counts {
		counts[i] -= before.Counts[i]
		total += counts[i]
	}
	seen := uint64(0)
	for i, n := range counts {
		if n == 0 {
			continue
		}
		top := after.Buckets[i+1]
		if math.IsInf(top, 1) {
			top = after.Buckets[i]
		}
		longest = time.Duration(top * 1e9)
		if seen < (total+1)/2 {
			median = longest
		}
		seen += n
		if after.Buckets[i] >= 0.010 {
			over10 += n
		}
	}
	return total, over10, median, longest
}

// A vCPU that the kernel takes off its CPU must not keep a P to itself, or collections would wait
// for it. So in all that its thread does while the guest runs, exits included, it is in a system
// call, as far as the runtime knows.
func TestVCPUsHoldNoP(t *testing.T) {
	const n = 4
	m := newMachine(t, n)
	s := &[n / 2]scratch{}
	samples, wrong := 0, ""
	_, err := m.Run(
		func() {
			go func() {
				defer m.Stop()
				buf := make([]byte, 1<<20)
				for deadline := time.Now().Add(time.Minute); samples < 2000 && wrong == "" &&
					time.Now().Before(deadline); {
					inside := 0
					for stack := range strings.SplitSeq(string(buf[:runtime.Stack(buf, true)]),
						"\n\n") {
						if !strings.Contains(stack, "kvm.(*vcpu).guest") {
							continue
						}
						inside++
						if state, _, _ := strings.Cut(stack, "\n"); !strings.Contains(state,
							"[syscall") {
							wrong = state
						}
					}
					if inside == n {
						samples++
					}
				}
			}()
		},
		func(c *paravirt.CPU) { passes(c, s[c.ID()/2].cell.Byte(0), math.MaxInt) },
	)
	if !errors.Is(err, kvm.ErrStopped) {
		t.Error(err)
	}
	if wrong != "" || samples < 2000 {
		t.Errorf("%d samples, the last of which found a vCPU in %q", samples, wrong)
	}
}
