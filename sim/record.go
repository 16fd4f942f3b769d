package sim

import (
	"fmt"

	"example.com/pvlock/internal/twin/workload"
	"example.com/pvlock/result"
)

// recorder writes down what everybody does, from some time on.
type recorder struct {
	from   int64
	tracks []track
	flows  []result.Flow
	pcpus  int
}

// track is what one CPU does: its spans so far, and the one it is in.
type track struct {
	spans      []result.Span
	state, who string
	since      int64
}

// change ends a span and begins another.
func (r *recorder) change(i int, at int64, state, who string) {
	t := &r.tracks[i]
	if t.state == state && t.who == who {
		return
	}
	t.end(r.from, at)
	t.state, t.who, t.since = state, who, at
}

func (t *track) end(from, at int64) {
	if from := max(from, t.since); at > from && t.state != "" {
		t.spans = append(t.spans,
			result.Span{FromNanos: from, ToNanos: at, State: t.state, Who: t.who})
	}
}

func (r *recorder) track(t *task) int { return r.pcpus + int(t.id-t.e.tasks0) }

// note is called when a task begins or ends to do something. It waits for what comes before that,
// whether it is written down or not: to write it down must change nothing.
func (e *engine) note(t *task) {
	t.sync()
	if e.rec != nil {
		e.rec.change(e.rec.track(t), t.at, t.doing(), "")
	}
}

func (t *task) doing() string {
	switch {
	case t.spin.on:
		return "spinning"
	case t.phase == workload.Holding:
		return "holding"
	}
	return "running"
}

// noteUnit is called when a unit gets, loses or gives up what it runs on.
func (e *engine) noteUnit(u *unit) {
	if e.rec == nil {
		return
	}
	t := u.runs()
	if t == nil {
		return
	}
	state := t.doing()
	switch {
	case t.unit.state == blocked:
		state = "blocked"
	case t.unit.state == ready || !t.unit.seat.on:
		state = "preempted"
	}
	e.rec.change(e.rec.track(t), e.now, state, "")
	if k := t.kickedBy; k != nil && state != "blocked" && state != "preempted" {
		if t.kickedAt >= e.rec.from {
			e.rec.flows = append(e.rec.flows,
				result.Flow{From: e.rec.track(k), To: e.rec.track(t), AtNanos: t.kickedAt,
					WokenNanos: e.now})
		}
		t.kickedBy = nil
	}
}

// noteSeat is called when a physical CPU changes hands.
func (e *engine) noteSeat(s *seat) {
	if e.rec == nil || s.host != nil {
		return
	}
	if s.user == nil {
		e.rec.change(s.num, e.now, "idle", "")
		return
	}
	e.rec.change(s.num, e.now, "running", s.user.name())
}

func (u *unit) name() string {
	if u.vm == nil {
		return fmt.Sprintf("other %d", u.num)
	}
	return fmt.Sprintf("VM %d vCPU %d", u.vm.id, u.num)
}

// timeline returns what was written down until a time.
func (r *recorder) timeline(e *engine, to int64) *result.Timeline {
	tl := &result.Timeline{FromNanos: r.from, ToNanos: to, Tracks: []result.Track{}, Flows: r.flows}
	if tl.Flows == nil {
		tl.Flows = []result.Flow{}
	}
	tl.Title = fmt.Sprintf("%s, %d CPUs, %s", e.cfg.Lock.Name, r.pcpus, e.cfg.Scheduler)
	for i := range r.tracks {
		t := &r.tracks[i]
		t.end(r.from, to)
		out := result.Track{Name: fmt.Sprintf("CPU %d", i), Kind: "pcpu", Spans: t.spans}
		if i >= r.pcpus {
			task := e.tasks[int(e.tasks0)+i-r.pcpus]
			out.Name, out.Kind = fmt.Sprintf("VM %d %s %d", task.vm.id, task.unit.host.level.runs(),
				task.num), "vcpu"
		}
		if out.Spans == nil {
			out.Spans = []result.Span{}
		}
		tl.Tracks = append(tl.Tracks, out)
	}
	return tl
}

// runs is what a layer schedules.
func (l level) runs() string { return [...]string{"vCPU", "thread", "goroutine"}[l] }
