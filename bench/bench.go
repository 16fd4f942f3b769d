// Package bench measures locks side by side on real machines: every lock in turn,
// at several overcommits, round after round, under the same workload, with the
// machine's other mutexes beside them.
package bench

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"time"

	"example.com/pvlock/internal/arch"
	"example.com/pvlock/paravirt"
	"example.com/pvlock/result"
	"example.com/pvlock/rig"
	"example.com/pvlock/workload"
)

// Progress says how far a bench is.
type Progress struct {
	// Done of Cells are measured; the next is Lock at Overcommit, in Round.
	Done, Cells int
	Lock        string
	Overcommit  float64
	Round       int
}

// Run measures. Command is what is recorded as the command. Progress, if not nil, is called before
// each cell. When ctx is done Run stops cleanly and returns what was measured so far, the cell that
// was cut short included; so it does, with an error, when a cell fails: a [Stuck] if its lock
// hangs, another one if the machine beneath it fails.
func Run(ctx context.Context, cfg Config, command []string,
	progress func(Progress)) (*result.Bench, error) {
	if cfg.DrainLimit == 0 {
		cfg.DrainLimit = defaultDrain
	}
	if cfg.around == nil {
		cfg.around = lookAround
	}
	if err := cfg.checkNumbers(); err != nil {
		return nil, err
	}
	locks, err := cfg.selected()
	if err != nil {
		return nil, err
	}
	b := &result.Bench{Host: rig.Host(), Command: command, Started: time.Now()}
	defer rig.Steal(&b.Host)()

	p := Progress{Cells: cfg.Rounds * len(cfg.Overcommit) * len(locks)}
	repeats := max(p.Cells/4, repeatsEach)
	for p.Round = 1; p.Round <= cfg.Rounds; p.Round++ {
		for _, p.Overcommit = range cfg.Overcommit {
			for _, who := range locks {
				if ctx.Err() != nil {
					b.Interrupted = true
					return b, nil
				}
				vcpus := cfg.vcpus(p.Overcommit)
				if vcpus > who.kind.MaxCPUs {
					p.Done++
					continue
				}
				p.Lock = who.kind.Name
				if progress != nil {
					progress(p)
				}
				r, err := cfg.measure(ctx, who, vcpus, p, &repeats)
				if late := (Stuck{}); errors.As(err, &late) {
					// Its vCPUs can't be stopped, so nothing can be measured beside them.
					r.TimedOut = true
					b.Runs = append(b.Runs, r)
					err = fmt.Errorf("%v after its end: %w", cfg.DrainLimit, late)
				}
				if err != nil {
					err = fmt.Errorf("%s at overcommit %v, round %d: %w", p.Lock, p.Overcommit,
						p.Round, err)
					b.Failed = line(err)
					return b, err
				}
				b.Runs, b.Interrupted = append(b.Runs, r), r.Interrupted
				p.Done++
			}
		}
	}
	return b, nil
}

// measure measures a cell, again if it was disturbed and may be repeated; left is how many repeats
// may be made.
func (cfg *Config) measure(ctx context.Context, who contender, vcpus int, p Progress,
	left *int) (r result.Run, err error) {
	for repeat := 0; ; repeat++ {
		// The collector's work is not the lock's.
		runtime.GC()
		before := cfg.around(cfg.HostCPUs)
		c, err := cfg.run(ctx, who, vcpus, cfg.Seed+uint64(p.Done))
		if c == nil {
			return r, err
		}
		r = cfg.runOf(c, who, p)
		r.Repeats = repeat
		if err != nil || c.interrupted {
			return r, err
		}
		r.Disturbed = disturbances(before, cfg.around(cfg.HostCPUs), cfg.Duration, c.window,
			len(cfg.HostCPUs))
		// What a run has found stands.
		if r.Disturbed == nil || r.Violations > 0 || r.LostWakeups > 0 || repeat == repeatsEach ||
			*left == 0 {
			return r, nil
		}
		*left--
	}
}

// line writes an error, which may be of several vCPUs, as a line.
func line(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }

// defaultDrain is far above what the slowest lock needs to serve everyone who
// waits once more: 128 vCPUs in a fair queue over 2 CPUs, some 10 s.
const defaultDrain = time.Minute

// runOf makes a cell into a result.
func (cfg *Config) runOf(c *cell, who contender, p Progress) result.Run {
	r := result.Run{
		Lock: who.kind.Name, Peer: who.peer, Machine: cfg.On,
		CPUs: len(cfg.HostCPUs), VCPUs: len(c.clients),
		Overcommit: float64(len(c.clients)) / float64(len(cfg.HostCPUs)),
		CSNanos:    cfg.Critical.Nanoseconds(), NCSNanos: cfg.Think.Nanoseconds(), Round: p.Round,
		Neighbours: cfg.Neighbours,
		Seconds:    c.window.Seconds(), Jain: result.Jain(c.measured),
		CPUSeconds: c.usage.CPU.Seconds(),
		NVCSW:      c.usage.Voluntary, NIVCSW: c.usage.Involuntary,
		LostWakeups: uint64(c.lost), Interrupted: c.interrupted,
		Counters: make(map[string]uint64), SpinRounds: make([]uint64, paravirt.HistBuckets),
	}
	for _, n := range c.measured {
		r.Acquisitions += n
	}
	if r.Seconds > 0 {
		r.OpsPerSecond = float64(r.Acquisitions) / r.Seconds
	}
	for i := range c.clients {
		cl := &c.clients[i]
		r.AcquisitionsTotal += cl.Acquisitions.Value()
		r.Violations += cl.Violations.Value()
		stats := c.pv.CPU(i).Stats()
		for e := range paravirt.NumEvents {
			r.Counters[e.String()] += stats.Events[e].Value()
		}
		for b := range stats.Rounds {
			r.SpinRounds[b] += stats.Rounds[b].Value()
		}
	}
	for name, n := range c.usage.Exits {
		r.Counters[name] += n
	}
	if n := len(c.usage.Unbound); n > 0 {
		r.Counters[result.Unbound] = uint64(n)
	}
	for _, d := range c.usage.Steal {
		r.Steal = append(r.Steal, d.Nanoseconds())
	}
	r.Contended = r.Counters[paravirt.Contended.String()]
	r.Blocked = r.Counters[paravirt.Blocked.String()]
	// The data that the lock protects has a say as well: an update that was lost is a violation
	// that its victim may not have noticed.
	for _, entries := range c.entries {
		if !c.ended {
			break // its vCPUs still run
		}
		r.Violations += uint64(uint32(r.AcquisitionsTotal) - entries)
	}
	interval := cfg.Critical + cfg.Think
	r.Latency, r.LatencyClosed = result.NewLatency(c.waits, bounds, uint64(interval.Nanoseconds()))
	return r
}

// bounds returns what a bucket of waits holds, in ns.
func bounds(bucket int) (from, to uint64) {
	from, to = workload.Bounds(bucket)
	return arch.TicksToNanos(from), arch.TicksToNanos(to)
}
