package sim

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"example.com/pvlock/result"
)

// Settings are parameters by name. Each is a list with commas.
type Settings map[string]string

// Options are what holds for all cells of a sweep.
type Options struct {
	// Seed is that of every cell: cells differ by what they are given, and not by luck.
	Seed uint64
	// Costs are what --cost-… overrides; CostsFrom says where they are from.
	Costs     Costs
	CostsFrom string
	// StepByStep is as in Config.
	StepByStep bool
	// Timeline is as in Config, for the cells TimelineOf, or if that is empty for the last one.
	Timeline   time.Duration
	TimelineOf []int
}

// A Sweep is the cells of an experiment, ready to be run.
type Sweep struct {
	// Experiment is what it was made of.
	Experiment *Experiment
	Options    Options
	// Plots are the experiment's, or those that suit what is varied.
	Plots []result.Plot
	// Cells are numbered by their place.
	Cells []Cell
}

// A Cell is one run of a sweep.
type Cell struct {
	Config Config
	// Series and Setting are as in result.SimRun.
	Series  string
	Setting map[string]string

	given Settings // one value of each parameter that was given
	axes  map[string]float64
}

// maxCells is far above what can be run, and below what can't be counted.
const maxCells = 1 << 20

// Sweep makes the cells: the cartesian product of all lists, in the order of [Params]. Given
// overrides the experiment's own settings; a cell that would come twice comes once.
func (e *Experiment) Sweep(given Settings, o Options) (*Sweep, error) {
	if given["vcpus"] != "" && given["overcommit"] != "" {
		return nil, errors.New("--vcpus and --overcommit: want one of the two")
	}
	s := &Sweep{Experiment: e, Options: o, Plots: e.Plots}
	seen := make(map[string]bool)
	for _, own := range e.Sweeps {
		all := maps.Clone(own)
		if all == nil {
			all = Settings{}
		}
		if given["vcpus"] != "" {
			delete(all, "overcommit")
		}
		if given["overcommit"] != "" {
			delete(all, "vcpus")
		}
		maps.Copy(all, given)
		cells, err := product(all, o)
		if err != nil {
			return nil, err
		}
		for _, c := range cells {
			if key := fmt.Sprint(c.given); !seen[key] {
				seen[key] = true
				s.Cells = append(s.Cells, c)
			}
		}
		if len(s.Cells) > maxCells {
			return nil, tooMany()
		}
	}
	s.name()
	return s, s.timelines()
}

func tooMany() error { return fmt.Errorf("more than %d cells: want shorter lists", maxCells) }

// product makes the cells of all combinations.
func product(all Settings, o Options) (cells []Cell, err error) {
	lists := make([][]string, len(params))
	n := 1
	for name, text := range all {
		i := findParam(name)
		if i < 0 {
			return nil, fmt.Errorf("unknown parameter %q", name)
		}
		lists[i] = strings.Split(text, ",")
	}
	locks := findParam("locks")
	every := len(lists[locks]) == 0 || slices.Equal(lists[locks], []string{"all"})
	if every {
		lists[locks] = Locks()
	}
	for _, list := range lists {
		if n *= max(len(list), 1); n > maxCells {
			return nil, tooMany()
		}
	}
	var refused int
	for cell := range n {
		values := make(Settings)
		rest := cell
		for i := len(params) - 1; i >= 0; i-- {
			if l := lists[i]; len(l) > 0 {
				values[params[i].Name] = l[rest%len(l)]
				rest /= len(l)
			}
		}
		c, err := newCell(values, o)
		if err != nil {
			return nil, err
		}
		if every && c.vcpus() > c.Config.Lock.MaxCPUs {
			refused = c.vcpus()
			continue // asked for all that can
		}
		if err := c.Config.Check(); err != nil {
			return nil, err
		}
		cells = append(cells, c)
	}
	if len(cells) == 0 {
		return nil, fmt.Errorf("%d vCPUs: no lock is for so many", refused)
	}
	return cells, nil
}

func newCell(values Settings, o Options) (Cell, error) {
	d := draft{Config: Config{Costs: o.Costs, Seed: o.Seed, StepByStep: o.StepByStep}}
	c := Cell{Setting: make(map[string]string), given: values, axes: make(map[string]float64)}
	for _, p := range params {
		v, given := values[p.Name]
		if !given {
			if v = p.Default; v == "" {
				continue
			}
		}
		if err := p.set(&d, v); err != nil {
			return c, fmt.Errorf("--%s: %w", p.Name, err)
		}
		if p.axis != "" {
			c.axes[p.axis] = p.number(v)
		}
		if given && !slices.Contains(ownFields, p.Name) {
			c.Setting[p.Name] = v
		}
	}
	if d.vcpus == 0 {
		d.vcpus = max(1, int(math.Round(d.overcommit*float64(d.PCPUs)/float64(d.vms))))
	}
	for range d.vms {
		d.VMs = append(d.VMs, VM{VCPUs: d.vcpus, Yield: d.yield, Weight: d.weight})
	}
	c.Config = d.Config
	c.axes["vcpus"] = float64(d.vcpus)
	c.axes["overcommit"] = float64(d.vcpus*d.vms) / float64(d.PCPUs)
	return c, nil
}

// ownFields are parameters that result.SimRun has fields for.
var ownFields = []string{"locks", "sched", "pcpus", "vms", "background", "vcpus", "overcommit",
	"cs", "ncs", "duration"}

func (c *Cell) vcpus() (n int) {
	for _, vm := range c.Config.VMs {
		n += vm.VCPUs
	}
	return n
}

// name finds what varies, makes it the plots' axis and the cells' series.
func (s *Sweep) name() {
	var varied []Param
	for _, p := range params {
		first := s.Cells[0].given[p.Name]
		if slices.ContainsFunc(s.Cells, func(c Cell) bool { return c.given[p.Name] != first }) {
			varied = append(varied, p)
		}
	}
	if s.Plots == nil {
		s.Plots = standardPlots(axisOf(varied))
	}
	x := s.Plots[0].X.Value
	// These two say the same thing.
	size := []string{"overcommit", "vcpus"}
	for i := range s.Cells {
		c := &s.Cells[i]
		words := []string{c.Config.Lock.Name}
		for _, p := range varied {
			v := c.given[p.Name]
			if v == "" || p.Name == "locks" || p.axis == x ||
				slices.Contains(size, x) && slices.Contains(size, p.Name) {
				continue
			}
			words = append(words, p.Name+"="+v)
		}
		c.Series = strings.Join(words, " ")
		for axis := range c.axes {
			if axis != x && axis != "overcommit" &&
				!slices.ContainsFunc(varied, func(p Param) bool { return p.axis == axis }) {
				delete(c.axes, axis)
			}
		}
	}
}

// axisOf chooses what the plots of a sweep show along x: how many compete, if that varies, or else
// the longest list of numbers.
func axisOf(varied []Param) result.Axis {
	for _, p := range varied {
		if p.Name == "overcommit" || p.Name == "vcpus" {
			return axisNamed(p)
		}
	}
	for _, p := range varied {
		if p.axis != "" {
			return axisNamed(p)
		}
	}
	return axisNamed(params[findParam("overcommit")])
}

func axisNamed(p Param) result.Axis {
	x := result.Axis{Value: p.axis, Label: p.Name}
	if strings.HasSuffix(p.axis, "_ns") {
		x.Unit, x.Log = "ns", true
	}
	if p.Name == "spin" || p.Name == "steal" {
		x.Unit, x.Log = "rounds", true
	}
	return x
}

// timelines chooses the cells that record one.
func (s *Sweep) timelines() error {
	of := s.Options.TimelineOf
	if len(of) == 0 {
		of = []int{len(s.Cells) - 1}
	}
	for _, i := range of {
		if i < 0 || i >= len(s.Cells) {
			return fmt.Errorf("--timeline-of %d: want 0 to %d, the number of a cell", i,
				len(s.Cells)-1)
		}
		s.Cells[i].Config.Timeline = s.Options.Timeline
		if err := s.Cells[i].Config.Check(); err != nil {
			return err
		}
	}
	return nil
}

// Records says whether a shard has a cell that records a timeline.
func (s *Sweep) Records(shard result.Shard) bool {
	return slices.ContainsFunc(shardOf(len(s.Cells), shard), func(i int) bool {
		return s.Cells[i].Config.Timeline > 0
	})
}

// A Runner simulates one cell: [Run].
type Runner func(context.Context, Config) (result.SimRun, *result.Timeline, error)

// Progress says how far a sweep is.
type Progress struct {
	// Done of Cells are simulated, with so many events in all.
	Done, Cells int
	Events      uint64
}

// Run runs the shard's cells on all CPUs. The result is the same whatever their number. Progress,
// if not nil, is called after each cell. When ctx is done Run returns what was simulated so far,
// whole cells only; so it does, with an error, when a cell fails.
func (s *Sweep) Run(ctx context.Context, run Runner, shard result.Shard,
	progress func(Progress)) (*result.Sim, error) {
	type outcome struct {
		run      result.SimRun
		timeline *result.Timeline
		err      error
		done     bool
	}
	var (
		mine     = shardOf(len(s.Cells), shard)
		outcomes = make([]outcome, len(mine))
		next     = make(chan int)
		workers  sync.WaitGroup
		mu       sync.Mutex
		p        = Progress{Cells: len(mine)}
	)
	stoppable, stop := context.WithCancel(ctx)
	defer stop()
	for range min(runtime.GOMAXPROCS(0), len(mine)) {
		workers.Go(func() {
			for i := range next {
				r, t, err := s.cell(stoppable, run, mine[i])
				mu.Lock()
				outcomes[i] = outcome{r, t, err, err == nil}
				if err != nil {
					stop()
				} else {
					p.Done++
					p.Events += r.Events
					if progress != nil {
						progress(p)
					}
				}
				mu.Unlock()
			}
		})
	}
	for i := range mine {
		if stoppable.Err() != nil {
			break
		}
		next <- i
	}
	close(next)
	workers.Wait()

	out := &result.Sim{
		Experiment: s.Experiment.Name, About: s.Experiment.About, Seed: s.Options.Seed,
		Costs: s.Options.Costs.Map(), CostsFrom: s.Options.CostsFrom, Plots: s.Plots,
		Shard: shard, Cells: len(s.Cells),
	}
	var failure error
	for i, o := range outcomes {
		out.Interrupted = out.Interrupted || !o.done && ctx.Err() != nil
		if o.done {
			out.Runs = append(out.Runs, o.run)
			if o.timeline != nil {
				out.Timelines = append(out.Timelines, *o.timeline)
			}
		} else if o.err != nil && !errors.Is(o.err, context.Canceled) && failure == nil {
			failure = fmt.Errorf("cell %d (%s): %w", mine[i], s.title(mine[i]), o.err)
		}
	}
	return out, failure
}

// cell runs one, and adds to it what it is in the sweep.
func (s *Sweep) cell(ctx context.Context, run Runner,
	number int) (result.SimRun, *result.Timeline, error) {
	c := &s.Cells[number]
	r, t, err := run(ctx, c.Config)
	if err != nil {
		return r, nil, err
	}
	r.Cell, r.Series, r.Setting = number, c.Series, c.Setting
	if r.Values == nil {
		r.Values = make(map[string]float64)
	}
	maps.Copy(r.Values, c.axes)
	maps.Copy(r.Values, shares(&r))
	if t != nil {
		t.Cell, t.Title = number, s.title(number)
	}
	return r, t, nil
}

// title names a cell for people.
func (s *Sweep) title(number int) string {
	c := &s.Cells[number]
	x := s.Plots[0].X
	return fmt.Sprintf("%s, %s %s", c.Series, cmp.Or(x.Label, x.Value),
		strconv.FormatFloat(c.axes[x.Value], 'g', 4, 64))
}

// shares are what plots show of a run besides what the simulation counts. Each is one division, or
// none, so that it is the same on every architecture.
func shares(r *result.SimRun) map[string]float64 {
	v := map[string]float64{
		"wait_p50_ns": float64(r.Latency.P50), "wait_p99_ns": float64(r.Latency.P99),
		"wait_p999_ns": float64(r.Latency.P999), "wait_max_ns": float64(r.Latency.Max),
	}
	if r.Contended > 0 {
		v["slow_share"] = float64(r.Blocked) / float64(r.Contended)
	}
	return v
}
