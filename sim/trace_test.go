package sim_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"strings"
	"testing"
	"time"

	"example.com/pvlock/result"
	"example.com/pvlock/sim"
)

// traced is an event as a reader of the format sees it.
type traced struct {
	Name, Cat, Ph, BP string
	TS, Dur           *json.Number
	PID, TID          *int
	ID                *int
	Args              map[string]string
}

// ns is an exact number of microseconds in nanoseconds.
func ns(t *testing.T, n *json.Number) int64 {
	t.Helper()
	if n == nil {
		t.Fatal("an event without a time")
	}
	whole, part, _ := strings.Cut(n.String(), ".")
	v, err := strconv.ParseInt(whole+(part + "000")[:3], 10, 64)
	if err != nil || len(part) > 3 {
		t.Fatalf("a time of %s µs: %v", n, err)
	}
	return v
}

func readTrace(t *testing.T, text []byte) []traced {
	t.Helper()
	var trace struct{ TraceEvents []traced }
	if err := json.Unmarshal(text, &trace); err != nil {
		t.Fatal(err)
	}
	return trace.TraceEvents
}

// checkTrace tests what Perfetto relies on: every event is of a named thread of a named process,
// slices have a length and don't overlap within a thread, and every flow begins once, ends once,
// later, and each within a slice or at the edge of one.
func checkTrace(t *testing.T, events []traced) (slices, flows int) {
	t.Helper()
	type thread struct{ pid, tid int }
	type span struct{ from, to int64 }
	var (
		processes = make(map[int]bool)
		threads   = make(map[thread]bool)
		spans     = make(map[thread][]span)
		begun     = make(map[int]int64)
		ended     = make(map[int]bool)
	)
	for _, e := range events {
		if e.PID == nil || *e.PID == 0 || e.TID == nil || e.Name == "" {
			t.Fatalf("event %+v of no process, thread or name", e)
		}
		at := thread{*e.PID, *e.TID}
		switch {
		case e.Ph == "M" && e.Name == "process_name":
			processes[at.pid] = true
		case e.Ph == "M" && e.Name == "thread_name":
			threads[at] = e.Args["name"] != ""
		case e.Ph == "X":
			slices++
			from, long := ns(t, e.TS), ns(t, e.Dur)
			if long <= 0 || !threads[at] || !processes[at.pid] {
				t.Errorf("slice %s of %d ns in thread %v", e.Name, long, at)
			}
			if before := spans[at]; len(before) > 0 && before[len(before)-1].to > from {
				t.Errorf("slices overlap in thread %v at %d", at, from)
			}
			spans[at] = append(spans[at], span{from, from + long})
		case e.Ph == "s" || e.Ph == "f":
			if e.ID == nil || e.Cat == "" {
				t.Fatalf("a flow without id or category: %+v", e)
			}
			at, when := at, ns(t, e.TS)
			inside := false
			for _, s := range spans[at] {
				inside = inside || s.from <= when && when <= s.to
			}
			if !inside {
				t.Errorf("flow %d %s at %d ns is bound to no slice of thread %v", *e.ID, e.Ph, when,
					at)
			}
			from, is := begun[*e.ID]
			switch {
			case e.Ph == "s" && is,
				e.Ph == "f" && (!is || ended[*e.ID] || when < from || e.BP != "e"):
				t.Errorf("flow %d: %s at %d ns", *e.ID, e.Ph, when)
			case e.Ph == "s":
				begun[*e.ID] = when
			default:
				ended[*e.ID] = true
				flows++
			}
		default:
			t.Errorf("event of kind %q", e.Ph)
		}
	}
	if len(begun) != len(ended) {
		t.Errorf("%d flows begin, %d end", len(begun), len(ended))
	}
	return slices, flows
}

func TestTheTraceOfARunIsValid(t *testing.T) {
	o := options()
	o.Timeline, o.TimelineOf = 3*time.Millisecond, []int{0, 1}
	s, err := sim.Free().
		Sweep(sim.Settings{"locks": "xen,pvqspin", "spin": "2^4", "pcpus": "2", "overcommit": "4",
			"slice": "200us", "duration": "5ms", "warmup": "1ms"}, o)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := sim.WriteTrace(&out, run(t, s, sim.Run, whole).Timelines); err != nil {
		t.Fatal(err)
	}
	slices, flows := checkTrace(t, readTrace(t, out.Bytes()))
	if slices < 100 || flows < 10 {
		t.Errorf("%d slices and %d flows of two overcommitted locks that sleep", slices, flows)
	}
}

func TestTheTraceSaysWhatTheTimelineSays(t *testing.T) {
	var out bytes.Buffer
	err := sim.WriteTrace(&out, []result.Timeline{{
		Title: "xen",
		Tracks: []result.Track{
			{Name: "CPU 0", Kind: "pcpu",
				Spans: []result.Span{
					{FromNanos: 0, ToNanos: 1_001, State: "running", Who: "vCPU 0"},
					{FromNanos: 1_001, ToNanos: 9_000, State: "idle"}}},
			{Name: "vCPU 0", Kind: "vcpu",
				Spans: []result.Span{{FromNanos: 0, ToNanos: 1_001, State: "holding"}}},
			{Name: "vCPU 1", Kind: "vcpu",
				Spans: []result.Span{{FromNanos: 2_000, ToNanos: 123_456_789, State: "spinning"}}},
		},
		Flows: []result.Flow{{From: 1, To: 2, AtNanos: 1_000, WokenNanos: 2_000}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	var have []string
	for _, e := range readTrace(t, out.Bytes()) {
		if e.Ph == "X" {
			have = append(have, e.Name+" "+e.TS.String()+" "+e.Dur.String())
		}
	}
	// An idle CPU is a gap; times are exact.
	if got, want := strings.Join(have, "; "), "vCPU 0 0.000 1.001; holding 0.000 1.001; spinning "+
		"2.000 123454.789"; got != want {
		t.Errorf("slices %q, want %q", got, want)
	}
	if _, flows := checkTrace(t, readTrace(t, out.Bytes())); flows != 1 {
		t.Errorf("%d flows, want 1", flows)
	}
}

func TestATraceOfNothingIsATrace(t *testing.T) {
	var out bytes.Buffer
	if err := sim.WriteTrace(&out, nil); err != nil {
		t.Fatal(err)
	}
	if events := readTrace(t, out.Bytes()); len(events) != 0 {
		t.Errorf("events %v", events)
	}
}

func TestATraceThatCantBeWrittenIsAnError(t *testing.T) {
	broken := errors.New("broken disk")
	r, w := io.Pipe()
	r.CloseWithError(broken)
	if err := sim.WriteTrace(w, nil); !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
}

func TestACPUThatNeverChangesHandsIsInTheTimeline(t *testing.T) {
	s, err := sim.Free().
		Sweep(sim.Settings{"locks": "tas", "pcpus": "2", "vcpus": "2", "duration": "1ms",
			"warmup": "1ms"},
			sim.Options{Seed: 1, Costs: sim.DefaultCosts(), Timeline: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	r, err := s.Run(t.Context(), sim.Run, result.Shard{Index: 1, Of: 1}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, track := range r.Timelines[0].Tracks {
		if len(track.Spans) == 0 {
			t.Errorf("%s does nothing", track.Name)
		}
	}
}
