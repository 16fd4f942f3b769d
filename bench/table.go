package bench

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"example.com/pvlock/result"
)

// WriteTable writes a result for people: who keeps going when the CPUs are
// overcommitted, what it costs, and what that shows. All figures are medians over
// the rounds, but the longest wait, which is the longest.
func WriteTable(w io.Writer, b *result.Bench) error {
	t := newTable(b)
	var out strings.Builder
	if len(t.rows) == 0 {
		fmt.Fprintln(&out, "Nothing was measured.")
		t.faults(&out, b)
		_, err := io.WriteString(w, out.String())
		return err
	}
	t.heading(&out, b)
	t.throughput(&out)
	for _, col := range t.cols {
		t.details(&out, col)
		t.exits(&out, col)
	}
	t.finding(&out)
	t.promise(&out)
	t.faults(&out, b)
	_, err := io.WriteString(w, out.String())
	return err
}

// A table has a row for each lock, and a column for each number of vCPUs.
type table struct {
	rows  []string
	cols  []int
	peer  map[string]bool
	cells map[at]result.Rounds
	cpus  int
}

type at struct {
	lock  string
	vcpus int
}

func newTable(b *result.Bench) *table {
	t := &table{peer: make(map[string]bool), cells: make(map[at]result.Rounds)}
	for _, c := range result.Cells(b.Runs) {
		t.cells[at{c.Lock, c.VCPUs}] = c
		t.cpus = c.CPUs
		t.peer[c.Lock] = c.Runs[0].Peer
		if !slices.Contains(t.rows, c.Lock) {
			t.rows = append(t.rows, c.Lock)
		}
		if !slices.Contains(t.cols, c.VCPUs) {
			t.cols = append(t.cols, c.VCPUs)
		}
	}
	return t
}

// ops returns a cell's throughput, 0 if there is no such cell.
func (t *table) ops(lock string, vcpus int) float64 {
	return t.cells[at{lock, vcpus}].Median(func(r *result.Run) float64 { return r.OpsPerSecond })
}

// best returns the highest throughput at a number of vCPUs.
func (t *table) best(vcpus int) (most float64) {
	for _, lock := range t.rows {
		most = max(most, t.ops(lock, vcpus))
	}
	return most
}

func (t *table) overcommit(vcpus int) string {
	return strconv.FormatFloat(float64(vcpus)/float64(t.cpus), 'g', 3, 64)
}

func (t *table) heading(out *strings.Builder, b *result.Bench) {
	r := &b.Runs[0]
	fmt.Fprintf(out, "%s on %d CPUs (%s, %s, %s %s), critical section %v, %v between two\n",
		r.Machine, r.CPUs, b.Host.CPU, b.Host.Hypervisor, b.Host.GOOS, b.Host.Kernel,
		time.Duration(r.CSNanos), time.Duration(r.NCSNanos))
	if b.Host.Emulated {
		fmt.Fprint(out,
			"EMULATED CPUs: no time here says anything of a processor; don't compare with a "+
				"table of real ones\n")
	}
	fmt.Fprintf(out,
		"medians of %d rounds of %.2gs; a spin round (PAUSE and a look) costs %.3g ns; * is a "+
			"peer\n",
		len(t.cells[at{t.rows[0], t.cols[0]}].Runs), r.Seconds, b.Host.PauseNanos)
	if r.Neighbours > 0 {
		fmt.Fprintf(out, "beside a virtual machine of %d vCPUs that compute all the time\n",
			r.Neighbours)
	}
	fmt.Fprint(out,
		"waits are corrected for coordinated omission: a stall counts for each request that "+
			"would have come meanwhile\n\n")
}

// throughput writes who gets how much done.
func (t *table) throughput(out *strings.Builder) {
	fmt.Fprint(out,
		"Throughput, relative to the best of the column (and in million acquisitions per "+
			"second)\n\n")
	tw := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(tw, "overcommit\t")
	for _, col := range t.cols {
		fmt.Fprintf(tw, "%s\t\t", t.overcommit(col))
	}
	fmt.Fprint(tw, "\nvCPUs\t")
	for _, col := range t.cols {
		fmt.Fprintf(tw, "%d\t\t", col)
	}
	fmt.Fprintln(tw)
	for _, lock := range t.sorted(t.cols[len(t.cols)-1]) {
		fmt.Fprintf(tw, "%s\t", t.label(lock))
		for _, col := range t.cols {
			if c := t.cells[at{lock, col}]; len(c.Runs) == 0 {
				fmt.Fprint(tw, "-\t\t")
				continue
			}
			ops := t.ops(lock, col)
			disturbed := ""
			if t.cells[at{lock, col}].Disturbed() {
				disturbed = " !"
			}
			fmt.Fprintf(tw, "%s\t(%s)%s\t", relative(ops, t.best(col)), mops(ops), disturbed)
		}
		fmt.Fprintln(tw)
	}
	tw.Flush()
}

// details writes what it costs at one number of vCPUs.
func (t *table) details(out *strings.Builder, vcpus int) {
	fmt.Fprintf(out, "\nAt overcommit %s (%d vCPUs)\n\n", t.overcommit(vcpus), vcpus)
	tw := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(tw, "\twait p50\tp99.9\tmax\tCPU/acq\tcontended\tslow way\tJain\tlost wake-ups\t")
	for _, lock := range t.sorted(vcpus) {
		c := t.cells[at{lock, vcpus}]
		if len(c.Runs) == 0 {
			continue
		}
		median := func(of func(r *result.Run) float64) float64 { return c.Median(of) }
		share := func(part func(r *result.Run) uint64) string {
			return percent(median(func(r *result.Run) float64 {
				return ratio(part(r), r.AcquisitionsTotal)
			}))
		}
		contended, blocked := "-", "-"
		if lock != syncName {
			contended = share(func(r *result.Run) uint64 { return r.Contended })
			blocked = share(func(r *result.Run) uint64 { return r.Blocked })
		}
		var lost uint64
		for _, r := range c.Runs {
			lost += r.LostWakeups
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%.3f\t%d\t\n", t.label(lock),
			nanos(median(func(r *result.Run) float64 { return float64(r.Latency.P50) })),
			nanos(median(func(r *result.Run) float64 { return float64(r.Latency.P999) })),
			nanos(c.Max(func(r *result.Run) float64 { return float64(r.Latency.Max) })),
			nanos(median(cpuPerAcquisition)),
			contended, blocked,
			median(func(r *result.Run) float64 { return r.Jain }), lost)
	}
	tw.Flush()
}

// finding writes, in a sentence, what the table shows: which locks keep most of their
// throughput at the highest overcommit, and which have collapsed.
func (t *table) finding(out *strings.Builder) {
	first, last := t.cols[0], t.cols[len(t.cols)-1]
	if first == last {
		return
	}
	said := make(map[result.Survival][]string)
	for _, lock := range t.sorted(last) {
		before, after := t.cells[at{lock, first}], t.cells[at{lock, last}]
		if t.peer[lock] || len(after.Runs) == 0 {
			continue
		}
		share, s := before.Survives(after)
		if s == result.Noisy {
			said[s] = append(said[s], lock)
		} else {
			said[s] = append(said[s], fmt.Sprintf("%s (%s)", lock, percent(share)))
		}
	}
	fmt.Fprintf(out,
		"\nFrom overcommit %s to %s, what is left of a lock's own throughput: %s kept most of "+
			"it; %s collapsed.\n",
		t.overcommit(first), t.overcommit(last), list(said[result.Kept]),
		list(said[result.Collapsed]))
	if noisy := said[result.Noisy]; noisy != nil {
		fmt.Fprintf(out,
			"Too noisy to say, since the rounds at overcommit %s don't agree, or are too few: "+
				"%s.\n", t.overcommit(first), list(noisy))
	}
}

// promise writes what the 2008 seed promised: that 98% of locks are taken within 2^16 rounds, and
// so the slow path is entered by 2%.
func (t *table) promise(out *strings.Builder) {
	fmt.Fprint(out,
		"\nThe 2008 seed expects 98% of contended acquisitions within 2^16 rounds, and 2% on the "+
			"slow way. Here, of the contended ones:\n\n")
	tw := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(tw, "\tovercommit\twithin 2^10\twithin 2^16\tslow way\t")
	for _, lock := range t.rows {
		if lock == syncName {
			continue
		}
		for _, col := range t.cols {
			c := t.cells[at{lock, col}]
			if len(c.Runs) == 0 {
				continue
			}
			fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\t\n", t.label(lock), t.overcommit(col),
				percent(c.Median(func(r *result.Run) float64 {
					return ratio(within(r, 10), r.Contended)
				})),
				percent(c.Median(func(r *result.Run) float64 {
					return ratio(within(r, 16), r.Contended)
				})),
				percent(c.Median(func(r *result.Run) float64 {
					return ratio(r.Blocked, r.Contended)
				})))
		}
	}
	tw.Flush()
}

// within returns how many contended acquisitions were won within 2^n rounds, without
// going the slow way. Bucket i of the histogram ends below 2^i.
func within(r *result.Run, n int) (count uint64) {
	for _, c := range r.SpinRounds[:n+1] {
		count += c
	}
	return count
}

// faults writes what must not have happened, and what was cut short.
func (t *table) faults(out *strings.Builder, b *result.Bench) {
	for i := range b.Runs {
		r := &b.Runs[i]
		if r.Violations > 0 {
			fmt.Fprintf(out,
				"\nVIOLATION: %s at overcommit %s, round %d: %d times two vCPUs held it at once.\n",
				r.Lock, t.overcommit(r.VCPUs), r.Round, r.Violations)
		}
		if r.TimedOut {
			fmt.Fprintf(out, "\nHANGS: %s at overcommit %s, round %d did not come to its end.\n",
				r.Lock, t.overcommit(r.VCPUs), r.Round)
		}
		if n := r.Counters[result.Unbound]; n > 0 {
			fmt.Fprintf(out,
				"\n%s at overcommit %s, round %d: %d of the vCPUs had no event channel, and spun "+
					"where they would have slept.\n",
				r.Lock, t.overcommit(r.VCPUs), r.Round, n)
		}
		if r.Interrupted {
			fmt.Fprintf(out, "\nInterrupted: %s at overcommit %s, round %d ran for %.2gs only.\n",
				r.Lock, t.overcommit(r.VCPUs), r.Round, r.Seconds)
		}
	}
	if lines := b.Disturbances(disturbedShown); lines != nil {
		fmt.Fprintf(out, "\n! marks what was measured while something else went on.\n%s\n",
			strings.Join(lines, "\n"))
	}
	if s := b.Ending.String(); s != "" {
		fmt.Fprintf(out, "\n%s\n", s)
	}
}

// disturbedShown is how many disturbed runs are listed.
const disturbedShown = 10

// Violated says which locks were found not to exclude, "" if none was.
func Violated(b *result.Bench) string {
	var locks []string
	for i := range b.Runs {
		if r := &b.Runs[i]; r.Violations > 0 && !slices.Contains(locks, r.Lock) {
			locks = append(locks, r.Lock)
		}
	}
	if locks == nil {
		return ""
	}
	return strings.Join(locks, ", ") + ": two vCPUs held it at once"
}

// sorted returns the locks by throughput at a number of vCPUs, the best first.
func (t *table) sorted(vcpus int) []string {
	return slices.SortedStableFunc(slices.Values(t.rows), func(a, b string) int {
		return cmp.Compare(t.ops(b, vcpus), t.ops(a, vcpus))
	})
}

// label marks the peers.
func (t *table) label(lock string) string {
	if t.peer[lock] {
		return lock + " *"
	}
	return lock
}

func cpuPerAcquisition(r *result.Run) float64 {
	if r.AcquisitionsTotal == 0 {
		return 0
	}
	return r.CPUSeconds * 1e9 / float64(r.AcquisitionsTotal)
}

func ratio(part, whole uint64) float64 {
	if whole == 0 {
		return 0
	}
	return float64(part) / float64(whole)
}

func relative(x, best float64) string {
	if best == 0 {
		return "-"
	}
	return digits(x / best)
}

func mops(ops float64) string { return digits(ops / 1e6) }

// digits writes a number with three decimals, or if that would leave nothing of
// it, with one digit that counts.
func digits(x float64) string {
	if x != 0 && x < 0.001 {
		return strconv.FormatFloat(x, 'f', 1-int(math.Floor(math.Log10(x)))-1, 64)
	}
	return strconv.FormatFloat(x, 'f', 3, 64)
}

func percent(share float64) string {
	switch p := share * 100; {
	case p != 0 && p < 0.095:
		return strconv.FormatFloat(p, 'g', 1, 64) + "%"
	case p < 99.95 && p > 99:
		return strconv.FormatFloat(p, 'f', 2, 64) + "%"
	default:
		return strconv.FormatFloat(p, 'f', 1, 64) + "%"
	}
}

// nanos writes a time with three significant digits.
func nanos(ns float64) string {
	switch {
	case ns >= 1e9:
		return strconv.FormatFloat(ns/1e9, 'g', 3, 64) + "s"
	case ns >= 1e6:
		return strconv.FormatFloat(ns/1e6, 'g', 3, 64) + "ms"
	case ns >= 1e3:
		return strconv.FormatFloat(ns/1e3, 'g', 3, 64) + "µs"
	}
	return strconv.FormatFloat(ns, 'f', 0, 64) + "ns"
}

// list joins what may be nothing.
func list(items []string) string {
	if len(items) == 0 {
		return "none"
	}
	return strings.Join(items, ", ")
}
