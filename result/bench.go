package result

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
)

// SchemaBench is the schema of the files that "pvlock bench" writes.
const SchemaBench = "pvlock/bench/1"

//go:embed schema/bench-1.json
var benchSchema []byte

// BenchSchema returns the JSON Schema (draft 2020-12) of [SchemaBench]. It is strict: a field that
// it doesn't name is an error.
func BenchSchema() []byte { return append([]byte(nil), benchSchema...) }

// Bench is the result of one "pvlock bench".
type Bench struct {
	// Schema is [SchemaBench]. [Bench.Write] sets it.
	Schema string `json:"schema"`
	// Host is the machine that it was measured on.
	Host Host `json:"host"`
	// Command is the exact command: its name and its arguments.
	Command []string `json:"command"`
	// Started is when the first run began.
	Started time.Time `json:"started"`
	Ending
	// Runs are in the order in which they were made: rounds interleave the locks, so that the
	// drift of a noisy machine hits all alike.
	Runs []Run `json:"runs"`
}

// Host is the machine beneath a measurement. A string is "unknown" where the
// platform doesn't tell.
type Host struct {
	// CPU is the processor's model.
	CPU string `json:"cpu"`
	// CPUs is how many CPUs the process may use.
	CPUs int `json:"cpus"`
	// Hypervisor is what the CPUs are virtual under; "none" on bare metal.
	Hypervisor string `json:"hypervisor"`
	// Emulated says that the CPUs are software: figures say nothing of a processor, and are never
	// to be compared with those that do. It is left out where they are not.
	Emulated bool `json:"emulated,omitempty"`
	// Kernel is the operating system's release.
	Kernel string `json:"kernel"`
	// GOOS and GOARCH are what the program was built for.
	GOOS   string `json:"goos"`
	GOARCH string `json:"goarch"`
	// Go is the version of Go it was built with.
	Go string `json:"go"`
	// Revision is that of pvlock, with "+dirty" if its tree had changes; left out where its build
	// doesn't say.
	Revision string `json:"revision,omitempty"`
	// GOMAXPROCS is its value before any run raised it.
	GOMAXPROCS int `json:"gomaxprocs"`
	// QuotaCPUs is how many CPUs' time the control group may use; 0 means no limit.
	QuotaCPUs float64 `json:"quota_cpus"`
	// Unknown lists the numbers above that are placeholders, because they are not known, and why.
	Unknown []string `json:"unknown,omitempty"`
	// PauseNanos is what one spin round costs, in ns: a PAUSE and a look. Budgets are
	// in rounds.
	PauseNanos float64 `json:"pause_ns"`
	// Steal is the time that the hypervisor has taken; nil where it isn't known.
	Steal *Steal `json:"steal,omitempty"`
}

// Steal is the time, in ns, for which a CPU of the machine was ready to run and
// the hypervisor ran something else, summed over all CPUs since boot.
type Steal struct {
	// BeforeNanos was read before the first run, AfterNanos after the last.
	BeforeNanos int64 `json:"before_ns"`
	AfterNanos  int64 `json:"after_ns"`
}

// Unbound is the counter of the times that a vCPU came up without an event channel, because that
// couldn't be bound: it ran, and spun where others sleep. It is absent where there are none.
const Unbound = "unbound"

// Run is one measurement: one lock, at one overcommit, in one round.
type Run struct {
	// Lock is its name in the catalogue, or a peer's.
	Lock string `json:"lock"`
	// Peer says that it is not of the catalogue, but there to compare with.
	Peer bool `json:"peer"`
	// Machine is what the vCPUs are: "threads", "goroutines", ….
	Machine string `json:"machine"`
	// CPUs is how many CPUs they share.
	CPUs int `json:"cpus"`
	// VCPUs is how many there are.
	VCPUs int `json:"vcpus"`
	// Overcommit is VCPUs over CPUs.
	Overcommit float64 `json:"overcommit"`
	// Neighbours is the number of vCPUs of another virtual machine that computed on the same CPUs
	// all the time.
	Neighbours int `json:"neighbours,omitempty"`
	// CSNanos and NCSNanos are the lengths of the critical section and of the mean
	// non-critical one, in ns.
	CSNanos  int64 `json:"cs_ns"`
	NCSNanos int64 `json:"ncs_ns"`
	// Round counts from 1.
	Round int `json:"round"`

	// Seconds is how long it ran, by the clock on the wall.
	Seconds float64 `json:"seconds"`
	// Acquisitions is how often the lock was taken in that time, by all vCPUs.
	Acquisitions uint64 `json:"acquisitions"`
	// AcquisitionsTotal is how often it was taken from first to last, with the warm-up before that
	// time and the drain after it: what CPUSeconds, Contended, Blocked, the counters
	// and the histogram are about.
	AcquisitionsTotal uint64 `json:"acquisitions_total"`
	// OpsPerSecond is Acquisitions over Seconds.
	OpsPerSecond float64 `json:"ops_per_s"`
	// Jain is Jain's index over the vCPUs' acquisitions; see [Jain].
	Jain float64 `json:"jain"`
	// CPUSeconds is the CPU time, user and system, that the vCPUs used.
	CPUSeconds float64 `json:"cpu_s"`

	// Latency is the time from wanting the lock to having it, corrected for coordinated
	// omission; LatencyClosed is the same as it was seen. See [NewLatency].
	Latency       Latency `json:"latency_ns"`
	LatencyClosed Latency `json:"latency_closed_ns"`

	// Contended is how many acquisitions the fast path didn't make; Blocked is how many of these
	// gave the CPU up, once or more.
	Contended uint64 `json:"contended"`
	Blocked   uint64 `json:"blocked"`
	// LostWakeups is how many waiters slept although the lock was free and nobody
	// would wake them: the watchdog did.
	LostWakeups uint64 `json:"lost_wakeups"`
	// Violations is how often two vCPUs were found inside at the same time, or an
	// update was lost.
	Violations uint64 `json:"violations"`

	// Interrupted says that the user stopped the run, TimedOut that it hit its
	// limit. What it says holds for the time it ran.
	Interrupted bool `json:"interrupted"`
	TimedOut    bool `json:"timed_out"`

	// Disturbed is what went on meanwhile that was not asked for; absent if nothing did that could
	// be seen. Repeats is how often the run was made again because it was disturbed: only the last
	// one stands here.
	Disturbed []Disturbance `json:"disturbed,omitempty"`
	Repeats   int           `json:"repeats,omitempty"`

	// NVCSW and NIVCSW are the vCPUs' voluntary and involuntary context switches, as the
	// kernel counts them.
	NVCSW  int64 `json:"nvcsw"`
	NIVCSW int64 `json:"nivcsw"`

	// Steal is for how long each vCPU was ready to run and had no CPU, in ns; absent
	// where that isn't known.
	Steal []int64 `json:"steal_ns,omitempty"`

	// Counters are the lock's and the machine's events by name, summed over the vCPUs.
	Counters map[string]uint64 `json:"counters"`
	// SpinRounds is a histogram of the rounds spun for contended acquisitions that
	// didn't block: element 0 counts zeros, element i those from 2^(i-1) up to 2^i-1,
	// the last all above.
	SpinRounds []uint64 `json:"spin_rounds"`
}

// Disturbance is something that makes a run less than a good one.
type Disturbance struct {
	// Kind is one of those below, Amount how much of it.
	Kind   string  `json:"kind"`
	Amount float64 `json:"amount"`
	// Text says it in a line.
	Text string `json:"text"`
}

// The kinds of disturbances.
const (
	DisturbedOverrun = "overrun" // the window was longer than asked, by so many seconds
	DisturbedCPUs    = "cpus"    // the CPUs that the process may use changed, to so many
	DisturbedStolen  = "stolen"  // the hypervisor took this share of the CPU time
	DisturbedOthers  = "others"  // other processes took this share of the CPUs' time
)

// Disturbances says in lines which runs were disturbed, at most so many of them.
func (b *Bench) Disturbances(most int) (lines []string) {
	disturbed, repeats := 0, 0
	for i := range b.Runs {
		r := &b.Runs[i]
		repeats += r.Repeats
		if r.Disturbed == nil {
			continue
		}
		if disturbed++; disturbed > most {
			continue
		}
		var texts []string
		for _, d := range r.Disturbed {
			texts = append(texts, d.Text)
		}
		lines = append(lines,
			fmt.Sprintf("Disturbed: %s with %d vCPUs, round %d: %s.", r.Lock, r.VCPUs, r.Round,
				strings.Join(texts, "; ")))
	}
	if disturbed > most {
		lines = append(lines, fmt.Sprintf("And %d more runs were disturbed.", disturbed-most))
	}
	if disturbed > 0 || repeats > 0 {
		lines = append(lines,
			fmt.Sprintf("%d of %d runs were disturbed; %d were made again for that.", disturbed,
				len(b.Runs), repeats))
	}
	return lines
}

// Latency is quantiles of a time, in ns. All are 0 if there was nothing to measure.
type Latency struct {
	P50  uint64 `json:"p50"`
	P99  uint64 `json:"p99"`
	P999 uint64 `json:"p999"`
	Max  uint64 `json:"max"`
}

// Write writes b as JSON. A number that is not finite is an error.
func (b *Bench) Write(w io.Writer) error {
	out := *b
	out.Schema = SchemaBench
	// A list or an object that is empty is written as such, never as null.
	out.Command = append([]string{}, b.Command...)
	out.Runs = append([]Run{}, b.Runs...)
	for i := range out.Runs {
		r := &out.Runs[i]
		if r.Counters == nil {
			r.Counters = map[string]uint64{}
		}
		if r.SpinRounds == nil {
			r.SpinRounds = []uint64{}
		}
	}
	return writeJSON(w, &out)
}

func writeJSON(w io.Writer, v any) error {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("write result: %w", err)
	}
	if _, err := w.Write(append(text, '\n')); err != nil {
		return fmt.Errorf("write result: %w", err)
	}
	return nil
}
