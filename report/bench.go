package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"example.com/pvlock/result"
	"example.com/pvlock/spinlock"
)

func benchSection(b *result.Bench, id string, l *looks) section {
	s := section{Title: "Locks side by side", Facts: hostFacts(&b.Host, b.Command, b.Started)}
	s.Warnings = append(benchWarnings(b), warnEnding(b.Ending)...)
	if len(b.Runs) == 0 {
		s.Words = append(s.Words, "Nothing was measured.")
		return s
	}
	setups := setupsOf(b.Runs)
	for i, u := range setups {
		u.spin = spinFlag(b.Command)
		s.Words = append(s.Words, u.words(b))
		if f := u.finding(); f != "" {
			s.Words = append(s.Words, f)
		}
		name := ""
		if len(setups) > 1 {
			name = u.name()
		}
		s.Parts = append(s.Parts, u.parts(fmt.Sprintf("%s-%d", id, i+1), name, l)...)
	}
	return s
}

func hostFacts(h *result.Host, command []string, started time.Time) [][2]string {
	facts := [][2]string{
		{"Command", strings.Join(command, " ")},
		{"Started", started.UTC().Format("2 January 2006, 15:04:05 UTC")},
		{"CPU", fmt.Sprintf("%s, %d of them", h.CPU, h.CPUs)},
		{"Hypervisor", h.Hypervisor},
		{"Kernel", strings.TrimSpace(h.GOOS + " " + h.Kernel)},
		{"Go", fmt.Sprintf("%s, %s, GOMAXPROCS %d", h.Go, h.GOARCH, h.GOMAXPROCS)},
		{"A spin round", fmt.Sprintf("%s (a PAUSE and a look)", nanos(h.PauseNanos))},
	}
	if h.Revision != "" {
		facts = append(facts, [2]string{"Revision of pvlock", h.Revision})
	}
	if h.QuotaCPUs > 0 {
		facts = append(facts, [2]string{"Quota", short(h.QuotaCPUs) + " CPUs"})
	}
	if h.Steal != nil {
		facts = append(facts,
			[2]string{"Stolen meanwhile",
				nanos(float64(h.Steal.AfterNanos-h.Steal.BeforeNanos)) +
					" of CPU time, by the hypervisor"})
	}
	return facts
}

// place says where something was measured, in words.
func place(h *result.Host) string {
	beneath := "on bare metal"
	if h.Hypervisor != "none" {
		beneath = "under " + h.Hypervisor
	}
	return fmt.Sprintf("%s, %s, %s %s, %s", h.CPU, beneath, h.GOOS, h.Kernel, h.Go)
}

const emulated = "The CPUs are emulated: no time here says anything of a processor, and none may " +
	"be compared with those of real ones."

func benchWarnings(b *result.Bench) (all []string) {
	if b.Host.Emulated {
		all = append(all, emulated)
	}
	for i := range b.Runs {
		r := &b.Runs[i]
		where := fmt.Sprintf("%s with %d vCPUs, round %d", r.Lock, r.VCPUs, r.Round)
		if r.Violations > 0 {
			all = append(all,
				fmt.Sprintf("Violation: %s: %d times two vCPUs held it at once, or an update was "+
					"lost.", where, r.Violations))
		}
		if r.TimedOut {
			all = append(all, fmt.Sprintf("%s did not come to its end.", where))
		}
		if r.Interrupted {
			all = append(all,
				fmt.Sprintf("Interrupted: %s ran for %s only.", where, nanos(r.Seconds*1e9)))
		}
	}
	return append(all, b.Disturbances(disturbedShown)...)
}

// disturbedShown is how many disturbed runs are listed.
const disturbedShown = 10

// warnEnding warns of what was not measured.
func warnEnding(e result.Ending) []string {
	if s := e.String(); s != "" {
		return []string{s}
	}
	return nil
}

// A setup is what all runs of a plot have in common.
type setup struct {
	machine          string
	cpus, neighbours int
	cs, ncs          int64
	runs             []result.Run
	cells            []result.Rounds
	locks            []string
	peer             map[string]bool
	// spin is the budget that was asked for, for all locks; 0 if each had its own.
	spin uint32
}

func setupsOf(runs []result.Run) []*setup {
	var all []*setup
	for _, r := range runs {
		i := slices.IndexFunc(all, func(u *setup) bool {
			return u.machine == r.Machine && u.cpus == r.CPUs && u.neighbours == r.Neighbours &&
				u.cs == r.CSNanos && u.ncs == r.NCSNanos
		})
		if i < 0 {
			i = len(all)
			all = append(all,
				&setup{machine: r.Machine, cpus: r.CPUs, neighbours: r.Neighbours, cs: r.CSNanos,
					ncs: r.NCSNanos, peer: make(map[string]bool)})
		}
		all[i].runs = append(all[i].runs, r)
		all[i].peer[r.Lock] = r.Peer
	}
	for _, u := range all {
		u.cells = result.Cells(u.runs)
		for _, c := range u.cells {
			if !slices.Contains(u.locks, c.Lock) {
				u.locks = append(u.locks, c.Lock)
			}
		}
	}
	return all
}

func (u *setup) name() string {
	name := fmt.Sprintf("%s on %d CPUs, %v in, %v between", u.machine, u.cpus, time.Duration(u.cs),
		time.Duration(u.ncs))
	if u.neighbours > 0 {
		name += fmt.Sprintf(", beside %d vCPUs", u.neighbours)
	}
	return name
}

func (u *setup) words(b *result.Bench) string {
	var vcpus, seconds []float64
	rounds := 0
	for i := range u.runs {
		r := &u.runs[i]
		vcpus = append(vcpus, float64(r.VCPUs))
		seconds = append(seconds, r.Seconds)
		rounds = max(rounds, r.Round)
	}
	slices.Sort(vcpus)
	var counts []string
	for _, n := range slices.Compact(vcpus) {
		counts = append(counts, short(n))
	}
	text := fmt.Sprintf("%s on %s; critical section %v, %v between two. %d rounds of %s for each "+
		"lock (%s). Measured on %s.",
		vcpusOn(u.machine, counts), plural(u.cpus, "CPU"), time.Duration(u.cs),
		time.Duration(u.ncs), rounds, nanos(result.Median(seconds)*1e9),
		strings.Join(u.locks, ", "), place(&b.Host))
	if u.neighbours > 0 {
		text += fmt.Sprintf(" Another virtual machine's %s computed on the same CPUs all the time.",
			plural(u.neighbours, "vCPU"))
	}
	return text
}

func vcpusOn(machine string, counts []string) string {
	what := map[string]string{"threads": "OS threads", "goroutines": "goroutines",
		"kvm": "vCPUs of a KVM virtual machine",
		"xen": "OS threads on Xen's event channels"}[machine]
	return list(counts) + " " + cmp.Or(what, machine)
}

func list(items []string) string {
	if n := len(items); n > 1 {
		return strings.Join(items[:n-1], ", ") + " and " + items[n-1]
	}
	return strings.Join(items, "")
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return strconv.Itoa(n) + " " + what + "s"
}

// finding says which locks keep their throughput at the highest overcommit, and which have
// collapsed.
func (u *setup) finding() string {
	least, most := u.cells[0].VCPUs, u.cells[0].VCPUs
	for _, c := range u.cells {
		least, most = min(least, c.VCPUs), max(most, c.VCPUs)
	}
	if least == most {
		return ""
	}
	said := make(map[result.Survival][]string)
	for _, lock := range u.locks {
		before, after := u.cell(lock, least), u.cell(lock, most)
		if len(after.Runs) == 0 {
			continue
		}
		share, s := before.Survives(after)
		if s == result.Noisy {
			said[s] = append(said[s], lock)
		} else {
			said[s] = append(said[s], fmt.Sprintf("%s (%s)", lock, roughly(100*share)))
		}
	}
	text := fmt.Sprintf("From %d to %d vCPUs, ", least, most)
	survive, collapse := said[result.Kept], said[result.Collapsed]
	switch {
	case survive == nil && collapse == nil:
		text = ""
	case collapse == nil:
		text += list(survive) +
			" kept half of their throughput or more, and none fell below a tenth of it."
	case survive == nil:
		text += list(collapse) +
			" fell below a tenth of their throughput, and none kept half of it."
	default:
		text += list(survive) + " kept half of their throughput or more; " + list(collapse) +
			" fell below a tenth of theirs."
	}
	if noisy := said[result.Noisy]; noisy != nil {
		text += fmt.Sprintf(" Too noisy to say, since the rounds with %s don't agree, or are too "+
			"few: %s.", plural(least, "vCPU"), list(noisy))
	}
	return strings.TrimSpace(text)
}

// roughly writes a percentage with two digits that count.
func roughly(p float64) string {
	if p >= 10 {
		return fmt.Sprintf("%.0f%%", p)
	}
	return fmt.Sprintf("%.2g%%", p)
}

// cell returns the rounds of a lock with so many vCPUs; there may be none.
func (u *setup) cell(lock string, vcpus int) result.Rounds {
	for _, c := range u.cells {
		if c.Lock == lock && c.VCPUs == vcpus {
			return c
		}
	}
	return result.Rounds{}
}

func (u *setup) vcpus() []int {
	var all []int
	for _, c := range u.cells {
		all = append(all, c.VCPUs)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func (u *setup) overcommit(vcpus int) float64 { return float64(vcpus) / float64(u.cpus) }

// counts says that a lock has counters: a peer that never says that it was contended has none.
func (u *setup) counts(lock string) bool {
	return !u.peer[lock] ||
		slices.ContainsFunc(u.runs, func(r result.Run) bool {
			return r.Lock == lock && r.Contended > 0
		})
}

func ops(r *result.Run) float64 { return r.OpsPerSecond }

func cpuPerOp(r *result.Run) float64 { return r.CPUSeconds * 1e9 / float64(r.AcquisitionsTotal) }

func contended(r *result.Run) float64 { return percent(r.Contended, r.AcquisitionsTotal) }

func blocked(r *result.Run) float64 { return percent(r.Blocked, r.AcquisitionsTotal) }

func jain(r *result.Run) float64 { return r.Jain }

// percent is not a number if the whole is 0.
func percent(part, whole uint64) float64 { return 100 * float64(part) / float64(whole) }

// values returns what of says of each round.
func values(c result.Rounds, of func(*result.Run) float64) []float64 {
	var all []float64
	for _, r := range c.Runs {
		all = append(all, of(r))
	}
	return all
}

func (u *setup) parts(id, name string, l *looks) []part {
	suffix := ""
	if name != "" {
		suffix = " — " + name
	}
	parts := []part{
		u.summary("In figures" + suffix),
		{Title: "Against overcommit" + suffix,
			Words: []string{"Points are medians over the rounds, and bars reach from the least " +
				"to the most."}, Figures: u.overcommitFigures(id, l)},
		{Title: "How long they wait" + suffix, Figures: u.latencyFigures(id, l),
			Words: []string{"From wanting the lock to having it. Corrected for coordinated " +
				"omission: a stall counts for each request that would have come meanwhile."}},
	}
	if f := u.spinFigures(id, l); f != nil {
		parts = append(parts,
			part{Title: "How long they spin" + suffix, Figures: f, Words: []string{
				"Of the contended acquisitions, the share that was not won within so many rounds " +
					"of spinning: medians. The 2008 document expects 98% to be won within 2^16 " +
					"rounds, and 2% to sleep."}})
		parts = append(parts, part{Figures: u.histograms(id, l)})
	}
	return parts
}

// summary is a table for each number of vCPUs: the one with most in sight.
func (u *setup) summary(title string) part {
	var tables []table
	for _, n := range u.vcpus() {
		t := table{
			Caption: fmt.Sprintf("Overcommit %s: %s on %s. Medians, and the longest wait of all "+
				"rounds; * is a peer.", short(u.overcommit(n)), plural(n, "vCPU"),
				plural(u.cpus, "CPU")),
			Head: []string{"", "acquisitions/s", "wait p50", "p99.9", "longest", "CPU each",
				"contended", "slept", "Jain", "lost wake-ups"},
		}
		locks := slices.SortedStableFunc(slices.Values(u.locks), func(a, b string) int {
			return cmp.Compare(u.cell(b, n).Median(ops), u.cell(a, n).Median(ops))
		})
		for _, lock := range locks {
			c := u.cell(lock, n)
			if len(c.Runs) == 0 {
				continue
			}
			median := func(unit string, of func(*result.Run) float64) string {
				p, ok := over(0, values(c, of))
				if !ok {
					return "–"
				}
				return number(p.y, unit)
			}
			shares := []string{"–", "–"}
			if u.counts(lock) {
				shares = []string{median("%", contended), median("%", blocked)}
			}
			lost := uint64(0)
			for _, r := range c.Runs {
				lost += r.LostWakeups
			}
			label := lock
			if u.peer[lock] {
				label += " *"
			}
			t.Rows = append(t.Rows,
				[]string{label, median("", ops), median("ns", quantile(0)),
					median("ns", quantile(2)), number(c.Max(quantile(3)), "ns"),
					median("ns", cpuPerOp), shares[0], shares[1], median("", jain),
					strconv.FormatUint(lost, 10)})
		}
		tables = append(tables, t)
	}
	slices.Reverse(tables)
	return part{Title: title, Tables: tables[:1], Folded: tables[1:]}
}

func quantile(i int) func(*result.Run) float64 {
	return func(r *result.Run) float64 {
		return float64([]uint64{r.Latency.P50, r.Latency.P99, r.Latency.P999, r.Latency.Max}[i])
	}
}

func (u *setup) overcommitFigures(id string, l *looks) (figures []figure) {
	x := axis("overcommit (vCPUs per CPU)", "", true)
	for i, p := range []struct {
		title, about string
		y            result.Axis
		within       []float64
		of           func(*result.Run) float64
		counted      bool
	}{
		{"Throughput", "Higher is better.", axis("acquisitions", "1/s", true), nil, ops, false},
		{"CPU burnt",
			"CPU time, user and system, that an acquisition costs all vCPUs together. Lower is " +
				"better.", axis("CPU time per acquisition", "ns", true), nil, cpuPerOp, false},
		{"Fairness",
			"Jain's index over the vCPUs' acquisitions: 1 if all got the same, 1/n if one got " +
				"everything.", axis("Jain's index", "", false), []float64{0, 1}, jain, false},
		{"Contended", "Acquisitions that the fast path didn't make.",
			axis("share of acquisitions", "%", false), []float64{0, 100}, contended, true},
		{"Slow path", "Acquisitions for which a vCPU gave its CPU up.",
			axis("share of acquisitions", "%", true), nil, blocked, true},
	} {
		c := chart{title: p.title, about: p.about, x: x, y: p.y, within: p.within, first: i == 0}
		for _, lock := range u.locks {
			if p.counted && !u.counts(lock) {
				continue
			}
			var points []point
			for _, cell := range u.cells {
				if cell.Lock != lock {
					continue
				}
				if at, ok := over(u.overcommit(cell.VCPUs), values(cell, p.of)); ok {
					points = append(points, at)
				}
			}
			c.add(lock, l.of(lock), points)
		}
		if c.series != nil {
			figures = append(figures, c.figure(fmt.Sprintf("%s-over-%d", id, i+1)))
		}
	}
	return figures
}

func (u *setup) latencyFigures(id string, l *looks) (figures []figure) {
	for _, n := range u.vcpus() {
		c := chart{
			title: fmt.Sprintf("Waiting, at overcommit %s", short(u.overcommit(n))),
			about: "Lower is better.",
			x:     axis("percentile", "", false), y: axis("wait", "ns", true),
			steps: []string{"p50", "p99", "p99.9", "max"},
		}
		for _, lock := range u.locks {
			var points []point
			for q := range c.steps {
				if p, ok := over(float64(q), values(u.cell(lock, n), quantile(q))); ok {
					if c.steps[q] == "max" {
						p.y = p.high // of all rounds
					}
					points = append(points, p)
				}
			}
			c.add(lock, l.of(lock), points)
		}
		figures = append(figures, c.figure(fmt.Sprintf("%s-wait-%d", id, n)))
	}
	return figures
}

// within returns the share of contended acquisitions that were won within 2^n rounds, without
// sleeping.
func within(r *result.Run, n int) float64 {
	won := 0.0
	for _, c := range r.SpinRounds[:min(n+1, len(r.SpinRounds))] {
		won += float64(c)
	}
	return 100 * min(1, won/float64(r.Contended))
}

// spinFigures are, for each number of vCPUs, the share of acquisitions that isn't made within so
// many rounds.
func (u *setup) spinFigures(id string, l *looks) (figures []figure) {
	for _, n := range u.vcpus() {
		c := chart{
			title: fmt.Sprintf("Not yet won, at overcommit %s", short(u.overcommit(n))),
			about: "Lower is better. A line that goes on level is of those that sleep.",
			x:     axis("rounds", powers, true),
			y:     axis("contended acquisitions that took more", "%", true), within: []float64{100},
		}
		c.y.Marks = []result.Mark{{At: 2, Label: "98% won"}}
		for _, lock := range u.locks {
			if !u.counts(lock) {
				continue
			}
			var points []point
			cell := u.cell(lock, n)
			for b := range buckets(cell) {
				if p, ok := over(math.Pow(2, float64(b)),
					values(cell, func(r *result.Run) float64 { return 100 - within(r, b) })); ok {
					// Bars at so many points would hide the lines.
					points = append(points, point{p.x, p.y, p.y, p.y})
				}
			}
			c.add(lock, l.of(lock), points)
		}
		if c.series == nil {
			continue
		}
		c.x.Marks = budgets(u.locks, u.spin)
		figures = append(figures, c.figure(fmt.Sprintf("%s-spin-%d", id, n)))
	}
	return figures
}

// buckets is how many of the histogram's buckets are needed for what any of the runs has.
func buckets(c result.Rounds) int {
	most := 0
	for _, r := range c.Runs {
		for i, n := range r.SpinRounds {
			if n > 0 {
				most = max(most, i+1)
			}
		}
	}
	return min(most, 32)
}

// spinFlag is the budget that a command asks for with --spin; 0 if it doesn't, or if it is without
// end.
func spinFlag(command []string) uint32 {
	for i, arg := range command {
		value, ok := strings.CutPrefix(arg, "--spin=")
		if arg == "--spin" && i+1 < len(command) {
			value, ok = command[i+1], true
		}
		if !ok {
			continue
		}
		if power, ok := strings.CutPrefix(value, "2^"); ok {
			n, _ := strconv.ParseUint(power, 10, 5)
			return 1 << n
		}
		n, _ := strconv.ParseUint(value, 10, 32)
		return uint32(n)
	}
	return 0
}

// budgets are the budgets of some locks, and 2^16.
func budgets(locks []string, asked uint32) []result.Mark {
	at := []uint32{1 << 16}
	for _, k := range spinlock.Kinds() {
		switch {
		case !slices.Contains(locks, k.Name) || !k.Sleeps:
		case asked > 0:
			at = append(at, asked)
		case k.Tunables.Spin > 0:
			at = append(at, k.Tunables.Spin)
		}
	}
	slices.Sort(at)
	var marks []result.Mark
	for _, spin := range slices.Compact(at) {
		label := "budget " + number(float64(spin), powers)
		if spin == 1<<16 {
			label = "2^16"
		}
		marks = append(marks, result.Mark{At: float64(spin), Label: label})
	}
	return marks
}

// histograms are the rounds that each lock spun for an acquisition, with most vCPUs.
func (u *setup) histograms(id string, l *looks) (figures []figure) {
	vcpus := u.vcpus()
	n := vcpus[len(vcpus)-1]
	for i, lock := range u.locks {
		cell := u.cell(lock, n)
		c := chart{title: fmt.Sprintf("%s, at overcommit %s", lock, short(u.overcommit(n))),
			bars: true, within: []float64{0},
			x: axis("rounds, below", powers, true), y: axis("contended acquisitions", "%", false)}
		var points []point
		for b := range buckets(cell) {
			share := func(r *result.Run) float64 {
				if b >= len(r.SpinRounds) {
					return 0
				}
				return percent(r.SpinRounds[b], r.Contended)
			}
			if p, ok := over(math.Pow(2, float64(b)), values(cell, share)); ok {
				// The rounds' range has no room in bars.
				points = append(points, point{p.x, p.y, p.y, p.y})
			}
		}
		if !u.counts(lock) || points == nil {
			continue
		}
		c.add(lock, l.of(lock), points)
		c.x.Marks = budgets([]string{lock}, u.spin)
		c.about = won98(cell)
		f := c.figure(fmt.Sprintf("%s-hist-%d", id, i+1))
		f.Legend = nil
		figures = append(figures, f)
	}
	return figures
}

// won98 says within how many rounds 98% are won.
func won98(c result.Rounds) string {
	for n := range 33 {
		if p, ok := over(0, values(c, func(r *result.Run) float64 { return within(r, n) })); ok &&
			p.y >= 98 {
			return fmt.Sprintf("98%% are won within 2^%d rounds.", n)
		}
	}
	return "98% are not won by spinning."
}
