package thread_test

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/metrics"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"example.com/pvlock/internal/arch"
	"example.com/pvlock/machine"
	"example.com/pvlock/machine/goroutine"
	"example.com/pvlock/machine/thread"
	"example.com/pvlock/paravirt"
)

// mayUse returns the CPUs that this process may use.
func mayUse(t *testing.T) (cpus []int) {
	t.Helper()
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		t.Fatal(err)
	}
	for cpu := range 1024 {
		if set.IsSet(cpu) {
			cpus = append(cpus, cpu)
		}
	}
	return cpus
}

// tasks returns the state of each thread of this process whose name begins with a vCPU's.
func tasks(t *testing.T) (states map[string]string) {
	t.Helper()
	stats, err := filepath.Glob("/proc/self/task/*/stat")
	if err != nil {
		t.Fatal(err)
	}
	states = make(map[string]string)
	for _, stat := range stats {
		text, err := os.ReadFile(stat)
		if err != nil {
			continue // it has just ended
		}
		// pid (name) state …
		name, rest, _ := strings.Cut(string(text), ") ")
		if _, name, _ = strings.Cut(name, "("); strings.HasPrefix(name, "spinlock") {
			states[name] = rest[:1]
		}
	}
	return states
}

// If GOMAXPROCS were not raised Go would run as many as there are CPUs, and the
// kernel would have nothing to schedule.
func TestTheKernelSeesEveryVCPURunnable(t *testing.T) {
	const n = 8
	cpus := mayUse(t)[:1]
	m, err := thread.New(machine.Config{VCPUs: n, HostCPUs: cpus})
	if err != nil {
		t.Fatal(err)
	}
	var stop arch.U32
	seen := make(chan int, 1)
	_, err = m.Run(
		func() {
			go func() {
				most := 0
				defer func() {
					seen <- most
					arch.Core{}.Store32(&stop, 1)
				}()
				for deadline := time.Now().Add(30 * time.Second); most < n &&
					time.Now().Before(deadline); {
					running := 0
					for _, state := range tasks(t) {
						if state == "R" {
							running++
						}
					}
					most = max(most, running)
				}
			}()
		},
		func(c *paravirt.CPU) { c.SpinWhile32(&stop, 1, 0, arch.Forever) },
	)
	if err != nil {
		t.Fatal(err)
	}
	if got := <-seen; got != n {
		t.Errorf("the kernel saw %d vCPUs runnable at the same time, want %d", got, n)
	}
	if left := tasks(t); len(left) > 0 {
		t.Errorf("threads that are still vCPUs after the run: %v", left)
	}
}

func TestVCPUsStayOnTheirCPUs(t *testing.T) {
	cpus := mayUse(t)[:1]
	m, err := thread.New(machine.Config{VCPUs: 3, HostCPUs: cpus})
	if err != nil {
		t.Fatal(err)
	}
	masks := make([]string, 3)
	if _, err := m.Run(func() {}, func(c *paravirt.CPU) {
		var set unix.CPUSet
		if err := unix.SchedGetaffinity(0, &set); err == nil && set.Count() == 1 &&
			set.IsSet(cpus[0]) {
			masks[c.ID()] = "confined"
		}
	}); err != nil {
		t.Fatal(err)
	}
	for i, mask := range masks {
		if mask != "confined" {
			t.Errorf("vCPU %d is not confined to CPU %d", i, cpus[0])
		}
	}
}

func TestGOMAXPROCSIsPutBack(t *testing.T) {
	before := runtime.GOMAXPROCS(0)
	m, err := thread.New(machine.Config{VCPUs: before + 5, HostCPUs: mayUse(t)})
	if err != nil {
		t.Fatal(err)
	}
	during := 0
	if _, err := m.Run(func() { during = runtime.GOMAXPROCS(0) },
		func(*paravirt.CPU) {}); err != nil {
		t.Fatal(err)
	}
	if during < before+5 {
		t.Errorf("GOMAXPROCS was %d while %d vCPUs ran", during, before+5)
	}
	if after := runtime.GOMAXPROCS(0); after != before {
		t.Errorf("GOMAXPROCS is %d after the run, was %d before", after, before)
	}
}

// Go chooses GOMAXPROCS by itself until somebody says a number. Whether it does is seen by what the
// call that tells it to costs: nothing if it did already, else a pause.
func TestGoChoosesGOMAXPROCSAgainAfterARun(t *testing.T) {
	pauses := func() (n uint64) {
		sample := []metrics.Sample{{Name: "/sched/pauses/total/other:seconds"}}
		metrics.Read(sample)
		for _, count := range sample[0].Value.Float64Histogram().Counts {
			n += count
		}
		return n
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	for name, make := range map[string]func(machine.Config) (machine.Machine, error){
		"threads": func(cfg machine.Config) (machine.Machine, error) { return thread.New(cfg) },
		"goroutines": func(cfg machine.Config) (machine.Machine, error) {
			return goroutine.New(cfg)
		},
	} {
		runtime.SetDefaultGOMAXPROCS()
		m, err := make(machine.Config{VCPUs: 5, HostCPUs: mayUse(t)[:1]})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := m.Run(func() {}, func(*paravirt.CPU) {}); err != nil {
			t.Fatal(err)
		}
		before := pauses()
		if runtime.SetDefaultGOMAXPROCS(); pauses() != before {
			t.Errorf("%s: after the run the runtime no longer chooses GOMAXPROCS", name)
		}
	}
}

func TestUsageIsThatOfTheVCPUs(t *testing.T) {
	m, err := thread.New(machine.Config{VCPUs: 2, HostCPUs: mayUse(t)})
	if err != nil {
		t.Fatal(err)
	}
	const work = 20 * time.Millisecond
	usage, err := m.Run(func() {}, func(c *paravirt.CPU) { c.Work(arch.WorkUnits(work)) })
	if err != nil {
		t.Fatal(err)
	}
	// Half, because a thread's time is kept in ticks on some kernels and a frequency may change.
	if usage.CPU < work {
		t.Errorf("two vCPUs that worked %v each used %v", work, usage.CPU)
	}
}

func TestACPUThatThisProcessMayNotUseIsRefused(t *testing.T) {
	const absent = 1000
	_, err := thread.New(machine.Config{VCPUs: 1, HostCPUs: []int{absent}})
	if err == nil || !strings.Contains(err.Error(), fmt.Sprint(absent)) {
		t.Errorf("CPU %d: error %v, want one that names it", absent, err)
	}
}

func TestAMachineThatCantBindRunsNothing(t *testing.T) {
	cfg := machine.Config{VCPUs: 0, HostCPUs: mayUse(t)}
	if _, err := thread.New(cfg); err == nil {
		t.Error("a machine without vCPUs was made")
	}
}

func TestACPUThatIsTakenAwayEndsTheRunWithAnError(t *testing.T) {
	cpus := mayUse(t)
	if len(cpus) < 2 {
		t.Skip("SKIP: it needs two CPUs, so that one can be taken away")
	}
	for name, c := range map[string]struct {
		on, left []int
		want     string
	}{
		"fewer":  {cpus[:2], cpus[:1], fmt.Sprintf("CPU %d was taken away", cpus[1])},
		"other":  {cpus[:1], cpus[1:2], fmt.Sprintf("CPU %d was taken away", cpus[0])},
		"more":   {cpus[:1], cpus[:2], "the affinity of a thread was changed"},
		"all":    {cpus[:2], cpus[:2], ""},
		"a mask": {cpus[:1], cpus[:1], ""},
	} {
		t.Run(name, func(t *testing.T) {
			m, err := thread.New(machine.Config{VCPUs: 3, HostCPUs: c.on})
			if err != nil {
				t.Fatal(err)
			}
			_, err = m.Run(func() {}, func(cpu *paravirt.CPU) {
				if cpu.ID() != 1 {
					return
				}
				var set unix.CPUSet
				for _, cpu := range c.left {
					set.Set(cpu)
				}
				if err := unix.SchedSetaffinity(0, &set); err != nil {
					t.Error(err)
				}
			})
			if (err == nil) != (c.want == "") ||
				err != nil &&
					(!strings.Contains(err.Error(), c.want) ||
						strings.Contains(err.Error(), "\n")) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}
