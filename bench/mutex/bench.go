// Package mutex measures pvlock.Mutex beside sync.Mutex.
package mutex

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"time"

	"example.com/pvlock/host"
	"example.com/pvlock/internal/arch"
	"example.com/pvlock/result"
)

// Schema is the schema of the files.
const Schema = "pvlock/mutex/1"

// Config says what to measure.
type Config struct {
	// Groups are names of Groups; none means all.
	Groups []string
	// All takes every cell of a group, and not a choice.
	All bool
	// Match, if not empty, takes only cells whose name contains it.
	Match string
	// Duration is how long each mutex is measured, in each round of each cell, twice: without a clock, for the throughput, and
	// with one, for the waits.
	Duration time.Duration
	// Rounds is how often. In each round all mutexes have a turn.
	Rounds int
	// Hog starts a process that is busy until stopped.
	Hog func() (stop func(), err error)
}

// Check says what is wrong with the configuration.
func (cfg *Config) Check() error {
	if cfg.Duration < time.Millisecond {
		return fmt.Errorf("--duration %v: want at least 1ms", cfg.Duration)
	}
	if cfg.Rounds < 1 {
		return fmt.Errorf("--rounds %d: want at least 1", cfg.Rounds)
	}
	for _, g := range cfg.Groups {
		if len(Cells(g, true)) == 0 {
			return fmt.Errorf("unknown group %q: want one of %s", g, strings.Join(Groups(), ", "))
		}
	}
	if len(cfg.cells()) == 0 {
		return fmt.Errorf("--match %q: no cell's name contains that", cfg.Match)
	}
	return nil
}

func (cfg *Config) cells() []Cell {
	groups := cfg.Groups
	if len(groups) == 0 {
		groups = Groups()
	}
	var cells []Cell
	for _, g := range groups {
		for _, c := range Cells(g, cfg.All) {
			if strings.Contains(c.Name, cfg.Match) {
				cells = append(cells, c)
			}
		}
	}
	return cells
}

// Result is what was measured.
type Result struct {
	Schema  string      `json:"schema"`
	Host    result.Host `json:"host"`
	Command []string    `json:"command"`
	Started time.Time   `json:"started"`
	Cells   []Measured  `json:"cells"`
}

// Measured is a cell and what was seen in it.
type Measured struct {
	Cell
	// Runs are of sync, pvlock and control, which is sync once more, in each round.
	Runs []Run `json:"runs"`
}

// Run is one mutex, in one round.
type Run struct {
	Mutex string `json:"mutex"`
	Round int    `json:"round"`
	// Seconds and Acquisitions are of the window without a clock: NanosPerOp and CPUPerOp are wall-clock and CPU time per
	// acquisition in it.
	Seconds      float64 `json:"seconds"`
	Acquisitions uint64  `json:"acquisitions"`
	NanosPerOp   float64 `json:"ns_per_op"`
	CPUPerOp     float64 `json:"cpu_ns_per_op"`
	Jain         float64 `json:"jain"`
	// Waits is the quantiles of the waits in the window with a clock, TimedAcquisitions how many they are of.
	Waits             result.Latency `json:"waits_ns"`
	TimedAcquisitions uint64         `json:"timed_acquisitions"`
	// Violations is how many updates were lost.
	Violations uint64 `json:"violations"`
}

// The mutexes, in the order of their turns.
const (
	Sync    = "sync"
	Pvlock  = "pvlock"
	Control = "control"
)

var kinds = []struct {
	name string
	make func(n int) mutexes
}{{Sync, newSync}, {Pvlock, newPvlock}, {Control, newSync}}

// Progress says how far a bench is.
type Progress struct {
	Done, Cells int
	Cell        Cell
	Round       int
}

// Execute measures; when ctx is done it stops cleanly, and returns what was measured so far.
func Execute(ctx context.Context, cfg Config, command []string, progress func(Progress)) (*Result, error) {
	if err := cfg.Check(); err != nil {
		return nil, err
	}
	arch.Calibrate()
	facts, _ := host.Collect()
	r := &Result{Schema: Schema, Command: command, Started: time.Now(), Host: result.Host{
		CPU: facts.CPUModel, CPUs: facts.NumCPUs, Hypervisor: facts.Hypervisor.Name, Kernel: facts.Kernel,
		GOOS: runtime.GOOS, GOARCH: runtime.GOARCH, Go: runtime.Version(), GOMAXPROCS: facts.GOMAXPROCS,
		QuotaCPUs: facts.Quota.CPUs, PauseNanos: arch.PauseNanos(),
	}}
	cells := cfg.cells()
	for i := range cells {
		r.Cells = append(r.Cells, Measured{Cell: cells[i]})
	}
	// Rounds are outermost, so that a drift of the machine hits all cells alike.
	hogs := hogs{start: cfg.Hog}
	defer hogs.set(0)
	for round := 1; round <= cfg.Rounds; round++ {
		for i := range r.Cells {
			m := &r.Cells[i]
			if progress != nil {
				progress(Progress{(round-1)*len(cells) + i, cfg.Rounds * len(cells), m.Cell, round})
			}
			if err := hogs.set(m.Hogs); err != nil {
				return r, err
			}
			// The order changes from round to round: who is first has no advantage.
			for turn := range kinds {
				kind := kinds[(turn+round)%len(kinds)]
				if ctx.Err() != nil {
					return r, nil
				}
				m.Runs = append(m.Runs, m.run(ctx, kind.name, kind.make, round, cfg.Duration))
			}
		}
	}
	return r, nil
}

func (m *Measured) run(ctx context.Context, name string, kind func(n int) mutexes, round int, d time.Duration) Run {
	w := measure(&m.Cell, kind, d, false, ctx.Done())
	r := Run{Mutex: name, Round: round, Seconds: w.seconds, Jain: result.Jain(w.ops), Violations: w.lost}
	for _, n := range w.ops {
		r.Acquisitions += n
	}
	if r.Acquisitions > 0 {
		r.NanosPerOp = w.seconds * 1e9 / float64(r.Acquisitions)
		r.CPUPerOp = w.cpu * 1e9 / float64(r.Acquisitions)
	}
	if m.Group == Contended || m.Group == Hogs || m.Group == Procs {
		w = measure(&m.Cell, kind, d, true, ctx.Done())
		r.Waits, r.TimedAcquisitions = w.latency(), w.total
		r.Violations += w.lost
	}
	return r
}

// hogs are the busy processes that run now.
type hogs struct {
	start func() (stop func(), err error)
	stops []func()
}

func (h *hogs) set(n int) error {
	for len(h.stops) > n {
		last := len(h.stops) - 1
		h.stops[last]()
		h.stops = h.stops[:last]
	}
	for len(h.stops) < n {
		stop, err := h.start()
		if err != nil {
			return fmt.Errorf("a busy process could not be started: %w", err)
		}
		h.stops = append(h.stops, stop)
	}
	return nil
}
