package sim

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"example.com/pvlock/internal/twin/spinlock"
	"example.com/pvlock/result"
)

// How far the simulation may be from a measurement: by these factors either way, where the measured
// lock has not collapsed, and where it has.
const (
	Within          = 1.3
	WithinCollapsed = 3
)

// differ is by how much the throughput of two locks must differ for their order to mean anything.
const differ = 1.15

// A Comparison is a measurement beside the simulation of the same.
type Comparison struct {
	// Rows are the locks at each overcommit, in the order in which they were measured.
	Rows []Compared
	// Swapped are pairs of rows whose order the simulation has wrong: the first was measured to be
	// faster by more than 15 %, and is simulated to be slower.
	Swapped [][2]*Compared
	// Host is the machine.
	Host result.Host
	// CostsFrom says where the costs are from.
	CostsFrom string
}

// Compared is one lock at one overcommit.
type Compared struct {
	Lock       string
	Overcommit float64
	// Measured is the median over the rounds, in acquisitions per second, Least and Most their
	// range.
	Measured, Least, Most float64
	// Simulated is in acquisitions per second.
	Simulated float64
	// MeasuredCollapse and SimulatedCollapse say whether less than a tenth is left of the lock's
	// throughput at the least overcommit.
	MeasuredCollapse, SimulatedCollapse bool
}

// Limit is the factor by which the row may be out.
func (c *Compared) Limit() float64 {
	if c.MeasuredCollapse {
		return WithinCollapsed
	}
	return Within
}

// Agrees says whether the simulation is within the limit, and has the same verdict.
func (c *Compared) Agrees() bool {
	limit := c.Limit()
	return c.MeasuredCollapse == c.SimulatedCollapse && c.Simulated <= c.Measured*limit &&
		c.Simulated*limit >= c.Measured
}

// Compare simulates what was measured on threads: each lock of the catalogue with as many vCPUs on
// as many CPUs, under the fair scheduler.
func Compare(ctx context.Context, b *result.Bench, o Options, run Runner,
	progress func(Progress)) (*Comparison, error) {
	c := &Comparison{Host: b.Host, CostsFrom: o.CostsFrom}
	s := &Sweep{Experiment: &Experiment{}, Options: o, Plots: standardPlots(overcommit)}
	for _, cell := range result.Cells(b.Runs) {
		i := slices.IndexFunc(spinlock.Kinds(), func(k spinlock.Kind) bool {
			return k.Name == cell.Lock
		})
		if i < 0 || cell.Machine != "threads" {
			continue // a peer has no twin
		}
		row := Compared{Lock: cell.Lock, Overcommit: float64(cell.VCPUs) / float64(cell.CPUs)}
		row.Measured = cell.Median(func(r *result.Run) float64 { return r.OpsPerSecond })
		row.Least = slices.MinFunc(cell.Runs, byThroughput).OpsPerSecond
		row.Most = slices.MaxFunc(cell.Runs, byThroughput).OpsPerSecond
		c.Rows = append(c.Rows, row)
		cfg := Config{
			Lock: spinlock.Kinds()[i], PCPUs: cell.CPUs, VMs: []VM{{VCPUs: cell.VCPUs}},
			Scheduler: Fair,
			Critical:  time.Duration(cell.CSNanos), Think: time.Duration(cell.NCSNanos),
			// As long as five rounds of the measurement.
			Duration: time.Second, Warmup: 100 * time.Millisecond,
			Costs: o.Costs, Seed: o.Seed,
		}
		if err := cfg.Check(); err != nil {
			return nil, err
		}
		s.Cells = append(s.Cells,
			Cell{Config: cfg, Series: cell.Lock,
				axes: map[string]float64{"overcommit": row.Overcommit}})
	}
	if len(c.Rows) == 0 {
		return nil, errors.New("nothing to compare: want locks of the catalogue, measured on " +
			"threads")
	}
	r, err := s.Run(ctx, run, result.Shard{Index: 1, Of: 1}, progress)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	for i := range r.Runs {
		c.Rows[i].Simulated = r.Runs[i].Values[ops]
	}
	c.judge()
	return c, nil
}

func byThroughput(a, b *result.Run) int {
	switch {
	case a.OpsPerSecond < b.OpsPerSecond:
		return -1
	case a.OpsPerSecond > b.OpsPerSecond:
		return 1
	}
	return 0
}

// judge finds the locks that have collapsed, and those whose order is wrong.
func (c *Comparison) judge() {
	for i := range c.Rows {
		r := &c.Rows[i]
		base := r
		for j := range c.Rows {
			if o := &c.Rows[j]; o.Lock == r.Lock && o.Overcommit < base.Overcommit {
				base = o
			}
		}
		r.MeasuredCollapse = r.Measured < collapses*base.Measured
		r.SimulatedCollapse = r.Simulated < collapses*base.Simulated
		for j := range c.Rows {
			if o := &c.Rows[j]; o.Overcommit == r.Overcommit && r.Measured > differ*o.Measured &&
				r.Simulated <= o.Simulated {
				c.Swapped = append(c.Swapped, [2]*Compared{r, o})
			}
		}
	}
}

// Out says in how many ways the simulation is out.
func (c *Comparison) Out() (rows, pairs int) {
	for i := range c.Rows {
		if !c.Rows[i].Agrees() {
			rows++
		}
	}
	return rows, len(c.Swapped)
}

// Write writes the table for people.
func (c *Comparison) Write(w io.Writer) error {
	var out strings.Builder
	fmt.Fprintf(&out,
		"Million acquisitions per second, measured on threads (%s, %d CPUs, %s) and simulated; "+
			"costs: %s.\n"+
			"They agree within a factor of %v, or of %v where the lock has collapsed to less "+
			"than a tenth of what it does without overcommit.\n\n",
		c.Host.CPU, c.Host.CPUs, c.Host.Hypervisor, c.CostsFrom, Within, WithinCollapsed)
	tw := tabwriter.NewWriter(&out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(tw,
		"\tovercommit\tmeasured\tits range\tsimulated\tratio\tcollapsed\tsimulated\tverdict\t")
	for i := range c.Rows {
		r := &c.Rows[i]
		ratio := "-"
		if r.Measured > 0 {
			ratio = strconv.FormatFloat(r.Simulated/r.Measured, 'f', 2, 64)
		}
		fmt.Fprintf(tw, "%s\t%.3g\t%s\t%s–%s\t%s\t%s\t%s\t%s\t%s\t\n", r.Lock, r.Overcommit,
			digits(r.Measured/1e6), digits(r.Least/1e6), digits(r.Most/1e6),
			digits(r.Simulated/1e6), ratio, yes(r.MeasuredCollapse), yes(r.SimulatedCollapse),
			r.verdict())
	}
	tw.Flush()
	for i, p := range c.Swapped {
		if i == 0 || p[0].Overcommit != c.Swapped[i-1][0].Overcommit {
			fmt.Fprintf(&out,
				"\nORDER is wrong at overcommit %.3g of (throughput of one over the other, "+
					"measured and simulated):\n", p[0].Overcommit)
		}
		fmt.Fprintf(&out, "  %s and %s (%.2f, %.2f)\n", p[0].Lock, p[1].Lock,
			p[0].Measured/max(p[1].Measured, 1), p[0].Simulated/max(p[1].Simulated, 1))
	}
	rows, pairs := c.Out()
	all := 0
	for i := range c.Rows {
		for j := range c.Rows {
			if c.Rows[i].Overcommit == c.Rows[j].Overcommit &&
				c.Rows[i].Measured > differ*c.Rows[j].Measured {
				all++
			}
		}
	}
	fmt.Fprintf(&out,
		"\n%d of %d rows agree, and the order of %d of the %d pairs of locks that differ by more "+
			"than 15 %%.\n", len(c.Rows)-rows, len(c.Rows), all-pairs, all)
	_, err := io.WriteString(w, out.String())
	return err
}

func (c *Compared) verdict() string {
	switch {
	case c.Agrees():
		return "agrees"
	case c.MeasuredCollapse != c.SimulatedCollapse:
		return "OUT: whether it collapses"
	}
	return "OUT: by more than " + strconv.FormatFloat(c.Limit(), 'g', -1, 64)
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
