package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"example.com/pvlock/internal/arch"
	"example.com/pvlock/machine"
	"example.com/pvlock/paravirt"
	"example.com/pvlock/rig"
	"example.com/pvlock/workload"
)

// A cell is one lock at one overcommit in one round.
type cell struct {
	usage    machine.Usage
	window   time.Duration // from the end of the warm-up to the stop
	measured []uint64      // acquisitions of each vCPU within the window
	// their waits, and those that were under way at the stop, by workload.Bucket
	waits   []uint64
	clients []workload.Client
	pv      *paravirt.Machine
	lost    int // wake-ups that the watchdog found lost, and made good

	interrupted bool
	// entries is how often the lock's data says that it was taken. It is known once the cell has
	// ended.
	entries [2]uint32
	ended   bool
}

// look is how often the clients are looked at. A running CPU gets thousands of
// things done in it.
const look = 10 * time.Millisecond

// Stuck is the error of a cell that didn't come to its end, because its vCPUs didn't.
type Stuck struct{ phases map[workload.Phase]int }

func (e Stuck) Error() string {
	return fmt.Sprintf("the vCPUs don't come to an end: %d thinking, %d waiting, %d holding, %d "+
		"unlocking, %d done",
		e.phases[workload.Thinking], e.phases[workload.Locking], e.phases[workload.Holding],
		e.phases[workload.Unlocking], e.phases[workload.Done])
}

// run measures one cell.
func (cfg *Config) run(ctx context.Context, who contender, vcpus int,
	seed uint64) (_ *cell, err error) {
	mcfg := machine.Config{
		VCPUs: vcpus, HostCPUs: cfg.HostCPUs,
		Tunables: who.kind.Tunables, Wait: who.kind.Wait, Kick: who.kind.Kick, Stats: true,
	}
	if cfg.Tune != nil {
		cfg.Tune(&mcfg.Tunables)
	}
	m, err := rig.New(cfg.On, mcfg)
	if err != nil {
		return nil, err
	}
	var (
		c = &cell{clients: make([]workload.Client, vcpus), pv: m.Paravirt(),
			measured: make([]uint64, vcpus), waits: make([]uint64, workload.Buckets)}
		shared  = new(workload.Shared)
		ops     = who.ops()
		params  = cfg.params(seed)
		failed  = make(chan error, 1)
		ended   = make(chan struct{})
		watched = make(chan struct{})
	)
	for i := range c.clients {
		c.clients[i].Init(params, i)
	}
	quiet, err := cfg.neighbours()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, quiet()) }()
	go func() {
		defer close(ended)
		var err error
		c.usage, err = m.Run(
			func() {
				go func() {
					defer close(watched)
					c.watch(ctx, cfg, shared, ended, failed)
				}()
			},
			func(cpu *paravirt.CPU) { c.clients[cpu.ID()].Run(cpu, shared, &ops) },
		)
		if err != nil {
			failed <- err
		}
	}()
	for _, end := range []chan struct{}{ended, watched} {
		select {
		case err := <-failed:
			if s, ok := m.(interface{ Stop() }); ok {
				s.Stop()
				<-ended
			}
			return c, err
		case <-end:
		}
	}
	c.ended = true
	c.entries[0], c.entries[1] = shared.Entries(arch.Core{})
	c.addWaits(func(total *uint64, n uint64) { *total += n })
	return c, nil
}

// params converts the lengths to units of work. The reading of the counter before
// and after the acquisition is part of them.
func (cfg *Config) params(seed uint64) workload.Params {
	arch.Calibrate()
	less := func(d time.Duration) uint32 { return arch.WorkUnits(max(d-arch.TicksCost(), 0)) }
	return workload.Params{Critical: less(cfg.Critical), Think: less(cfg.Think), Seed: seed}
}

// warmUp is the part of the duration that comes before it, uncounted: the first
// slice of each vCPU passes before the machine is overcommitted at all.
const warmUp = 0.1

// watch lets the clients run for the duration, stops them, and sees them to their
// end; all the while it looks for lost wake-ups, and makes them good. Ended says that the machine's
// run is over.
func (c *cell) watch(ctx context.Context, cfg *Config, shared *workload.Shared,
	ended <-chan struct{}, failed chan<- error) {
	var (
		began   time.Time // zero while they warm up
		stopped time.Time // zero while they run
		ticker  = time.NewTicker(look)
		timer   = time.NewTimer(time.Duration(warmUp * float64(cfg.Duration)))
		w       workload.Watch
	)
	defer ticker.Stop()
	defer timer.Stop()
	start := func() {
		began = time.Now()
		for i := range c.clients {
			c.measured[i] = c.clients[i].Acquisitions.Value()
		}
		c.addWaits(func(total *uint64, n uint64) { *total -= n })
	}
	stop := func() {
		stopped = time.Now()
		c.window = stopped.Sub(began)
		for i := range c.clients {
			c.measured[i] = c.clients[i].Acquisitions.Value() - c.measured[i]
		}
		shared.Stop(arch.Core{})
	}
	done := ctx.Done()
	for {
		select {
		case <-done:
			done = nil
			if stopped.IsZero() {
				c.interrupted = true
				if began.IsZero() {
					start()
				}
				stop()
			}
		case <-timer.C:
			switch {
			case began.IsZero():
				start()
				timer.Reset(cfg.Duration)
			case stopped.IsZero():
				stop()
			}
		case <-ended:
			// The clients have finished, or their machine has failed.
			return
		case <-ticker.C:
		}
		switch w.Look(c.pv, c.clients) {
		case workload.Lost:
			c.lost++
			workload.Rescue(c.pv, c.clients)
		case workload.Finished:
			return
		}
		if !stopped.IsZero() && time.Since(stopped) > cfg.DrainLimit {
			failed <- Stuck{c.phases()}
			return
		}
	}
}

// addWaits folds what the clients' waits are now into the cell's.
func (c *cell) addWaits(fold func(total *uint64, n uint64)) {
	for i := range c.clients {
		for b := range c.waits {
			fold(&c.waits[b], c.clients[i].Waits[b].Value())
		}
	}
}

func (c *cell) phases() map[workload.Phase]int {
	n := make(map[workload.Phase]int)
	for i := range c.clients {
		n[c.clients[i].Phase()]++
	}
	return n
}
