package result

import (
	"errors"
	"fmt"
	"io"
	"time"
)

// SchemaTorture is the schema of the files that "pvlock torture" writes.
const SchemaTorture = "pvlock/torture/1"

// Torture is the result of one "pvlock torture".
type Torture struct {
	// Schema is [SchemaTorture]. [Torture.Write] sets it.
	Schema  string    `json:"schema"`
	Host    Host      `json:"host"`
	Command []string  `json:"command"`
	Started time.Time `json:"started"`
	// Seed repeats it, as far as the machine allows.
	Seed uint64 `json:"seed"`
	// Runs are the locks that were tortured, on each machine, in order.
	Runs []TortureRun `json:"runs"`
}

// TortureRun is what one lock went through on one machine.
type TortureRun struct {
	Lock    string  `json:"lock"`
	Machine string  `json:"machine"`
	CPUs    int     `json:"cpus"`
	VCPUs   int     `json:"vcpus"`
	Seconds float64 `json:"seconds"`
	// Torments are the names of what went on around it.
	Torments []string `json:"torments"`
	// Acquisitions is how often a lock was taken, Slow how many of these the fast path didn't make, TryFailed
	// how often TryLock failed.
	Acquisitions uint64 `json:"acquisitions"`
	Slow         uint64 `json:"slow"`
	TryFailed    uint64 `json:"try_failed"`
	// Unlocks is how often one was released, and LostWakeups how many waiters slept although the lock was free
	// and nobody would wake them.
	Unlocks     uint64 `json:"unlocks"`
	LostWakeups uint64 `json:"lost_wakeups"`
	// LongestWaitNanos is the longest time from wanting a lock to having it.
	LongestWaitNanos int64 `json:"longest_wait_ns"`
	// Counters are as in [Run], with what the torments did added to them.
	Counters map[string]uint64 `json:"counters"`
	// Findings are what ought not to be. Expected says that the lock is a control, or is known to have that fault;
	// Missed that it is one, and showed nothing.
	Findings []TortureFinding `json:"findings"`
	Expected bool             `json:"expected"`
	Missed   bool             `json:"missed"`
}

// TortureFinding is one thing that ought not to be.
type TortureFinding struct {
	// Kind is "exclusion", "lost wake-up", "no progress", "sum", "leak" or "history".
	Kind string `json:"kind"`
	// AtSeconds is when it was found, since the run began.
	AtSeconds float64 `json:"at_s"`
	// Text says it in a line.
	Text string `json:"text"`
}

// Write writes t as JSON. A number that is not finite is an error.
func (t *Torture) Write(w io.Writer) error {
	out := *t
	out.Schema = SchemaTorture
	out.Command = append([]string{}, t.Command...)
	out.Runs = append([]TortureRun{}, t.Runs...)
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
		}
	}
	return nil
}
