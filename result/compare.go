package result

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"sort"
	"strings"

	"golang.org/x/perf/benchmath"
)

// Comparison says what is different between two results of one kind: cell by cell, and whether that
// may be chance.
type Comparison struct {
	// Metrics are what was compared. The first is the one that [Comparison.Loss] is about.
	Metrics []Compared
	// Warnings are what makes it less than a fair one.
	Warnings []string
}

// Compared is a metric of two results.
type Compared struct {
	Name string
	// Unit is "ns", or "" for a number.
	Unit string
	// Higher says that higher is better.
	Higher bool
	// Cells are in the order in which the first result has them.
	Cells []ComparedCell
}

// ComparedCell is a metric of a cell of two results.
type ComparedCell struct {
	Name string
	// Old and New are medians over the rounds, with confidence intervals of 95% where there are
	// rounds enough.
	Old, New benchmath.Summary
	// Lower is the loss that there is at the least, at the 5% level for all cells of the metric
	// together: 0 if there may be none. It is known of the first metric only, and of results that
	// are exact it is the loss.
	Lower float64
	// Test is the Mann–Whitney U-test, as benchstat does it; of results that are exact any
	// difference counts.
	Test benchmath.Comparison
}

// Significant says that the difference isn't chance, at the 5% level.
func (c *ComparedCell) Significant() bool {
	return c.Test.P <= c.Test.Alpha && c.Old.Center != c.New.Center
}

// Loss is the share of what the old one did, or how much more it takes: 0.05 is 5% worse, a
// negative one is a gain. What went from something to nothing is a loss of 1.
func (m *Compared) Loss(c *ComparedCell) float64 {
	switch {
	case c.Old.Center == c.New.Center:
		return 0
	case m.Higher && c.Old.Center == 0, !m.Higher && c.New.Center == 0:
		return -1
	case m.Higher:
		return 1 - c.New.Center/c.Old.Center
	case c.Old.Center == 0:
		return 1
	}
	return c.New.Center/c.Old.Center - 1
}

// Losses returns the cells whose first metric is worse by more than a share at the least: of a
// comparison of equals, in which chance alone decides, there is any in five of a hundred.
func (c *Comparison) Losses(most float64) (cells []ComparedCell) {
	for _, x := range c.Metrics[0].Cells {
		if x.Lower > most {
			cells = append(cells, x)
		}
	}
	return cells
}

// bound fills in what the cells of the first metric lost at the least. Exact says that no chance
// has a part in them.
func (c *Comparison) bound(old, now [][]float64, exact bool) {
	m := &c.Metrics[0]
	if exact {
		for i := range m.Cells {
			m.Cells[i].Lower = max(0, m.Loss(&m.Cells[i]))
		}
		return
	}
	if len(m.Cells) == 0 {
		return
	}
	for i, worse := range newTrial(old, now).lowerBounds() {
		if m.Higher {
			m.Cells[i].Lower = -math.Expm1(-worse)
		} else {
			m.Cells[i].Lower = math.Expm1(worse)
		}
	}
}

// higherIsBetter turns a cell's first metric so that it is.
func higherIsBetter(m *Compared, rounds [][]float64) (values []float64) {
	for _, r := range rounds {
		v := r[0]
		if !m.Higher && v > 0 {
			v = 1 / v
		}
		values = append(values, v)
	}
	return values
}

// A measured value of a cell, in one round.
type measured struct {
	cell   string
	values []float64 // by metric
}

// A side is what is compared of a result.
type side struct {
	kind    string
	metrics []Compared
	rounds  []measured
	host    *Host // nil for what no machine has a part in
}

// Compare compares two results of one kind: of a bench, of the mutexes, or of a simulation. Real
// figures are not compared with those of emulated CPUs.
func Compare(a, b any) (*Comparison, error) {
	x, err := sideOf(a)
	if err != nil {
		return nil, err
	}
	y, err := sideOf(b)
	if err != nil {
		return nil, err
	}
	if x.kind != y.kind {
		return nil, fmt.Errorf("a %s can't be compared with a %s", x.kind, y.kind)
	}
	c := &Comparison{Metrics: x.metrics}
	if x.host != nil {
		if x.host.Emulated != y.host.Emulated {
			return nil, errors.New("one is of emulated CPUs, the other is not: figures of " +
				"emulated CPUs say nothing of a processor")
		}
		c.Warnings = differences(x.host, y.host)
	}
	c.cells(x, y)
	if len(c.Metrics[0].Cells) == 0 {
		return nil, errors.New("they have no cell in common: measure the same locks, with the " +
			"same flags")
	}
	return c, nil
}

func (c *Comparison) cells(x, y *side) {
	var assume benchmath.Assumption = benchmath.AssumeNothing
	if x.host == nil {
		assume = benchmath.AssumeExact
	}
	old, now := byCell(x), byCell(y)
	few := math.MaxInt
	var before, after [][]float64
	for _, cell := range order(x, y) {
		switch {
		case now[cell] == nil:
			c.Warnings = append(c.Warnings, fmt.Sprintf("only the first has %s", cell))
			continue
		case old[cell] == nil:
			c.Warnings = append(c.Warnings, fmt.Sprintf("only the second has %s", cell))
			continue
		}
		few = min(few, len(old[cell]), len(now[cell]))
		before, after = append(before, higherIsBetter(&c.Metrics[0], old[cell])), append(after,
			higherIsBetter(&c.Metrics[0], now[cell]))
		for i := range c.Metrics {
			a, b := sampleOf(old[cell], i), sampleOf(now[cell], i)
			c.Metrics[i].Cells = append(c.Metrics[i].Cells,
				ComparedCell{Name: cell, Old: assume.Summary(a, 0.95), New: assume.Summary(b, 0.95),
					Test: assume.Compare(a, b)})
		}
	}
	c.bound(before, after, x.host == nil)
	// Of two samples of three, even the most different are chance once in ten times.
	if few < 4 && x.host != nil {
		c.Warnings = append(c.Warnings,
			fmt.Sprintf("with %d rounds no difference can be significant: want 4 or more in both",
				few))
	}
}

func sampleOf(rounds [][]float64, metric int) *benchmath.Sample {
	var values []float64
	for _, r := range rounds {
		values = append(values, r[metric])
	}
	return benchmath.NewSample(values, &benchmath.DefaultThresholds)
}

func byCell(x *side) map[string][][]float64 {
	cells := make(map[string][][]float64)
	for _, m := range x.rounds {
		cells[m.cell] = append(cells[m.cell], m.values)
	}
	return cells
}

func order(all ...*side) (cells []string) {
	seen := make(map[string]bool)
	for _, x := range all {
		for _, m := range x.rounds {
			if !seen[m.cell] {
				seen[m.cell] = true
				cells = append(cells, m.cell)
			}
		}
	}
	return cells
}

// differences are what two hosts differ in.
func differences(a, b *Host) (all []string) {
	for _, d := range []struct {
		what string
		a, b any
	}{
		{"CPU", a.CPU, b.CPU}, {"number of CPUs", a.CPUs, b.CPUs},
		{"hypervisor", a.Hypervisor, b.Hypervisor},
		{"kernel", a.GOOS + " " + a.Kernel, b.GOOS + " " + b.Kernel},
		{"architecture", a.GOARCH, b.GOARCH}, {"Go", a.Go, b.Go},
		{"GOMAXPROCS", a.GOMAXPROCS, b.GOMAXPROCS}, {"quota", a.QuotaCPUs, b.QuotaCPUs},
	} {
		if d.a != d.b {
			all = append(all,
				fmt.Sprintf("the hosts differ in their %s: %v and %v", d.what, d.a, d.b))
		}
	}
	return all
}

func sideOf(r any) (*side, error) {
	switch r := r.(type) {
	case *Bench:
		return benchSide(r), nil
	case *Mutexes:
		return mutexSide(r), nil
	case *Sim:
		return simSide(r), nil
	}
	return nil, fmt.Errorf("%T: only results of bench, bench mutex and sim can be compared", r)
}

func benchSide(b *Bench) *side {
	x := &side{kind: SchemaBench, host: &b.Host, metrics: []Compared{
		{Name: "acquisitions/s", Higher: true}, {Name: "wait p99.9", Unit: "ns"},
		{Name: "CPU time per acquisition", Unit: "ns"},
	}}
	for i := range b.Runs {
		r := &b.Runs[i]
		if r.Interrupted || r.TimedOut || r.AcquisitionsTotal == 0 {
			continue
		}
		cell := fmt.Sprintf("%s %s %d/%d cs=%dns ncs=%dns", r.Lock, r.Machine, r.VCPUs, r.CPUs,
			r.CSNanos, r.NCSNanos)
		if r.Neighbours > 0 {
			cell += fmt.Sprintf(" neighbours=%d", r.Neighbours)
		}
		x.rounds = append(x.rounds,
			measured{cell,
				[]float64{r.OpsPerSecond, float64(r.Latency.P999),
					r.CPUSeconds * 1e9 / float64(r.AcquisitionsTotal)}})
	}
	return x
}

func mutexSide(m *Mutexes) *side {
	x := &side{kind: SchemaMutex, host: &m.Host, metrics: []Compared{
		{Name: "time per acquisition", Unit: "ns"}, {Name: "wait p99.9", Unit: "ns"},
		{Name: "CPU time per acquisition", Unit: "ns"},
	}}
	for i := range m.Cells {
		c := &m.Cells[i]
		for _, r := range c.Runs {
			if r.Acquisitions > 0 {
				cell := fmt.Sprintf("%s %s %s", r.Mutex, c.Group, c.Name)
				x.rounds = append(x.rounds,
					measured{cell, []float64{r.NanosPerOp, float64(r.Waits.P999), r.CPUPerOp}})
			}
		}
	}
	return x
}

func simSide(s *Sim) *side {
	x := &side{kind: SchemaSim,
		metrics: []Compared{{Name: "acquisitions/s", Higher: true},
			{Name: "wait p99.9", Unit: "ns"}}}
	for i := range s.Runs {
		r := &s.Runs[i]
		if r.Nanos <= 0 {
			continue
		}
		var setting []string
		for k, v := range r.Setting {
			setting = append(setting, k+"="+v)
		}
		sort.Strings(setting)
		cell := strings.Join(
			slices.Concat([]string{r.Series, r.Scheduler, fmt.Sprintf("%d/%d", r.VCPUs, r.PCPUs)},
				setting), " ")
		x.rounds = append(x.rounds,
			measured{cell,
				[]float64{float64(r.Acquisitions) * 1e9 / float64(r.Nanos),
					float64(r.Latency.P999)}})
	}
	return x
}
