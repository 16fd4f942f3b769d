package result

import (
	_ "embed"
	"errors"
	"fmt"
	"io"
	"time"
)

// SchemaTorture is the schema of the files that "pvlock torture" writes.
const SchemaTorture = "pvlock/torture/1"

//go:embed schema/torture-1.json
var tortureSchema []byte

// TortureSchema returns the JSON Schema (draft 2020-12) of [SchemaTorture]. It is strict: a field
// that it doesn't name is an error.
func TortureSchema() []byte { return append([]byte(nil), tortureSchema...) }

// Torture is the result of one "pvlock torture".
type Torture struct {
	// Schema is [SchemaTorture]. [Torture.Write] sets it.
	Schema  string    `json:"schema"`
	Host    Host      `json:"host"`
	Command []string  `json:"command"`
	Started time.Time `json:"started"`
	// Seed repeats it, as far as the machine allows.
	Seed uint64 `json:"seed"`
	Ending
	// Skipped is what was left out, and why.
	Skipped []TortureSkip `json:"skipped"`
	// Runs are the locks that were tortured, on each machine, in order.
	Runs []TortureRun `json:"runs"`
}

// TortureSkip is a machine, or a torment, that there isn't here.
type TortureSkip struct {
	What string `json:"what"`
	Why  string `json:"why"`
}

// TortureRun is what one lock went through on one machine, at one overcommit.
type TortureRun struct {
	Lock    string `json:"lock"`
	Machine string `json:"machine"`
	CPUs    int    `json:"cpus"`
	VCPUs   int    `json:"vcpus"`
	// Overcommit is VCPUs over CPUs.
	Overcommit float64 `json:"overcommit"`
	Seconds    float64 `json:"seconds"`
	// Machines is how many machines were made for it, one after the other.
	Machines int `json:"machines"`
	// Torments are the names of what went on around it.
	Torments []string `json:"torments"`
	// Acquisitions is how often a lock was taken, Slow how many of these the fast path didn't make,
	// TryFailed how often TryLock failed. Fewest is the acquisitions of the vCPU that had the
	// fewest.
	Acquisitions uint64 `json:"acquisitions"`
	Slow         uint64 `json:"slow"`
	TryFailed    uint64 `json:"try_failed"`
	Fewest       uint64 `json:"fewest"`
	// Unlocks is how often one was released, and LostWakeups how many waiters slept although the
	// lock was free and nobody would wake them. Stalls is how often nobody got a lock for a while
	// that was wanted, and which was no lost wake-up: who was to get or to release it had lost its
	// CPU, or took long.
	Unlocks     uint64 `json:"unlocks"`
	LostWakeups uint64 `json:"lost_wakeups"`
	Stalls      uint64 `json:"stalls"`
	// LongestWaitNanos is the longest time from wanting a lock to having it.
	LongestWaitNanos int64 `json:"longest_wait_ns"`
	// Counters are as in [Run], with what the torments did added to them.
	Counters map[string]uint64 `json:"counters"`
	// Findings are what ought not to be, one for each kind. Expected says that the lock is a
	// control, or is known to have that fault: that nothing else was found. Missed says that it is
	// a control, and showed nothing.
	Findings []TortureFinding `json:"findings"`
	Expected bool             `json:"expected"`
	Missed   bool             `json:"missed"`
	// Interrupted says that the user stopped it, Failed what of the environment did; "" if nothing
	// did. What it shows holds for the time that it ran: that nothing was found then says little.
	Interrupted bool   `json:"interrupted"`
	Failed      string `json:"failed,omitempty"`
}

// Complete reports whether it ran to its end.
func (r *TortureRun) Complete() bool { return !r.Interrupted && r.Failed == "" }

// The kinds of findings.
const (
	FindingExclusion = "exclusion" // two vCPUs held a lock at once
	// all waiters of a free lock sleep, and nobody will wake them
	FindingLost = "lost wake-up"
	// nobody gets anywhere, and it is no lost wake-up that can be seen
	FindingNoProgress = "no progress"
	FindingSum        = "sum"   // what the lock protects doesn't add up
	FindingReuse      = "reuse" // a lock's memory was written to after its release
	FindingLeak       = "leak"  // something was left behind
)

// TortureFinding is one thing that ought not to be.
type TortureFinding struct {
	// Kind is one of those above.
	Kind string `json:"kind"`
	// AtSeconds is when it was first found, since the run began.
	AtSeconds float64 `json:"at_s"`
	// Count is how often.
	Count uint64 `json:"count"`
	// Text says the first in a line.
	Text string `json:"text"`
}

// Write writes t as JSON. A number that is not finite is an error.
func (t *Torture) Write(w io.Writer) error {
	out := *t
	out.Schema = SchemaTorture
	// A list or an object that is empty is written as such, never as null.
	out.Command = append([]string{}, t.Command...)
	out.Skipped = append([]TortureSkip{}, t.Skipped...)
	out.Runs = append([]TortureRun{}, t.Runs...)
	for i := range out.Runs {
		r := &out.Runs[i]
		r.Torments = append([]string{}, r.Torments...)
		r.Findings = append([]TortureFinding{}, r.Findings...)
		if r.Counters == nil {
			r.Counters = map[string]uint64{}
		}
	}
	return writeJSON(w, &out)
}

// ReadTorture reads what [Torture.Write] wrote; see [ReadBench].
func ReadTorture(r io.Reader) (*Torture, error) { return read[Torture](r, SchemaTorture) }

func (t *Torture) check() error {
	if len(t.Command) == 0 {
		return errors.New("no command")
	}
	for i := range t.Runs {
		switch r := &t.Runs[i]; {
		case r.Lock == "":
			return fmt.Errorf("run %d has no lock", i+1)
		case r.Machine == "":
			return fmt.Errorf("run %d has no machine", i+1)
		case r.CPUs < 1 || r.VCPUs < 1:
			return fmt.Errorf("run %d has %d vCPUs on %d CPUs, want 1 or more of each", i+1,
				r.VCPUs, r.CPUs)
		}
	}
	return nil
}
