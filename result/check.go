package result

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// SchemaCheck is the schema of the files that "pvlock check" writes.
const SchemaCheck = "pvlock/check/1"

// Check is the result of one "pvlock check".
type Check struct {
	// Schema is [SchemaCheck]. [Check.Write] sets it.
	Schema string `json:"schema"`
	// Command is the exact command.
	Command []string `json:"command,omitempty"`
	Ending
	// Runs are the explorations of locks that ought to be right, or that were asked for.
	Runs      []*Exploration  `json:"runs"`
	Scenarios []CheckScenario `json:"scenarios,omitempty"`
	Necessity []LockNeeds     `json:"necessity,omitempty"`
	// Unseen are faults of the locks' history that the model can't show.
	Unseen []string `json:"unseen,omitempty"`
}

// Exploration is what was found of one lock with one client.
type Exploration struct {
	Lock   string `json:"lock"`
	Client string `json:"client"`
	Model  string `json:"model"`
	// Change is what was weakened, "" for nothing.
	Change string `json:"change,omitempty"`

	// Complete says that every state was visited. If not, Bound says what cut it.
	Complete bool   `json:"complete"`
	Bound    string `json:"bound,omitempty"`

	States      int64 `json:"states"`
	Transitions int64 `json:"transitions"`
	Depth       int   `json:"depth"`
	// Places is how many local states the CPUs' texts have.
	Places int `json:"places"`

	Seconds float64 `json:"seconds"`

	// Buffer is how many stores the store buffers hold, if that held a CPU up: 0 says that deeper
	// ones would make no difference.
	Buffer int `json:"buffer,omitempty"`

	// Progress says that it was checked that the clients can come to their end from every
	// state.
	Progress bool `json:"progress"`

	// Counted says that Passed was.
	Counted bool `json:"counted,omitempty"`
	// Passed is how many acquisitions of others came between a waiter's first mark on the
	// lock and its own, at most.
	Passed int `json:"passed,omitempty"`
	// Kicks is how often a CPU was notified for one acquisition, at most. More than one is waste,
	// and no violation.
	Kicks int `json:"kicks,omitempty"`

	Finding *CheckFinding `json:"finding,omitempty"`
}

// Violation is something that no lock may do.
type Violation struct {
	Kind ViolationKind `json:"kind"`
	Text string        `json:"text"`
}

// ViolationKind is a kind of violation, in a few words.
type ViolationKind string

// CheckFinding is a violation and the way there.
type CheckFinding struct {
	Violation
	// Steps is how many steps with a choice lead there, at the least.
	Steps int        `json:"steps"`
	Rows  []CheckRow `json:"rows"`
}

// CheckRow is a step of a counterexample.
type CheckRow struct {
	CPU  int    `json:"cpu"`
	Site string `json:"site,omitempty"`
	Func string `json:"func,omitempty"`
	What string `json:"what"`
	// After it: each CPU's store buffer, oldest first, and the lock words.
	Buffers []string `json:"buffers"`
	Locks   []string `json:"locks"`
	// Pending are the CPUs whose event channel is pending.
	Pending []int `json:"pending,omitempty"`
}

// CheckScenario is what was found of a fault of the locks' history.
type CheckScenario struct {
	Name  string         `json:"name"`
	About string         `json:"about"`
	Want  ViolationKind  `json:"want"`
	Found *Exploration   `json:"found"`
	Clean []*Exploration `json:"clean"`
	// Held says that what had to be found was, and where it was mended nothing.
	Held bool `json:"held"`
}

// Undecided says that a bound cut the scenario before it could hold, and that what was seen by then
// is as it must be.
func (s *CheckScenario) Undecided() bool {
	if s.Held {
		return false
	}
	cut := func(x *Exploration) bool { return x.Finding == nil && !x.Complete }
	undecided := false
	for _, x := range s.Clean {
		if x.Finding != nil {
			return false
		}
		undecided = undecided || cut(x)
	}
	if cut(s.Found) {
		return true
	}
	asItMust := s.Found.Finding != nil && s.Found.Finding.Kind == s.Want ||
		s.Found.Finding == nil && s.Want == ""
	return undecided && asItMust
}

// LockNeeds is a lock's necessity table.
type LockNeeds struct {
	Lock  string `json:"lock"`
	Needs []Need `json:"needs"`
}

// Need is a line of the necessity table: a piece of a lock's text, weakened, and what that breaks.
type Need struct {
	// At is the place, file:line, Text what stands there.
	At   string `json:"at"`
	Text string `json:"text"`
	// Change is how it was weakened.
	Change string `json:"change"`
	// Breaks is what is found then; "" if nothing is, and the thing is redundant as far as
	// the clients go.
	Breaks ViolationKind `json:"breaks"`
	// Client is the one that shows it, Steps the length of the shortest way.
	Client string `json:"client,omitempty"`
	Steps  int    `json:"steps,omitempty"`
	// Complete says that all clients were explored to the end with nothing found. If they weren't,
	// Cut says which, and by what bound.
	Complete bool     `json:"complete"`
	Cut      []string `json:"cut,omitempty"`
}

// Violated says whether something was found that ought not to be: in a run, or in a scenario that
// didn't show what it must.
func (c *Check) Violated() error {
	var bad []string
	for _, x := range c.Runs {
		if x.Finding != nil {
			bad = append(bad, x.Lock+": "+string(x.Finding.Kind))
		}
	}
	for _, s := range c.Scenarios {
		if !s.Held && !s.Undecided() {
			bad = append(bad, "scenario "+s.Name+" does not hold")
		}
	}
	if bad == nil {
		return nil
	}
	return errors.New(strings.Join(slices.Compact(bad), "; "))
}

// Undecided names the scenarios that a bound cut; "" if none was.
func (c *Check) Undecided() string {
	var cut []string
	for i := range c.Scenarios {
		if s := &c.Scenarios[i]; s.Undecided() {
			cut = append(cut, s.Name)
		}
	}
	return strings.Join(cut, ", ")
}

// Write writes c as JSON. A number that is not finite is an error.
func (c *Check) Write(w io.Writer) error {
	out := *c
	out.Schema = SchemaCheck
	out.Runs = append([]*Exploration{}, c.Runs...)
	return writeJSON(w, &out)
}

// ReadCheck reads what [Check.Write] wrote; see [ReadBench].
func ReadCheck(r io.Reader) (*Check, error) { return read[Check](r, SchemaCheck) }

func (c *Check) check() error {
	for i, x := range c.Runs {
		if err := x.check(); err != nil {
			return fmt.Errorf("run %d %w", i+1, err)
		}
	}
	for i := range c.Scenarios {
		s := &c.Scenarios[i]
		for _, x := range append([]*Exploration{s.Found}, s.Clean...) {
			if err := x.check(); err != nil {
				return fmt.Errorf("scenario %d %w", i+1, err)
			}
		}
	}
	return nil
}

func (x *Exploration) check() error {
	switch {
	case x == nil:
		return errors.New("is null")
	case x.Lock == "":
		return errors.New("has no lock")
	}
	if x.Finding == nil {
		return nil
	}
	for i := range x.Finding.Rows {
		r, first := &x.Finding.Rows[i], &x.Finding.Rows[0]
		if r.CPU < 0 || r.CPU >= len(r.Buffers) || len(r.Buffers) != len(first.Buffers) ||
			len(r.Locks) != len(first.Locks) {
			return fmt.Errorf("has a counterexample whose step %d is of another shape", i+1)
		}
	}
	return nil
}
