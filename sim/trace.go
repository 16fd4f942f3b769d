package sim

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"

	"example.com/pvlock/result"
)

// A traceEvent is one of the Trace Event format, which Perfetto and chrome://tracing open. Times
// are in microseconds.
type traceEvent struct {
	Name  string            `json:"name"`
	Cat   string            `json:"cat,omitempty"`
	Phase string            `json:"ph"`
	TS    *micros           `json:"ts,omitempty"`
	Dur   *micros           `json:"dur,omitempty"`
	PID   int               `json:"pid"`
	TID   int               `json:"tid"`
	ID    int               `json:"id,omitempty"`
	Bind  string            `json:"bp,omitempty"`
	Color string            `json:"cname,omitempty"`
	Args  map[string]string `json:"args,omitempty"`
}

// micros is ns, written as microseconds without rounding.
type micros int64

func (m micros) MarshalJSON() ([]byte, error) {
	return fmt.Appendf(nil, "%d.%03d", int64(m)/1000, int64(m)%1000), nil
}

func (m *micros) UnmarshalJSON(text []byte) error {
	var whole, part int64
	if _, err := fmt.Sscanf(string(text), "%d.%d", &whole, &part); err != nil {
		return err
	}
	*m = micros(whole*1000 + part)
	return nil
}

// stateColors are names that the viewers know.
var stateColors = map[string]string{
	"running": "thread_state_running", "holding": "good", "spinning": "bad",
	"blocked": "thread_state_sleeping", "preempted": "thread_state_runnable",
}

// WriteTrace writes timelines in the Trace Event format. Each timeline is two processes, its
// physical CPUs and its virtual ones, with a thread for each CPU; a kick is a flow from the kicker
// to where the woken vCPU runs.
func WriteTrace(w io.Writer, timelines []result.Timeline) error {
	buffered := bufio.NewWriter(w)
	t := tracer{w: buffered}
	t.text(`{"displayTimeUnit":"ns","traceEvents":[`)
	for i := range timelines {
		t.timeline(&timelines[i], 2*i+1)
	}
	t.text("\n]}\n")
	if t.err == nil {
		t.err = buffered.Flush()
	}
	if t.err != nil {
		return fmt.Errorf("write trace: %w", t.err)
	}
	return nil
}

type tracer struct {
	w     *bufio.Writer
	err   error
	any   bool // an event has been written
	flows int
}

func (t *tracer) text(s string) {
	if t.err == nil {
		_, t.err = t.w.WriteString(s)
	}
}

func (t *tracer) event(e traceEvent) {
	text, err := json.Marshal(e)
	if t.err == nil {
		t.err = err
	}
	if t.any {
		t.text(",")
	}
	t.any = true
	t.text("\n" + string(text))
}

// timeline writes one, whose physical CPUs are process pid and whose virtual ones are the next.
func (t *tracer) timeline(l *result.Timeline, pid int) {
	process := func(i int) int {
		if l.Tracks[i].Kind == "pcpu" {
			return pid
		}
		return pid + 1
	}
	for i, kind := range []string{"physical CPUs", "vCPUs"} {
		t.event(traceEvent{Name: "process_name", Phase: "M", PID: pid + i,
			Args: map[string]string{"name": l.Title + ": " + kind}})
	}
	for i := range l.Tracks {
		track := &l.Tracks[i]
		// A thread has the number of its track: 0 would be no thread.
		t.event(traceEvent{Name: "thread_name", Phase: "M", PID: process(i), TID: i + 1,
			Args: map[string]string{"name": track.Name}})
		for _, s := range track.Spans {
			if s.State == "idle" {
				continue // a gap says it
			}
			e := traceEvent{Name: s.State, Cat: track.Kind, Phase: "X", TS: at(s.FromNanos),
				Dur: at(s.ToNanos - s.FromNanos), PID: process(i), TID: i + 1,
				Color: stateColors[s.State]}
			if s.Who != "" {
				e.Name = s.Who
			}
			t.event(e)
		}
	}
	for _, f := range l.Flows {
		t.flows++
		e := traceEvent{Name: "kick", Cat: "kick", ID: t.flows}
		e.Phase, e.TS, e.PID, e.TID = "s", at(f.AtNanos), process(f.From), f.From+1
		t.event(e)
		// Bound to the slice that is under way, not to the next one.
		e.Phase, e.TS, e.PID, e.TID, e.Bind = "f", at(f.WokenNanos), process(f.To), f.To+1, "e"
		t.event(e)
	}
}

func at(ns int64) *micros {
	m := micros(ns)
	return &m
}
