package sim

import (
	"fmt"
	"time"

	"example.com/pvlock/internal/twin/paravirt"
	"example.com/pvlock/internal/twin/spinlock"
)

// What fits. The numbers of CPUs and tasks are such that every one of them and its timer has a
// number of its own among the actors; the rest keeps times within the queue's 2^48 ns.
const (
	// MaxPCPUs is how many physical CPUs a host can have.
	MaxPCPUs = 4096
	// MaxVCPUs is how many vCPUs, threads and goroutines the guests can have together, each, and
	// how many vCPUs the others.
	MaxVCPUs = paravirt.MaxCPUs

	maxSection  = time.Second
	maxSlice    = time.Second
	maxDuration = time.Hour
	maxCost     = int64(time.Second)
)

// Slices of the schedulers, where none is given. The fair one's is a cost: it can be measured.
const (
	roundRobinSlice = 10 * time.Millisecond
	creditSlice     = 30 * time.Millisecond // Xen's
	guestSlice      = 3 * time.Millisecond  // a Linux guest's
	goSlice         = 10 * time.Millisecond // forcePreemptNS in Go's runtime/proc.go
	gangSlice       = 10 * time.Millisecond
)

// DefaultCosts returns costs of a server of a few years ago.
func DefaultCosts() Costs {
	return Costs{
		// A load from the first-level cache takes four or five cycles, which the CPU mostly hides.
		Hit: 1,
		// Core to core within a socket, and between two: David, Guerraoui and Trigonakis,
		// Everything You Always Wanted to Know About Synchronization (SOSP 2013), have 40–110 ns
		// and 100–300 ns.
		Socket: 60,
		Remote: 150,
		// A CPU looks 224 to 512 instructions ahead (the reorder buffers of Skylake to Golden
		// Cove), and a nanosecond of the workload's computation, a chain of multiplications, is
		// three.
		Overlap: 80,
		// Measured on an AMD EPYC: a locked instruction on a line that the CPU has, 6 ns; PAUSE,
		// 10–20 ns. (Intel's since Skylake takes 140 cycles, some 40 ns.)
		Locked: 6,
		Pause:  15,
		// A system call that wakes a thread on another CPU, by an interrupt between the two; a
		// hypercall that does it costs about the same. From there to the woken thread's first
		// instruction, 3–5 µs in all.
		Kick: 1500,
		Wake: 2500,
		// Into the kernel, off the run queue; and a switch of two threads (lmbench's lat_ctx: 1–3
		// µs).
		Block:  1000,
		Switch: 1500,
		// Two goroutines of a thread: gopark and schedule, without the kernel.
		GoSwitch: 200,
		// EEVDF's base slice is 2.8–3 ms on machines of 8 CPUs and more (kernel/sched/fair.c: 0.7
		// ms times one more than the logarithm of the CPUs).
		Slice: int64(3 * time.Millisecond),
	}
}

// Check returns an error if there can be no such run: it says what is wrong and what is allowed.
func (cfg *Config) Check() error {
	for _, check := range []func() error{cfg.checkLock, cfg.checkHost, cfg.checkGuests,
		cfg.checkTimes, cfg.Costs.check} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

func (cfg *Config) checkLock() error {
	if cfg.Lock.Lock == nil || cfg.Lock.Unlock == nil {
		return fmt.Errorf("no lock: want one of the catalogue")
	}
	switch cfg.Kick {
	case "":
	case KickFirst, KickRotating, KickOldest:
		if !kicksFirst(cfg.Lock) {
			return fmt.Errorf("kick choice %q for lock %s: only xen2008 and xen2008text take the "+
				"first waiter that they find", cfg.Kick, cfg.Lock.Name)
		}
	default:
		return fmt.Errorf("unknown kick choice %q: want %s, %s or %s", cfg.Kick, KickFirst,
			KickRotating, KickOldest)
	}
	return nil
}

func kicksFirst(k spinlock.Kind) bool { return k.Name == "xen2008" || k.Name == "xen2008text" }

func (cfg *Config) checkHost() error {
	switch cfg.Scheduler {
	case RoundRobin, Credit, Fair:
	default:
		return fmt.Errorf("unknown scheduler %q: want %s, %s or %s", cfg.Scheduler, RoundRobin,
			Credit, Fair)
	}
	switch {
	case cfg.PCPUs < 1 || cfg.PCPUs > MaxPCPUs:
		return fmt.Errorf("%d physical CPUs: want 1 to %d", cfg.PCPUs, MaxPCPUs)
	case cfg.Sockets < 0 || cfg.Sockets > cfg.PCPUs:
		return fmt.Errorf("%d sockets for %d physical CPUs: want 1 to %d", cfg.Sockets, cfg.PCPUs,
			cfg.PCPUs)
	case cfg.Background < 0 || cfg.Background > MaxVCPUs:
		return fmt.Errorf("%d vCPUs of other VMs: want 0 to %d", cfg.Background, MaxVCPUs)
	case cfg.TickDebit && cfg.Scheduler != Credit:
		return fmt.Errorf("ticks that debit are the credit scheduler's, not %s's", cfg.Scheduler)
	case cfg.Gang && cfg.layered():
		return fmt.Errorf("co-scheduling is of vCPUs without threads or goroutines on them")
	case cfg.Gang && cfg.Scheduler != RoundRobin:
		return fmt.Errorf("co-scheduling goes round: want scheduler %s with it, not %s", RoundRobin,
			cfg.Scheduler)
	}
	return nil
}

func (cfg *Config) layered() bool { return cfg.Threads > 0 || cfg.Goroutines > 0 }

func (cfg *Config) checkGuests() error {
	if len(cfg.VMs) == 0 {
		return fmt.Errorf("no VM: want at least 1")
	}
	vcpus, tasks := 0, 0
	for i, v := range cfg.VMs {
		n := cfg.tasks(v)
		switch {
		case v.VCPUs < 1:
			return fmt.Errorf("VM %d has %d vCPUs: want at least 1", i, v.VCPUs)
		case n > cfg.Lock.MaxCPUs:
			return fmt.Errorf("lock %s is for at most %d vCPUs, not the %d of VM %d", cfg.Lock.Name,
				cfg.Lock.MaxCPUs, n, i)
		case cfg.Gang && v.VCPUs > cfg.PCPUs:
			return fmt.Errorf("co-scheduling runs the %d vCPUs of VM %d together: want at least "+
				"as many physical CPUs, not %d", v.VCPUs, i, cfg.PCPUs)
		case v.Yield < 0 || v.Yield > 0 && v.Yield >= creditTick:
			return fmt.Errorf("VM %d yields after %v: want 0 (never) or less than a tick of %v", i,
				v.Yield, time.Duration(creditTick))
		case v.Yield > 0 && cfg.layered():
			return fmt.Errorf("VM %d yields, and has threads or goroutines: want one or the other",
				i)
		case v.Weight < 0 || v.Weight > 65535:
			return fmt.Errorf("VM %d has weight %d: want 1 to 65535, or 0 for %d", i, v.Weight,
				defaultWeight)
		}
		vcpus += v.VCPUs
		tasks += n
	}
	switch {
	case cfg.Threads < 0 || cfg.Goroutines < 0:
		return fmt.Errorf("%d threads and %d goroutines: want 0 (none) or more", cfg.Threads,
			cfg.Goroutines)
	case vcpus > MaxVCPUs || tasks > MaxVCPUs || cfg.Threads*len(cfg.VMs) > MaxVCPUs:
		return fmt.Errorf("%d vCPUs with %d threads or goroutines: want at most %d in all", vcpus,
			tasks, MaxVCPUs)
	case cfg.Goroutines > 0 && cfg.Threads == 0 && cfg.GuestSlice != 0:
		return fmt.Errorf("a guest's slice of %v, and no threads to share its vCPUs",
			cfg.GuestSlice)
	case cfg.StopTheWorld != 0 && cfg.Goroutines == 0:
		return fmt.Errorf("the world stops every %v, and there are no goroutines", cfg.StopTheWorld)
	}
	return nil
}

// tasks is how many contend for a VM's lock.
func (cfg *Config) tasks(v VM) int {
	switch {
	case cfg.Goroutines > 0:
		return cfg.Goroutines
	case cfg.Threads > 0:
		return cfg.Threads
	}
	return v.VCPUs
}

func (cfg *Config) checkTimes() error {
	for _, d := range []struct {
		what     string
		is       time.Duration
		from, to time.Duration
		zero     bool // is allowed beside the range
	}{
		{"slice", cfg.Slice, time.Microsecond, maxSlice, true},
		{"slice of the guest", cfg.GuestSlice, time.Microsecond, maxSlice, true},
		{"interval between two stops of the world", cfg.StopTheWorld, 100 * time.Microsecond,
			maxDuration, true},
		{"critical section", cfg.Critical, 0, maxSection, false},
		{"time between critical sections", cfg.Think, 0, maxSection, false},
		{"duration", cfg.Duration, time.Microsecond, maxDuration, false},
		{"warm-up", cfg.Warmup, 0, maxDuration, false},
		{"timeline", cfg.Timeline, 0, maxDuration, false},
	} {
		if d.zero && d.is == 0 {
			continue
		}
		if d.is < d.from || d.is > d.to {
			return fmt.Errorf("%s of %v: want %v to %v", d.what, d.is, d.from, d.to)
		}
	}
	return nil
}

func (c *Costs) check() error {
	for _, x := range []struct {
		name     string
		is, from int64
	}{
		{"hit", c.Hit, 0}, {"socket", c.Socket, 0}, {"remote", c.Remote, 0},
		{"overlap", c.Overlap, 0}, {"locked", c.Locked, 0},
		// A round of spinning takes time, and so does a switch: else there would be no end of them
		// in a moment.
		{"pause", c.Pause, 1}, {"kick", c.Kick, 0}, {"wake", c.Wake, 0}, {"block", c.Block, 0},
		{"switch", c.Switch, 1}, {"go_switch", c.GoSwitch, 1}, {"slice", c.Slice, 1000},
	} {
		if x.is < x.from || x.is > maxCost {
			return fmt.Errorf("cost %s of %d ns: want %d to %d", x.name, x.is, x.from, maxCost)
		}
	}
	return nil
}

func orElse(d, def time.Duration) int64 {
	if d == 0 {
		d = def
	}
	return d.Nanoseconds()
}
