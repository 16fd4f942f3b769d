package docs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"example.com/pvlock/report"
	"example.com/pvlock/result"
	"example.com/pvlock/sim"
)

// Pictures draws the documentation's pictures, by the name of their file. What they show is
// simulated, so they are the same on any machine, and change when the simulation, its costs, or a
// lock does.
func Pictures(ctx context.Context) (map[string][]byte, error) {
	all := make(map[string][]byte)
	for name, draw := range map[string]func(context.Context, *bytes.Buffer) error{
		"collapse.svg":         collapse,
		"holder-preempted.svg": holderPreempted,
		"waiter-preempted.svg": waiterPreempted,
		"wait-and-kick.svg":    waitAndKick,
		"wait-and-steal.svg":   waitAndSteal,
	} {
		var svg bytes.Buffer
		if err := draw(ctx, &svg); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		all[name] = svg.Bytes()
	}
	return all, nil
}

// simulate runs a sweep of one experiment.
func simulate(ctx context.Context, e *sim.Experiment, given sim.Settings,
	o sim.Options) (*result.Sim, error) {
	o.Seed, o.Costs, o.CostsFrom = 1, sim.DefaultCosts(), "defaults"
	s, err := e.Sweep(given, o)
	if err != nil {
		return nil, err
	}
	return s.Run(ctx, sim.Run, result.Shard{Index: 1, Of: 1}, nil)
}

// collapse draws the first plot of the experiment of that name, with fewer locks, CPUs and less
// time.
func collapse(ctx context.Context, svg *bytes.Buffer) error {
	e, err := sim.FindExperiment("collapse")
	if err != nil {
		return err
	}
	s, err := simulate(ctx, e, sim.Settings{
		"locks": "ticket,pvticket,tas,qspin,xen,pvqspin", "pcpus": "4",
		"overcommit": "1,1.25,1.5,2,3,4", "duration": "20ms", "warmup": "10ms",
	}, sim.Options{})
	if err != nil {
		return err
	}
	return report.WritePlotSVG(svg, s, &s.Plots[0])
}

// The timelines are of six vCPUs on four CPUs, and of sections long enough to be seen: two of the
// CPUs are shared, whose vCPUs have them for 3 ms in turn.
const (
	window = 6 * time.Millisecond
	lead   = time.Millisecond // of it before what is to be seen
	long   = window / 4       // a stretch without a CPU that is worth looking at
)

func timeline(ctx context.Context, svg *bytes.Buffer, lock, title string,
	find func(*result.Timeline) (at int64, ok bool)) error {
	const run = 200 * time.Millisecond
	s, err := simulate(ctx, sim.Free(), sim.Settings{
		"locks": lock, "pcpus": "4", "vcpus": "6", "cs": "50us", "ncs": "200us",
		"duration": run.String(), "warmup": "20ms",
	}, sim.Options{Timeline: run})
	if err != nil {
		return err
	}
	t := &s.Timelines[0]
	at, ok := find(t)
	if !ok {
		return errors.New("what it is to show doesn't happen in the run any more: choose other " +
			"settings")
	}
	t.Title = title
	cut(t, at-lead.Nanoseconds(), at-lead.Nanoseconds()+window.Nanoseconds())
	return report.WriteTimelineSVG(svg, t)
}

func holderPreempted(ctx context.Context, svg *bytes.Buffer) error {
	return timeline(ctx, svg, "tas", "tas: the holder loses its CPU, and the others spin",
		func(t *result.Timeline) (int64, bool) {
			return preempted(t, func(was string, _, _ int64) bool { return was == "holding" })
		})
}

func waiterPreempted(ctx context.Context, svg *bytes.Buffer) error {
	return timeline(ctx, svg, "ticket",
		"ticket: the next in line loses its CPU, and the lock is free",
		func(t *result.Timeline) (int64, bool) {
			return preempted(t, func(was string, from, to int64) bool {
				return was == "spinning" && held(t, from, to) < (to-from)/5
			})
		})
}

func waitAndKick(ctx context.Context, svg *bytes.Buffer) error {
	return timeline(ctx, svg, "pvticket",
		"pvticket: an old waiter sleeps, and is kicked when it is called", middle)
}

func waitAndSteal(ctx context.Context, svg *bytes.Buffer) error {
	return timeline(ctx, svg, "xen", "xen: waiters sleep, and a running vCPU takes the lock",
		middle)
}

func middle(t *result.Timeline) (int64, bool) { return (t.FromNanos + t.ToNanos) / 2, true }

// preempted finds the first long stretch in which a vCPU has no CPU, of those that is accepts,
// which is told what it did before, and from when to when it lasts.
func preempted(t *result.Timeline, is func(was string, from, to int64) bool) (at int64, ok bool) {
	for _, track := range t.Tracks {
		for i := range track.Spans {
			s := &track.Spans[i]
			if s.State != "preempted" || i == 0 || s.ToNanos-s.FromNanos < long.Nanoseconds() ||
				s.FromNanos-lead.Nanoseconds() < t.FromNanos {
				continue
			}
			if is(track.Spans[i-1].State, s.FromNanos, s.ToNanos) && (!ok || s.FromNanos < at) {
				at, ok = s.FromNanos, true
			}
		}
	}
	return at, ok
}

// held returns how long the lock is held, in a stretch of time.
func held(t *result.Timeline, from, to int64) (total int64) {
	for _, track := range t.Tracks {
		for _, s := range track.Spans {
			if s.State == "holding" {
				total += max(0, min(s.ToNanos, to)-max(s.FromNanos, from))
			}
		}
	}
	return total
}

// cut leaves a stretch of the timeline.
func cut(t *result.Timeline, from, to int64) {
	t.FromNanos, t.ToNanos = from, to
	for i := range t.Tracks {
		var spans []result.Span
		for _, s := range t.Tracks[i].Spans {
			s.FromNanos, s.ToNanos = max(s.FromNanos, from), min(s.ToNanos, to)
			if s.FromNanos < s.ToNanos {
				spans = append(spans, s)
			}
		}
		t.Tracks[i].Spans = spans
	}
	var flows []result.Flow
	for _, f := range t.Flows {
		if f.AtNanos >= from && f.WokenNanos <= to {
			flows = append(flows, f)
		}
	}
	t.Flows = flows
}
