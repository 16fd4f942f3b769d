// Package explore is a model checker for compiled Go code, used from go test.
//
// It reads the machine code of this very process, interprets it, and explores every interleaving of
// a few closures under the memory model of x86 (TSO, store buffers included), or under sequential
// consistency. What is checked is what the compiler made of the source.
//
//	explore.Test(t, explore.Config{}, func() { … }, func() { … })
//
// The bodies run in the interpreter alone: an exploration changes no memory of the process.
// docs/explore.md says what bodies may do, and what a clean result rests on.
package explore

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"
)

// Model is a memory model.
type Model uint8

const (
	// TSO is x86: each thread has a first-in-first-out store buffer, which it reads first.
	TSO Model = iota
	// SC is sequential consistency: each store is in memory at once.
	SC
)

func (m Model) String() string {
	if m == SC {
		return "SC"
	}
	return "x86-TSO"
}

// Feature is something that makes an exploration smaller and must not change its verdict.
type Feature uint8

const (
	// Liveness leaves out of a state what its threads will not read again.
	Liveness Feature = 1 << iota
	// Facts leaves out scheduling points at accesses that no other thread can observe.
	Facts
	// Symmetry merges states that differ by a permutation of threads with the same closure.
	Symmetry
	// PartialOrder explores one thread alone where no other can tell the difference.
	PartialOrder
)

// Config says how to explore. Its zero value explores under TSO, without a bound but memory.
type Config struct {
	Memory Model
	// Buffer is how many stores a thread's store buffer holds; 0 is 4, the most 8.
	Buffer int
	// Final runs alone when all bodies have returned and all stores have reached memory.
	Final func()
	// MaxStates and MaxTime end an exploration early; 0 means no bound.
	MaxStates int
	MaxTime   time.Duration
	// AllowIncomplete makes Test pass when a bound ended the exploration.
	AllowIncomplete bool
	// Workers is how many goroutines explore; 0 is GOMAXPROCS.
	Workers int
	// Reuse hands out memory given back by Free again, the last first. Without it no memory is
	// handed out twice, and no ABA can come of it.
	Reuse bool
	// Races finds data races in Go's sense as well, and explores under SC. It needs the sources.
	Races bool
	// Names maps names for traces to pointers to what they name; what that points to is named by
	// its fields and elements.
	Names map[string]any
	// Without switches features off.
	Without Feature
	// Poison, unless it is 0, fills everything that liveness holds to be dead before each step. The
	// counts must not change.
	Poison uint64
	// Hooks take the place of functions, by address.
	Hooks []Hook
	// Events are what may happen from outside.
	Events []Event
	// Weaken changes instructions, by address.
	Weaken map[uintptr]Weakening
}

// buffer is the depth of the store buffers.
func (c *Config) buffer() int {
	if c.Buffer == 0 {
		return 4
	}
	return c.Buffer
}

// model is the memory model in words.
func (c *Config) model() string {
	if c.Memory == SC || c.Races {
		return SC.String()
	}
	return fmt.Sprintf("%v, store buffers of %d", TSO, c.buffer())
}

// Result is what an exploration found.
type Result struct {
	// Name is what the result is called in a file; Test sets it to the test's name.
	Name string `json:"name"`
	// Model is the memory model, and the depth of the store buffers.
	Model string `json:"model"`
	// Finding is nil if nothing was found.
	Finding *Finding `json:"finding,omitempty"`
	// Complete says that every reachable state was visited, or that there is a finding.
	Complete bool `json:"complete"`
	// Cut says why the exploration is not complete, in a line.
	Cut string `json:"cut,omitempty"`
	// Refused says that bodies do what can't be modelled, where, and what.
	Refused string `json:"refused,omitempty"`
	// Rests lists what a complete result rests on.
	Rests []string `json:"rests,omitempty"`

	States      int `json:"states"` // visited
	Transitions int `json:"transitions"`
	Depth       int `json:"depth"` // of the search, in steps
	Ends        int `json:"ends"`  // states in which all bodies have returned
	// explorations until nothing new was learned of which thread touches what
	Rounds  int           `json:"rounds"`
	Elapsed time.Duration `json:"elapsed_ns"` // of all rounds
	// StateBytes is what a visited state takes in the set of visited states, on average.
	StateBytes float64 `json:"state_bytes"`
}

// A Finding is a fault, and the shortest way there.
type Finding struct {
	// Kind is one of "assertion", "panic", "fatal error", "fault", "deadlock", "livelock",
	// "use after free", "data race", or what a hook failed with.
	Kind string `json:"kind"`
	Text string `json:"text,omitempty"`
	// Steps is the way there.
	Steps []Step `json:"steps,omitempty"`
	// Objects says where what bodies have allocated was allocated, as far as the steps name it.
	Objects []string `json:"objects,omitempty"`
	// At says where each thread is at the end of it.
	At []string `json:"at,omitempty"`
}

// A Step is a step of a thread.
type Step struct {
	Thread  int      `json:"thread"`
	What    string   `json:"what"`
	Where   string   `json:"where,omitempty"` // file:line
	Func    string   `json:"func,omitempty"`  // the function that it is in
	Buffers []string `json:"buffers"`         // each thread's store buffer after it
}

// Run explores every interleaving of the bodies.
func Run(cfg Config, bodies ...func()) *Result {
	began := time.Now()
	r := run(&cfg, bodies)
	r.Elapsed = time.Since(began)
	r.Model = cfg.model()
	return r
}

// Test explores every interleaving of the bodies, logs the figures, and fails the test with what
// was found. An exploration that is not complete fails too, unless the configuration allows it.
func Test(t testing.TB, cfg Config, bodies ...func()) *Result {
	t.Helper()
	r := Run(cfg, bodies...)
	r.Name = t.Name()
	switch {
	case r.Refused != "":
		t.Fatalf("explore: %s", r.Refused)
	case r.Finding != nil:
		t.Errorf("explore: %s", r)
	case !r.Complete && !cfg.AllowIncomplete:
		t.Errorf("explore: %s", r)
	default:
		t.Logf("explore: %s", r)
	}
	return r
}

// String is the summary in a line, and the way to the finding.
func (r *Result) String() string {
	if r.Refused != "" {
		return "refused: " + r.Refused
	}
	var b strings.Builder
	what := "nothing found"
	if f := r.Finding; f != nil {
		what = f.Kind
		if f.Text != "" {
			what += ": " + f.Text
		}
	}
	complete := "complete"
	if !r.Complete {
		complete = "not complete: " + r.Cut
	}
	fmt.Fprintf(&b, "%s; %d states, %d transitions, %s", what, r.States, r.Transitions, complete)
	if r.Finding != nil {
		b.WriteByte('\n')
		r.Finding.Print(&b)
	}
	return b.String()
}

// Schema is the schema of the files that [Result.Write] writes.
const Schema = "pvlock/explore/1"

// Write writes the result as JSON, of which "pvlock report" makes a page.
func (r *Result) Write(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	err := e.Encode(struct {
		Schema string `json:"schema"`
		*Result
	}{Schema, r})
	if err != nil {
		return fmt.Errorf("write the result of an exploration: %w", err)
	}
	return nil
}

// Print writes the way to a finding: a column for each thread, a row for each step.
func (f *Finding) Print(w io.Writer) error { return f.print(w) }
