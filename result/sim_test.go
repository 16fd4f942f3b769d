package result

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// simSample is a result with every field set to something of its own.
func simSample() *Sim {
	return &Sim{
		Schema: SchemaSim, Ending: Ending{Interrupted: true, Failed: "no CPU"},
		Command: []string{"pvlock", "sim", "collapse"}, Experiment: "collapse",
		About: "Which locks collapse.", Seed: 7,
		Costs: map[string]int64{"hit": 1}, CostsFrom: "defaults",
		Plots: []Plot{{
			Title: "Throughput",
			X: Axis{Value: "overcommit", Label: "vCPUs per CPU", Unit: "rounds", Log: true,
				Marks: []Mark{{At: 2, Label: "here"}}},
			Y: Axis{Value: "ops_per_s", Label: "acquisitions", Unit: "1/s", Log: true},
		}},
		Shard: Shard{Index: 2, Of: 3}, Cells: 5,
		Runs: []SimRun{{
			Cell: 1, Series: "xen kick=oldest", Lock: "xen", Scheduler: "credit",
			Setting: map[string]string{"kick": "oldest"},
			PCPUs:   2, VCPUs: 8, VMs: 2, Background: 3, CSNanos: 100, NCSNanos: 500, Nanos: 1e9,
			Events:       12345,
			Acquisitions: 1000, Contended: 40, Blocked: 30,
			Latency:  Latency{P50: 5, P99: 99, P999: 999, Max: 9999},
			Values:   map[string]float64{"ops_per_s": 1000.5},
			Counters: map[string]uint64{"event_kick": 31}, SpinRounds: []uint64{1, 2},
			Stalled: true,
		}},
		Timelines: []Timeline{{
			Cell: 1, Title: "xen", FromNanos: 10, ToNanos: 20,
			Tracks: []Track{
				{Name: "CPU 0", Kind: "pcpu",
					Spans: []Span{{FromNanos: 10, ToNanos: 15, State: "running", Who: "vCPU 1"}}},
				{Name: "vCPU 1", Kind: "vcpu", Spans: []Span{}},
			},
			Flows: []Flow{{From: 1, To: 1, AtNanos: 12, WokenNanos: 14}},
		}},
	}
}

func writeSim(t *testing.T, s *Sim) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := s.Write(&out); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func valid(t *testing.T, s *jsonschema.Schema, text []byte) error {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return s.Validate(doc)
}

func TestSimIsReadAsItIsWritten(t *testing.T) {
	have, err := ReadSim(bytes.NewReader(writeSim(t, simSample())))
	if err != nil {
		t.Fatal(err)
	}
	if want := simSample(); !reflect.DeepEqual(have, want) {
		t.Errorf("read %+v\nwrote %+v", have, want)
	}
}

func TestSimSampleSetsEveryField(t *testing.T) {
	s := simSample()
	l := s.Timelines[0]
	for _, v := range []any{*s, s.Plots[0], s.Plots[0].X, s.Plots[0].X.Marks[0], s.Shard, s.Runs[0],
		l, l.Tracks[0], l.Tracks[0].Spans[0], l.Flows[0]} {
		rv := reflect.ValueOf(v)
		for i := range rv.NumField() {
			if rv.Field(i).IsZero() {
				t.Errorf("%s.%s is not set: the tests that use the sample say nothing about it",
					rv.Type(), rv.Type().Field(i).Name)
			}
		}
	}
}

func TestSimIsOfItsSchema(t *testing.T) {
	// What has no element, as the simulator may leave it.
	bare := simSample()
	bare.Runs[0].Setting, bare.Runs[0].Values, bare.Runs[0].Counters, bare.Runs[0].SpinRounds = nil,
		nil, nil, nil
	bare.Timelines[0].Flows, bare.Timelines[0].Tracks[0].Spans = nil, nil
	none := simSample()
	none.Plots, none.Runs, none.Timelines = nil, nil, nil
	for name, s := range map[string]*Sim{"all": simSample(), "bare": bare, "nothing": none} {
		t.Run(name, func(t *testing.T) {
			if err := valid(t, compile(t, SimSchema()), writeSim(t, s)); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestTheSchemaOfSimIsStrict(t *testing.T) {
	text := writeSim(t, simSample())
	for _, at := range []string{"", "shard", "plots 0", "plots 0 x", "plots 0 y",
		"plots 0 x marks 0", "runs 0", "runs 0 latency_ns", "timelines 0", "timelines 0 tracks 0",
		"timelines 0 tracks 0 spans 0", "timelines 0 flows 0"} {
		t.Run("/"+strings.ReplaceAll(at, " ", "/"), func(t *testing.T) {
			strict(t, compile(t, SimSchema()), text, strings.Fields(at), "timelines", "marks",
				"who", "interrupted", "failed")
		})
	}
}

func TestReadingASimRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Sim)
		want   string
	}{
		"no command":        {func(s *Sim) { s.Command = nil }, "no command"},
		"a shard past n":    {func(s *Sim) { s.Shard.Index = 4 }, "shard 4 of 3"},
		"a shard from zero": {func(s *Sim) { s.Shard.Index = 0 }, "shard 0 of 3"},
		"too many runs":     {func(s *Sim) { s.Cells = 0 }, "1 runs of a sweep of 0 cells"},
		"no lock":           {func(s *Sim) { s.Runs[0].Lock = "" }, "run 1 has no lock"},
		"no CPU":            {func(s *Sim) { s.Runs[0].PCPUs = 0 }, "8 vCPUs on 0 CPUs"},
		"a cell past all":   {func(s *Sim) { s.Runs[0].Cell = 5 }, "run 1 is cell 5 of 5"},
	} {
		t.Run(name, func(t *testing.T) {
			s := simSample()
			c.change(s)
			_, err := ReadSim(bytes.NewReader(writeSim(t, s)))
			if err == nil || !strings.Contains(err.Error(), c.want) ||
				strings.Contains(err.Error(), "\n") {
				t.Errorf("%v: want one line with %q", err, c.want)
			}
		})
	}
}

func TestCostsAreReadAsTheyAreWrittenAndOfTheirSchema(t *testing.T) {
	want := &Costs{
		Schema: SchemaCosts, Host: sample().Host,
		Measured: time.Date(2026, 11, 22, 2, 30, 0, 1, time.UTC),
		Costs:    map[string]int64{"hit": 1}, How: map[string]string{"hit": "a load"},
	}
	var out bytes.Buffer
	if err := want.Write(&out); err != nil {
		t.Fatal(err)
	}
	have, err := ReadCosts(bytes.NewReader(out.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(have, want) {
		t.Errorf("read %+v\nwrote %+v", have, want)
	}
	s := compile(t, CostsSchema())
	if err := valid(t, s, out.Bytes()); err != nil {
		t.Error(err)
	}
	strict(t, s, out.Bytes(), nil)
	if _, err := ReadCosts(strings.NewReader(`{"schema": "pvlock/costs/1"}`)); err == nil ||
		!strings.Contains(err.Error(), "no costs") {
		t.Errorf("costs without costs: %v", err)
	}
}
