// Package mutex measures pvlock.Mutex beside sync.Mutex.
package mutex

import (
	"context"
	"fmt"
	"strings"
	"time"

	"example.com/pvlock/result"
	"example.com/pvlock/rig"
)

// Config says what to measure.
type Config struct {
	// Groups are names of Groups; none means all.
	Groups []string
	// All takes every cell of a group, and not a choice.
	All bool
	// Match, if not empty, takes only cells whose name contains it.
	Match string
	// Duration is how long each mutex is measured, in each round of each cell, twice: without a
	// clock, for the throughput, and with one, for the waits. Cells of Collections take the time
	// that they take.
	Duration time.Duration
	// Rounds is how often. In each round all mutexes have a turn.
	Rounds int
	// Hog starts a process that is busy until stopped.
	Hog func() (stop func(), err error)
}

// Bounds of what can be asked for.
const (
	maxDuration = time.Hour
	maxRounds   = 10000
)

// Check says what is wrong with the configuration.
func (cfg *Config) Check() error {
	if cfg.Duration < time.Millisecond || cfg.Duration > maxDuration {
		return fmt.Errorf("--duration %v: want 1ms to %v", cfg.Duration, maxDuration)
	}
	if cfg.Rounds < 1 || cfg.Rounds > maxRounds {
		return fmt.Errorf("--rounds %d: want 1 to %d", cfg.Rounds, maxRounds)
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

func (cfg *Config) cells() []result.MutexCell {
	groups := cfg.Groups
	if len(groups) == 0 {
		groups = Groups()
	}
	var cells []result.MutexCell
	for _, g := range groups {
		for _, c := range Cells(g, cfg.All) {
			if strings.Contains(c.Name, cfg.Match) {
				cells = append(cells, c)
			}
		}
	}
	return cells
}

// kinds are the mutexes, in the order of their turns.
var kinds = []struct {
	name string
	make func(n int) mutexes
}{{result.MutexSync, newSync}, {result.MutexPvlock, newPvlock}, {result.MutexControl, newSync}}

// Progress says how far a bench is.
type Progress struct {
	Done, Cells int
	Cell        result.MutexCell
	Round       int
}

// Execute measures; when ctx is done it stops cleanly, and returns what was measured so far.
func Execute(ctx context.Context, cfg Config, command []string,
	progress func(Progress)) (*result.Mutexes, error) {
	if err := cfg.Check(); err != nil {
		return nil, err
	}
	r := &result.Mutexes{Schema: result.SchemaMutex, Command: command, Started: time.Now(),
		Host: rig.Host()}
	cells := cfg.cells()
	for i := range cells {
		r.Cells = append(r.Cells, result.MutexMeasured{MutexCell: cells[i]})
	}
	// Rounds are outermost, so that a drift of the machine hits all cells alike.
	hogs := hogs{start: cfg.Hog}
	defer hogs.set(0)
	for round := 1; round <= cfg.Rounds; round++ {
		for i := range r.Cells {
			m := &r.Cells[i]
			if r.Interrupted = ctx.Err() != nil; r.Interrupted {
				return r, nil
			}
			if progress != nil {
				progress(Progress{(round-1)*len(cells) + i, cfg.Rounds * len(cells), m.MutexCell,
					round})
			}
			if err := hogs.set(m.Hogs); err != nil {
				r.Failed = err.Error()
				return r, err
			}
			// The order changes from round to round: who is first has no advantage.
			for turn := range kinds {
				kind := kinds[(turn+round)%len(kinds)]
				// What was cut short is no measurement.
				done := run(ctx, &m.MutexCell, kind.name, kind.make, round, cfg.Duration)
				if ctx.Err() != nil {
					r.Interrupted = true
					return r, nil
				}
				m.Runs = append(m.Runs, done)
			}
		}
	}
	return r, nil
}

func run(ctx context.Context, c *result.MutexCell, name string, kind func(n int) mutexes, round int,
	d time.Duration) result.MutexRun {
	var w window
	if c.Group == Collections {
		w = collect(c, kind)
	} else {
		w = measure(c, kind, d, false, ctx.Done())
	}
	r := result.MutexRun{Mutex: name, Round: round, Seconds: w.seconds, Jain: result.Jain(w.ops),
		Violations: w.lost}
	for _, n := range w.ops {
		r.Acquisitions += n
	}
	if r.Acquisitions > 0 {
		r.NanosPerOp = w.seconds * 1e9 / float64(r.Acquisitions)
		r.CPUPerOp = w.cpu * 1e9 / float64(r.Acquisitions)
	}
	if c.Group == Contended || c.Group == Hogs || c.Group == Procs {
		w = measure(c, kind, d, true, ctx.Done())
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
