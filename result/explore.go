package result

import (
	"errors"
	"fmt"
	"io"
)

// SchemaExplore is the schema of the files that package explore writes.
const SchemaExplore = "pvlock/explore/1"

// Explored is what package explore found of a test's closures. That package imports none of this
// module's, so the file's form is declared on both sides.
type Explored struct {
	// Schema is [SchemaExplore].
	Schema string `json:"schema"`
	// Name is the test's.
	Name string `json:"name"`
	// Model is the memory model, and the depth of the store buffers.
	Model   string           `json:"model"`
	Finding *ExploredFinding `json:"finding,omitempty"`
	// Complete says that every state was visited; if not, Cut says what cut it. Refused says that a
	// body does what can't be modelled: then there is nothing else.
	Complete bool   `json:"complete"`
	Cut      string `json:"cut,omitempty"`
	Refused  string `json:"refused,omitempty"`
	// Rests are what a complete result rests on.
	Rests []string `json:"rests,omitempty"`

	States      int64 `json:"states"`
	Transitions int64 `json:"transitions"`
	Depth       int   `json:"depth"`
	// Ends is in how many states all bodies have returned. Rounds is how often it was begun again
	// because something new was learned of which thread touches what.
	Ends       int64   `json:"ends"`
	Rounds     int     `json:"rounds"`
	Elapsed    int64   `json:"elapsed_ns"`
	StateBytes float64 `json:"state_bytes"`
}

// ExploredFinding is a fault, and the shortest way there.
type ExploredFinding struct {
	Kind  string         `json:"kind"`
	Text  string         `json:"text,omitempty"`
	Steps []ExploredStep `json:"steps,omitempty"`
	// Objects says where what the steps name was allocated.
	Objects []string `json:"objects,omitempty"`
	// At says where each thread is at the end of it.
	At []string `json:"at,omitempty"`
}

// ExploredStep is a step of a thread.
type ExploredStep struct {
	Thread int    `json:"thread"`
	What   string `json:"what"`
	Where  string `json:"where,omitempty"`
	Func   string `json:"func,omitempty"`
	// Buffers are the threads' store buffers after it.
	Buffers []string `json:"buffers"`
}

// ReadExplored reads what package explore wrote; see [ReadBench].
func ReadExplored(r io.Reader) (*Explored, error) { return read[Explored](r, SchemaExplore) }

func (x *Explored) check() error {
	if x.Model == "" {
		return errors.New("has no memory model")
	}
	if x.Finding == nil {
		return nil
	}
	for i, s := range x.Finding.Steps {
		if s.Thread < 0 || s.Thread >= len(s.Buffers) || len(s.Buffers) != len(x.Finding.At) {
			return fmt.Errorf("has a finding whose step %d is of another shape", i+1)
		}
	}
	return nil
}
