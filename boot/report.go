package boot

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"example.com/pvlock/host"
)

// The reports' schemas.
const (
	PatchSchema  = "pvlock/patch/2"
	DoctorSchema = "pvlock/doctor/2"
)

// PatchReport is a Result for machines to read.
type PatchReport struct {
	Schema   string    `json:"schema"`
	Machine  Beneath   `json:"machine"`
	Decision Decision  `json:"decision"`
	Kernel   Decision  `json:"kernel_would"`
	Tables   []OpEntry `json:"tables"`
	Patch    struct {
		Asked   bool         `json:"asked"`
		Done    bool         `json:"done"`
		Why     string       `json:"why,omitempty"`
		Found   int          `json:"sites_found"`
		Patched int          `json:"sites_patched"`
		Unsure  int          `json:"sites_unsure"`
		Written string       `json:"written,omitempty"`
		NotLive string       `json:"not_live,omitempty"`
		TookUS  int64        `json:"took_us"`
		Calls   []CallReport `json:"calls"`
	} `json:"patch"`
}

// Beneath is the facts. Each that need not be known is an object with one key: "value", or, with
// the reason, "unknown" or "not_told".
type Beneath struct {
	Arch       string              `json:"arch"`
	CPUModel   host.Fact[string]   `json:"cpu_model"`
	Kernel     host.Fact[string]   `json:"kernel"`
	Hypervisor host.Fact[string]   `json:"hypervisor"`
	Source     string              `json:"hypervisor_source,omitempty"`
	Features   host.Fact[[]string] `json:"features"`
	CPUs       host.Fact[int]      `json:"cpus"`
	Online     host.Fact[int]      `json:"cpus_online"`
	Possible   host.Fact[int]      `json:"cpus_possible"`
	GOMAXPROCS int                 `json:"gomaxprocs"`
	// QuotaCPUs is 0 without a limit.
	QuotaCPUs host.Fact[float64] `json:"quota_cpus"`
	// Crowded says whether the CPUs are fought for.
	Crowded host.Fact[bool] `json:"crowded"`
}

func beneath(f host.Facts, crowd host.Fact[host.Crowd]) Beneath {
	return Beneath{
		Arch: f.Arch, CPUModel: f.CPUModel, Kernel: f.Kernel,
		Hypervisor: host.Of(f.Hypervisor, func(h host.Hypervisor) string { return h.Name }),
		Source:     f.Hypervisor.Or(host.Hypervisor{}).Source,
		Features:   host.Of(f.Features, host.Features.List),
		CPUs:       host.Of(f.CPUs, count), Online: host.Of(f.Online, count),
		Possible: host.Of(f.Possible, count), GOMAXPROCS: f.GOMAXPROCS,
		QuotaCPUs: host.Of(f.Quota, func(q host.Quota) float64 { return q.CPUs }),
		Crowded:   host.Of(crowd, func(c host.Crowd) bool { return c.Crowded }),
	}
}

func count(cpus []int) int { return len(cpus) }

// OpEntry is a line of the tables before and after.
type OpEntry struct {
	Op     string `json:"op"`
	Before string `json:"before"`
	After  string `json:"after"`
}

// CallReport is a PatchedCall.
type CallReport struct {
	Name    string  `json:"name"`
	Op      string  `json:"op,omitempty"`
	Became  string  `json:"became,omitempty"`
	Found   int     `json:"found"`
	Patched int     `json:"patched"`
	Unsure  int     `json:"unsure"`
	Shown   []Shown `json:"shown,omitempty"`
}

// Report returns the result as a report.
func (r *Result) Report() PatchReport {
	p := PatchReport{Schema: PatchSchema, Machine: beneath(r.Facts, r.Facts.Crowd()),
		Decision: r.Decision, Kernel: r.Kernel}
	for i, e := range r.After {
		p.Tables = append(p.Tables, OpEntry{e.Op, short(r.Before[i].Func), short(e.Func)})
	}
	p.Patch.Asked, p.Patch.Done, p.Patch.Why = r.Patch.Asked, r.Patch.Done, r.Patch.Why
	p.Patch.Found, p.Patch.Patched, p.Patch.Unsure = r.Patch.Sites()
	if r.Patch.Done {
		p.Patch.Written, p.Patch.NotLive = r.Patch.When.String(), r.Patch.NotLive
	}
	p.Patch.TookUS = r.Patch.Took.Microseconds()
	p.Patch.Calls = []CallReport{}
	for _, c := range r.Patch.Calls {
		p.Patch.Calls = append(p.Patch.Calls,
			CallReport{c.Name, short(c.Op), c.Became, c.Found, c.Patched, c.Unsure, c.Shown})
	}
	return p
}

// writeDecisions writes what the process's locks are, and what a kernel's would be.
func writeDecisions(w io.Writer, process, kernel Decision) {
	fmt.Fprintf(w, "a kernel's locks\t%v: %s\n", kernel.Mode, kernel.Reason)
	fmt.Fprintf(w, "locks\t%v: %s\n", process.Mode, process.Reason)
}

// short takes the module's path from a function's name.
func short(name string) string { return name[strings.LastIndex(name, "/")+1:] }

// WriteJSON writes a report.
func WriteJSON(w io.Writer, report any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(report)
}

// WriteText writes the report for people.
func (p PatchReport) WriteText(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	m := p.Machine
	fmt.Fprintf(w, "hypervisor\t%s\nfeatures\t%s\nCPUs\t%v (GOMAXPROCS %d), %s\nkernel\t%s\n",
		m.Hypervisor, features(m.Features), m.CPUs, m.GOMAXPROCS, m.CPUModel, m.Kernel)
	writeDecisions(w, p.Decision, p.Kernel)
	for _, asked := range [][2]string{{"Raw", p.Decision.Raw}, {"Queued", p.Decision.Queued}} {
		if asked[1] != "" {
			fmt.Fprintf(w, "%s\t%s: asked for\n", asked[0], asked[1])
		}
	}
	fmt.Fprintln(w)

	fmt.Fprintf(w, "operation\tbefore\tafter\n")
	for _, e := range p.Tables {
		after := e.After
		if after == e.Before {
			after = "="
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", e.Op, e.Before, after)
	}
	fmt.Fprintln(w)
	if !p.Patch.Done {
		fmt.Fprintf(w, "text\tnot patched: %s\n", p.Patch.Why)
		fmt.Fprintf(w, "\teach call goes through the table, and means the same\n")
	} else {
		fmt.Fprintf(w, "text\t%d calls found, %d patched, %d unsure, in %v\n", p.Patch.Found,
			p.Patch.Patched, p.Patch.Unsure, time.Duration(p.Patch.TookUS)*time.Microsecond)
		if p.Patch.NotLive != "" {
			fmt.Fprintf(w, "\twhile nothing else ran: %s\n", p.Patch.NotLive)
		}
		fmt.Fprintf(w, "\ncall of\tfound\tpatched\tbecame\n")
		for _, c := range p.Patch.Calls {
			fmt.Fprintf(w, "%s\t%d\t%d\t%s\n", c.Name, c.Found, c.Patched, became(c))
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, c := range p.Patch.Calls {
		for _, s := range c.Shown {
			if _, err := fmt.Fprintf(out, "\n%s: %s\n  before  %s\n  after   %s\n", c.Name, s.Where,
				strings.Join(s.Before, "\n          "), strings.Join(s.After,
					"\n          ")); err != nil {
				return err
			}
		}
	}
	return nil
}

func became(c CallReport) string {
	switch c.Became {
	case "call":
		return "a direct call of " + c.Op
	case "store":
		return "one store"
	case "nop":
		return "nothing"
	case "body":
		return "itself, its body replaced"
	}
	return "itself: its operation is not one that can be called directly"
}

func features(f host.Fact[[]string]) string {
	return host.Of(f, func(names []string) string {
		if len(names) == 0 {
			return "none"
		}
		return strings.Join(names, ", ")
	}).String()
}

// DoctorReport is what is beneath the process, and what it costs.
type DoctorReport struct {
	Schema     string  `json:"schema"`
	Machine    Beneath `json:"machine"`
	IntervalMS int64   `json:"interval_ms"`
	// Stolen is the share of the CPUs' time that was stolen in the interval.
	Stolen host.Fact[float64] `json:"steal_share"`
	// Throttled is the control group that was stopped in the largest share of its periods in the
	// interval.
	Throttled host.Fact[Throttled] `json:"throttled"`
	Findings  []host.Finding       `json:"findings"`
	Decision  Decision             `json:"decision"`
	Kernel    Decision             `json:"kernel_would"`
}

// Throttled is how often a control group was stopped.
type Throttled struct {
	Group     string `json:"group"`
	Periods   uint64 `json:"periods"`
	Throttled uint64 `json:"throttled"`
}

// Examine makes the report of what was observed in an interval.
func Examine(o host.Observed) DoctorReport {
	d := Decide(o.After)
	return DoctorReport{
		Schema: DoctorSchema, Machine: beneath(o.After, o.Crowd()),
		IntervalMS: o.Interval().Milliseconds(),
		Stolen:     host.Stolen(o.Before.Time, o.After.Time),
		Throttled: host.Of(o.Throttled(), func(t host.GroupThrottling) Throttled {
			return Throttled{t.Group, t.Periods, t.Throttled}
		}),
		Findings: o.Diagnose(), Decision: d.Process, Kernel: d.Kernel,
	}
}

// WriteText writes the report for people. That nothing is wrong it says only if everything is
// known.
func (d DoctorReport) WriteText(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	wrong := 0
	var missing []string
	for _, f := range d.Findings {
		fact := f.Fact
		if f.State != host.Known {
			fact = f.State.String() + ": " + fact
		} else if f.Unknown != "" {
			fact += "; unknown: " + f.Unknown
		}
		if f.State != host.Known || f.Unknown != "" {
			missing = append(missing, f.Topic)
		}
		fmt.Fprintf(w, "%s\t%s\n", f.Topic, fact)
		if f.Advice != "" {
			wrong++
			fmt.Fprintf(w, "\t! %s\n", f.Advice)
		}
	}
	writeDecisions(w, d.Decision, d.Kernel)
	if err := w.Flush(); err != nil {
		return err
	}
	var last string
	switch {
	case wrong > 0:
		return nil
	case missing != nil:
		last = "In what is known nothing is amiss. Not known: " + strings.Join(missing, ", ") + "."
	default:
		last = "Nothing is wrong."
	}
	_, err := fmt.Fprintf(out, "\n%s\n", last)
	return err
}
