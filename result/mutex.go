package result

import (
	"errors"
	"fmt"
	"io"
	"math"
	"time"
)

// SchemaMutex is the schema of the files that "pvlock bench mutex" writes.
const SchemaMutex = "pvlock/mutex/1"

// Mutexes is the result of one "pvlock bench mutex".
type Mutexes struct {
	// Schema is [SchemaMutex]. [Mutexes.Write] sets it.
	Schema  string    `json:"schema"`
	Host    Host      `json:"host"`
	Command []string  `json:"command"`
	Started time.Time `json:"started"`
	Ending
	Cells []MutexMeasured `json:"cells"`
}

// MutexCell is one situation in which the mutexes are compared.
type MutexCell struct {
	// Group is what it belongs to, for the geometric mean of it.
	Group string `json:"group"`
	// Name tells it from the others of its group.
	Name string `json:"name"`

	// Procs is GOMAXPROCS.
	Procs int `json:"gomaxprocs"`
	// Goroutines is how many contend, Mutexes for how many, each taken in turn.
	Goroutines int `json:"goroutines"`
	Mutexes    int `json:"mutexes"`
	// Critical and Think are the lengths of the critical section and of what lies between two.
	Critical time.Duration `json:"cs_ns"`
	Think    time.Duration `json:"ncs_ns"`
	// Empty says that there is nothing in the critical section.
	Empty bool `json:"empty,omitempty"`
	// Block is what the holder blocks on: "gosched", "sleep" (10 µs), "channel" (another
	// goroutine's answer).
	Block string `json:"block,omitempty"`
	// Bench is which of Go's own benchmarks it is.
	Bench string `json:"bench,omitempty"`
	// Hogs is how many busy processes run beside.
	Hogs int `json:"hogs,omitempty"`
}

// MutexMeasured is a cell and what was seen in it.
type MutexMeasured struct {
	MutexCell
	// Runs are of [MutexSync], [MutexPvlock] and [MutexControl] in each round.
	Runs []MutexRun `json:"runs"`
}

// The mutexes that are compared. The control is sync once more: its distance from 1 is the noise.
const (
	MutexSync    = "sync"
	MutexPvlock  = "pvlock"
	MutexControl = "control"
)

// MutexRun is one mutex, in one round.
type MutexRun struct {
	Mutex string `json:"mutex"`
	Round int    `json:"round"`
	// Seconds and Acquisitions are of the window without a clock: NanosPerOp and CPUPerOp are
	// wall-clock and CPU time per acquisition in it.
	Seconds      float64 `json:"seconds"`
	Acquisitions uint64  `json:"acquisitions"`
	NanosPerOp   float64 `json:"ns_per_op"`
	CPUPerOp     float64 `json:"cpu_ns_per_op"`
	Jain         float64 `json:"jain"`
	// Waits is the quantiles of the waits in the window with a clock, TimedAcquisitions how many
	// they are of.
	Waits             Latency `json:"waits_ns"`
	TimedAcquisitions uint64  `json:"timed_acquisitions"`
	// Violations is how many updates were lost.
	Violations uint64 `json:"violations"`
}

// Violated reports whether a mutex did not exclude.
func (m *Mutexes) Violated() bool {
	for _, c := range m.Cells {
		for _, run := range c.Runs {
			if run.Violations != 0 {
				return true
			}
		}
	}
	return false
}

// Median returns the median of what of says of a mutex's runs, NaN if there are none.
func (m *MutexMeasured) Median(mutex string, of func(*MutexRun) float64) float64 {
	var values []float64
	for i := range m.Runs {
		if m.Runs[i].Mutex == mutex {
			values = append(values, of(&m.Runs[i]))
		}
	}
	if len(values) == 0 {
		return math.NaN()
	}
	return Median(values)
}

// Ratio returns a mutex's median over that of [MutexSync].
func (m *MutexMeasured) Ratio(mutex string, of func(*MutexRun) float64) float64 {
	return m.Median(mutex, of) / m.Median(MutexSync, of)
}

// MaxRatio returns the highest of what of says of a mutex's runs over that of [MutexSync].
func (m *MutexMeasured) MaxRatio(mutex string, of func(*MutexRun) float64) float64 {
	var most, base float64
	for i := range m.Runs {
		switch m.Runs[i].Mutex {
		case mutex:
			most = max(most, of(&m.Runs[i]))
		case MutexSync:
			base = max(base, of(&m.Runs[i]))
		}
	}
	return most / base
}

// Write writes m as JSON. A number that is not finite is an error.
func (m *Mutexes) Write(w io.Writer) error {
	out := *m
	out.Schema = SchemaMutex
	out.Command = append([]string{}, m.Command...)
	out.Cells = append([]MutexMeasured{}, m.Cells...)
	return writeJSON(w, &out)
}

// ReadMutexes reads what [Mutexes.Write] wrote; see [ReadBench].
func ReadMutexes(r io.Reader) (*Mutexes, error) { return read[Mutexes](r, SchemaMutex) }

func (m *Mutexes) check() error {
	if len(m.Command) == 0 {
		return errors.New("no command")
	}
	for i := range m.Cells {
		if c := &m.Cells[i]; c.Group == "" || c.Name == "" {
			return fmt.Errorf("cell %d has no group or no name", i+1)
		}
	}
	return nil
}
