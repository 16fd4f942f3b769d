package result

import (
	_ "embed"
	"errors"
	"fmt"
	"io"
)

// SchemaSim is the schema of the files that "pvlock sim" writes.
const SchemaSim = "pvlock/sim/1"

//go:embed schema/sim-1.json
var simSchema []byte

// SimSchema returns the JSON Schema of [SchemaSim]; see [BenchSchema].
func SimSchema() []byte { return append([]byte(nil), simSchema...) }

// Sim is the result of one "pvlock sim": a sweep of cells, or a shard of one. It holds nothing of
// the machine that computed it and no clock, so the same command gives the same bytes anywhere.
type Sim struct {
	// Schema is [SchemaSim]. [Sim.Write] sets it.
	Schema string `json:"schema"`
	// Command is the exact command, without what doesn't change the result: shard, workers, file
	// names.
	Command []string `json:"command"`
	// Experiment is its name, "free" for a sweep of the user's own; About is the sentence that says
	// what it shows.
	Experiment string `json:"experiment"`
	About      string `json:"about"`
	// Seed is what all randomness comes from.
	Seed uint64 `json:"seed"`
	// Costs is the set of parameters that time is counted by, in ns, by name; CostsFrom is where
	// they are from: "defaults", or what a calibration measured.
	Costs     map[string]int64 `json:"costs_ns"`
	CostsFrom string           `json:"costs_from"`
	// Plots are the pictures that show it.
	Plots []Plot `json:"plots"`
	// Shard is which part of the sweep this is.
	Shard Shard `json:"shard"`
	// Cells is the number of cells of the whole sweep.
	Cells int `json:"cells"`
	// Runs are the cells that were run, in the order of their numbers.
	Runs []SimRun `json:"runs"`
	Ending
	// Timelines show what each CPU did in a stretch of a run; absent if none was asked for.
	Timelines []Timeline `json:"timelines,omitempty"`
}

// Shard is part Index of Of parts of a sweep, 1 of 1 for the whole.
type Shard struct {
	Index int `json:"index"`
	Of    int `json:"of"`
}

// Plot is one picture: what Y says of a run over what X says, a line for each series.
type Plot struct {
	Title string `json:"title"`
	X     Axis   `json:"x"`
	Y     Axis   `json:"y"`
}

// Axis is one axis of a plot.
type Axis struct {
	// Value is which of a run's values it shows.
	Value string `json:"value"`
	// Label names it, Unit is its unit, "" for a plain number or a share.
	Label string `json:"label"`
	Unit  string `json:"unit"`
	// Log says that it is logarithmic.
	Log bool `json:"log"`
	// Mark are values to draw a line at, with a word for each.
	Marks []Mark `json:"marks,omitempty"`
}

// Mark is a line across a plot.
type Mark struct {
	At    float64 `json:"at"`
	Label string  `json:"label"`
}

// SimRun is one cell of a sweep.
type SimRun struct {
	// Cell is its number in the sweep, from 0.
	Cell int `json:"cell"`
	// Series is the line of the plots that it is a point of: a lock, or a lock and a variant.
	Series string `json:"series"`
	// Lock is its name in the catalogue.
	Lock string `json:"lock"`
	// Scheduler is the host's.
	Scheduler string `json:"scheduler"`
	// Setting is what else this cell was given, by the flag's name.
	Setting map[string]string `json:"setting"`
	// PCPUs is how many CPUs the host has, VCPUs how many vCPUs the measured guests have
	// together, VMs how many guests these are, Background how many vCPUs of others compute.
	PCPUs      int `json:"pcpus"`
	VCPUs      int `json:"vcpus"`
	VMs        int `json:"vms"`
	Background int `json:"background"`
	// CSNanos and NCSNanos are the lengths of the critical section and of the mean
	// non-critical one.
	CSNanos  int64 `json:"cs_ns"`
	NCSNanos int64 `json:"ncs_ns"`
	// Nanos is the virtual time that was measured, Events how many events the whole run took.
	Nanos  int64  `json:"ns"`
	Events uint64 `json:"events"`
	// Acquisitions, Contended, Blocked are as in [Run].
	Acquisitions uint64 `json:"acquisitions"`
	Contended    uint64 `json:"contended"`
	Blocked      uint64 `json:"blocked"`
	// Latency is the time from wanting the lock to having it.
	Latency Latency `json:"latency_ns"`
	// Values are figures that a plot may show: "overcommit", "ops_per_s", "jain", "cpu_per_op_ns",
	// …
	Values map[string]float64 `json:"values"`
	// Counters and SpinRounds are as in [Run].
	Counters   map[string]uint64 `json:"counters"`
	SpinRounds []uint64          `json:"spin_rounds"`
	// Stalled says that no acquisition was made in the last half of the time.
	Stalled bool `json:"stalled"`
}

// Timeline is what CPUs did in a stretch of virtual time.
type Timeline struct {
	// Cell is the number of the run that it is of.
	Cell      int    `json:"cell"`
	Title     string `json:"title"`
	FromNanos int64  `json:"from_ns"`
	ToNanos   int64  `json:"to_ns"`
	// Tracks are the physical CPUs first, then the virtual ones.
	Tracks []Track `json:"tracks"`
	Flows  []Flow  `json:"flows"`
}

// Track is one CPU's row.
type Track struct {
	Name  string `json:"name"`
	Kind  string `json:"kind"` // "pcpu" or "vcpu"
	Spans []Span `json:"spans"`
}

// Span is a stretch of one state.
type Span struct {
	FromNanos int64 `json:"from_ns"`
	ToNanos   int64 `json:"to_ns"`
	// State is "running", "spinning", "holding", "blocked" or "preempted"; on a physical CPU it is
	// "running" or "idle".
	State string `json:"state"`
	// Who names the vCPU that a physical CPU runs; "" otherwise.
	Who string `json:"who,omitempty"`
}

// Flow is a kick and the wake-up that it made.
type Flow struct {
	From    int   `json:"from"` // a track
	To      int   `json:"to"`
	AtNanos int64 `json:"at_ns"`
	// WokenNanos is when the woken vCPU ran.
	WokenNanos int64 `json:"woken_ns"`
}

// Write writes s as JSON. A number that is not finite is an error.
func (s *Sim) Write(w io.Writer) error {
	out := *s
	out.Schema = SchemaSim
	out.Command = append([]string{}, s.Command...)
	out.Plots = append([]Plot{}, s.Plots...)
	out.Runs = append([]SimRun{}, s.Runs...)
	for i := range out.Runs {
		r := &out.Runs[i]
		// As in Bench.Write: empty, and never null.
		r.Setting, r.Values, r.Counters = notNil(r.Setting), notNil(r.Values), notNil(r.Counters)
		r.SpinRounds = append([]uint64{}, r.SpinRounds...)
	}
	out.Timelines = append([]Timeline(nil), s.Timelines...)
	for i := range out.Timelines {
		t := &out.Timelines[i]
		t.Tracks, t.Flows = append([]Track{}, t.Tracks...), append([]Flow{}, t.Flows...)
		for j := range t.Tracks {
			t.Tracks[j].Spans = append([]Span{}, t.Tracks[j].Spans...)
		}
	}
	return writeJSON(w, &out)
}

func notNil[V any](m map[string]V) map[string]V {
	if m == nil {
		return map[string]V{}
	}
	return m
}

// ReadSim reads what [Sim.Write] wrote; see [ReadBench].
func ReadSim(r io.Reader) (*Sim, error) { return read[Sim](r, SchemaSim) }

func (s *Sim) check() error {
	switch {
	case len(s.Command) == 0:
		return errors.New("no command")
	case s.Shard.Of < 1 || s.Shard.Index < 1 || s.Shard.Index > s.Shard.Of:
		return fmt.Errorf("shard %d of %d", s.Shard.Index, s.Shard.Of)
	case s.Cells < len(s.Runs):
		return fmt.Errorf("%d runs of a sweep of %d cells", len(s.Runs), s.Cells)
	}
	for i := range s.Runs {
		switch r := &s.Runs[i]; {
		case r.Lock == "":
			return fmt.Errorf("run %d has no lock", i+1)
		case r.PCPUs < 1 || r.VCPUs < 1:
			return fmt.Errorf("run %d has %d vCPUs on %d CPUs, want 1 or more of each", i+1,
				r.VCPUs, r.PCPUs)
		case r.Cell < 0 || r.Cell >= s.Cells:
			return fmt.Errorf("run %d is cell %d of %d", i+1, r.Cell, s.Cells)
		}
	}
	return nil
}
