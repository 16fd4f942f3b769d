package host

import (
	"context"
	"time"
)

// Observed is the facts at the beginning and at the end of an interval.
type Observed struct {
	Before, After Facts
	// Running is how many threads of the machine ran or were ready to, averaged over the interval,
	// this process's one thread left out. They are counted only where no pressure is told.
	Running Fact[float64]
}

// Interval is how long it was.
func (o Observed) Interval() time.Duration { return o.After.At.Sub(o.Before.At) }

// samples is how often the running threads are counted in an interval, but not more often than
// each 10 ms.
const samples = 50

// Observe collects facts, again after an interval, and counts the running threads in between if
// need be. It ends early when ctx is done.
func Observe(ctx context.Context, interval time.Duration) Observed {
	o := Observed{Before: Collect()}
	pressure := o.Before.Competition.Group.State() == Known ||
		o.Before.Competition.Machine.State() == Known
	tick := time.NewTicker(max(interval/samples, 10*time.Millisecond))
	defer tick.Stop()
	if pressure {
		// On a large machine the file takes the kernel milliseconds.
		tick.Stop()
	}
	end := time.NewTimer(interval)
	defer end.Stop()
	sum, n := 0, 0
	for over := false; !over; {
		select {
		case <-ctx.Done():
			over = true
		case <-end.C:
			over = true
		case <-tick.C:
			if running, ok := running(root()).Get(); ok {
				sum += running - 1
				n++
			}
		}
	}
	o.After = Collect()
	switch {
	case n > 0:
		o.Running = Is(float64(sum) / float64(n))
	case pressure:
		o.Running = UnknownFact[float64]("the running threads are not counted where pressure " +
			"is told")
	case o.After.Competition.Running.State() == Known:
		o.Running = UnknownFact[float64]("the interval was too short to count the running threads")
	default:
		o.Running = missing[float64](o.After.Competition.Running)
	}
	return o
}
