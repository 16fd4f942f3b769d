// Package calibrate measures what the simulator's costs are on this machine.
package calibrate

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"example.com/pvlock/internal/arch"
	"example.com/pvlock/sim"
)

// Measured is what was found: the costs, and by the names of [sim.Costs.Map] how each was.
type Measured struct {
	Costs sim.Costs
	How   map[string]string
}

// Run measures on the CPUs that it is given, in about two seconds. What can't be measured keeps its
// default, and How says so. It needs Linux and two CPUs.
func Run(ctx context.Context, cpus []int) (*Measured, error) {
	if !arch.HasFutex {
		return nil, errors.New("calibration needs threads that can be bound to CPUs and sleep on " +
			"a futex: want Linux")
	}
	if len(cpus) < 2 {
		return nil, fmt.Errorf("calibration on %d CPU: want 2 or more, to see what goes between "+
			"them", len(cpus))
	}
	for _, cpu := range cpus {
		// What follows has pairs of threads that wait for each other, and relies on it.
		if err := on(cpu, func() {}); err != nil {
			return nil, fmt.Errorf("calibrate: %w", err)
		}
	}
	arch.Calibrate()
	m := &Measured{Costs: sim.DefaultCosts(), How: make(map[string]string)}
	m.How["overlap"] = "default: how far a CPU looks ahead differs between two runs more than " +
		"between two CPUs"
	for _, step := range []func(*Measured, []int) error{instructions, lines, sleep, switches, slice,
		goroutines} {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := step(m, cpus); err != nil {
			return nil, fmt.Errorf("calibrate: %w", err)
		}
	}
	return m, nil
}

// set notes a cost. The simulator counts in whole ns, and nothing is free.
func (m *Measured) set(cost *int64, name string, ns float64, how string) {
	*cost = max(1, int64(math.Round(ns)))
	m.How[name] = fmt.Sprintf("%.3g ns: %s", ns, how)
}

// instructions measures what one CPU does alone.
func instructions(m *Measured, cpus []int) error {
	const n = 1 << 12
	var cell arch.U32
	c := arch.Core{}
	return on(cpus[0], func() {
		load := perCall(n, func() {
			for range n {
				c.Load32(&cell)
			}
		})
		store := perCall(n, func() {
			for range n {
				c.Store32(&cell, 1)
			}
		})
		locked := perCall(n, func() {
			for range n {
				c.Xchg32(&cell, 1)
			}
		})
		m.set(&m.Costs.Hit, "hit", load, "a load of a line that stays, and the loop around it")
		m.set(&m.Costs.Locked, "locked", locked-store, "an exchange less a store")
		m.set(&m.Costs.Pause, "pause", arch.PauseNanos()-load, "a round of spinning less a load")
	})
}

// perCall returns what one of the n things that f does takes when nothing gets in its way, in ns.
func perCall(n int, f func()) float64 {
	least := time.Duration(math.MaxInt64)
	for range 25 {
		began := time.Now()
		f()
		least = min(least, time.Since(began))
	}
	return float64(least.Nanoseconds()) / float64(n)
}

// slice measures for how long the kernel lets a thread compute while others want its CPU.
func slice(m *Measured, cpus []int) error {
	const (
		long = 50_000  // ns without a look at the clock: somebody else ran
		runt = 300_000 // ns: a stretch that something else ended
	)
	var stretches []float64
	compute := func() {
		var (
			c       arch.Core
			started = c.Now()
			last    = started
			from    = started
			own     []float64
		)
		for last-started < 400e6 {
			now := c.Now()
			if now-last > long {
				if last-from > runt {
					own = append(own, float64(last-from))
				}
				from = now
			}
			last = now
		}
		if len(own) > 2 {
			stretches = own[1:] // the first one began before there was company
		}
	}
	company := start(cpus[0], compute)
	if err := errors.Join(on(cpus[0], func() {
		for began := time.Now(); time.Since(began) < 400*time.Millisecond; {
		}
	}), <-company); err != nil {
		return err
	}
	if len(stretches) == 0 {
		m.How["slice"] = "default: two threads that compute on one CPU took no turns in 400 ms"
		return nil
	}
	m.set(&m.Costs.Slice, "slice", median(stretches),
		fmt.Sprintf("median of %d stretches between which another thread ran on the CPU",
			len(stretches)))
	return nil
}
