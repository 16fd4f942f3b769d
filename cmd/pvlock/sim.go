package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"example.com/pvlock/result"
	"example.com/pvlock/sim"
)

// simFlags is what "pvlock sim" is asked for.
type simFlags struct {
	given sim.Settings // the parameters of the sweep that were given
	o     sim.Options
	set   *pflag.FlagSet

	shard, costsFile    string
	jsonFile, traceFile string
	pageFile            string

	calibrate, validate bool
	measuredFile        string
}

func simCommand() *cobra.Command {
	a := simFlags{given: sim.Settings{}}
	cmd := &cobra.Command{
		Use:   "sim [EXPERIMENT]",
		Short: "Run the locks' own text on a simulated host of any size",
		Long: `Run the locks' own text on a simulated host of any size.

Every vCPU runs the lock's text as it is shipped, on a host that is modelled: how many CPUs and
sockets it has, how it schedules, what an instruction, a wake-up and a switch cost. Time is
virtual and counted in whole nanoseconds, so the same command and the same costs give the same
bytes on any machine.

Without an argument the experiments are listed. An experiment is a set of flags, which are shown
there. Each can be overridden; without one the flags are a sweep of your own. Most flags take
lists: every combination is a cell. The cells are numbered from 0 like an odometer whose wheels
are the flags in the order in which they stand below, the last one turning fastest. They run on
all CPUs.

What the plots show is printed as tables, with a line on what it means. Events per second go to
stderr. --json writes all of it, for "pvlock report". --trace writes the end of a cell's run for
ui.perfetto.dev: what each physical CPU runs, and whether each vCPU runs, spins, holds the lock,
is preempted or blocked, with an arrow from each kick to the wake-up it makes.

Costs are in whole ns. Their defaults are a server's of some years ago; --calibrate measures
this machine's and writes them to --costs, which everything else reads. --validate measures the
locks on this machine's threads at overcommit 1, 2 and 4, simulates the same, and compares: they
agree if they are within a factor of
` + fmt.Sprint(sim.Within) + ` where the lock has not collapsed, and of
` + fmt.Sprint(sim.WithinCollapsed) + ` where it has, if locks that differ by more than 15 % come in
the same order, and if the same locks collapse. If not, the exit code is 1.

A sweep that is too long for one machine is divided with --shard I/N. Without that, I and N are
taken from JOB_COMPLETION_INDEX and PVLOCK_SHARDS (a Kubernetes Indexed Job; see
deploy/sim-indexed-job.yaml) or SLURM_ARRAY_TASK_ID and _COUNT (an array job of Slurm), if these
are set. "pvlock report merge" puts the JSON files together. Interrupted, what was simulated is
written, and the exit code is 130: a batch system must not take half a shard for a whole one.`,
		Example: `  pvlock sim
  pvlock sim collapse
  pvlock sim threshold --sched fair --overcommit 2,4 --json threshold.json
  pvlock sim --vcpus 512 --pcpus 64 --sched credit --locks ticket,xen,pvqspin --cs 100ns,1us
  pvlock sim --locks pvqspin --overcommit 4 --cost-kick 500ns,5us,50us
  pvlock sim --locks ticket --overcommit 2 --trace ticket.trace.json --timeline 20ms
  pvlock sim collapse --pcpus 4 --html collapse.html
  pvlock sim --calibrate --costs here.json && pvlock sim collapse --costs here.json --pcpus 2
  pvlock sim --validate --costs here.json
  pvlock sim collapse --pcpus 64 --shard 3/16 --json shard3.json`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.run(cmd, args)
		},
	}
	for _, e := range sim.Experiments {
		cmd.ValidArgs = append(cmd.ValidArgs, e.Name)
	}
	f := cmd.Flags()
	f.SortFlags = false
	for _, p := range sim.Params() {
		v := &setting{a.given, p.Name, p.Default, p.Switch}
		f.Var(v, p.Name, p.About)
		if p.Switch {
			f.Lookup(p.Name).NoOptDefVal = "true"
		}
	}
	f.Uint64Var(&a.o.Seed, "seed", 1, "seed of all randomness")
	f.BoolVar(&a.o.StepByStep, "step-by-step", false,
		"simulate every round of every spin, instead of skipping to the one that ends it: the "+
			"results are the same")
	f.StringVar(&a.costsFile, "costs", "", "costs that --calibrate has written to a `file`")
	f.StringVar(&a.shard, "shard", "", "simulate part `I/N` of the cells, I from 1 to N")
	f.StringVar(&a.jsonFile, "json", "",
		"write the whole result to a `file`, - for stdout (then nothing else is printed there); "+
			"with --validate, the measurements")
	f.StringVar(&a.traceFile, "trace", "",
		"write the timeline in the Trace Event format to a `file`, for ui.perfetto.dev")
	htmlFlag(f, &a.pageFile)
	f.DurationVar(&a.o.Timeline, "timeline", 0,
		"how much of the end of a run is recorded (default 10ms with --trace or --html)")
	f.IntSliceVar(&a.o.TimelineOf, "timeline-of", nil, "of which cells (default the last one)")
	f.BoolVar(&a.calibrate, "calibrate", false,
		"measure this machine's costs and write them to --costs (default "+defaultCosts+")")
	f.BoolVar(&a.validate, "validate", false, "compare the simulation with this machine")
	f.StringVar(&a.measuredFile, "measured", "",
		"--validate: what \"pvlock bench --json\" has written to a `file`, instead of measuring")
	a.set = f
	return cmd
}

// defaultCosts is where --calibrate writes to.
const defaultCosts = "pvlock-costs.json"

// A setting is a parameter of the sweep as a flag.
type setting struct {
	given      sim.Settings
	name, text string
	isSwitch   bool
}

func (s *setting) String() string { return s.text }

func (s *setting) Type() string {
	if s.isSwitch {
		return "bools"
	}
	return listType
}

// listType is the type of a flag that is a list and parsed by package sim.
const listType = "list"

func (s *setting) Set(text string) error {
	s.text, s.given[s.name] = text, text
	return nil
}

func (a *simFlags) run(cmd *cobra.Command, args []string) error {
	switch {
	case a.calibrate && a.validate:
		return errors.New("--calibrate and --validate: want one of the two; --validate " +
			"calibrates unless it is given --costs")
	case (a.calibrate || a.validate) && len(args) > 0:
		return fmt.Errorf("an experiment, %s, with --calibrate or --validate: want one of the two",
			args[0])
	case a.measuredFile != "" && !a.validate:
		return errors.New("--measured: want it with --validate")
	case a.calibrate:
		return a.runCalibrate(cmd)
	}
	if err := a.costs(); err != nil {
		return err
	}
	switch {
	case a.validate:
		return a.runValidate(cmd)
	case len(args) > 0:
		e, err := sim.FindExperiment(args[0])
		if err != nil {
			return err
		}
		return a.sweep(cmd, e)
	case len(a.given) > 0:
		return a.sweep(cmd, sim.Free())
	case a.set.NFlag() > 0:
		return errors.New("want an experiment, or flags for a sweep such as --locks and --vcpus; " +
			"\"pvlock sim\" lists the experiments")
	}
	return listExperiments(cmd.OutOrStdout())
}

// costs are those of the file, or the defaults.
func (a *simFlags) costs() error {
	a.o.Costs, a.o.CostsFrom = sim.DefaultCosts(), "defaults"
	if a.costsFile == "" {
		return nil
	}
	c, err := readCosts(a.costsFile)
	if err != nil {
		return err
	}
	a.o.CostsFrom = fmt.Sprintf("calibrated on %s, %s", c.Host.CPU,
		c.Measured.UTC().Format(time.RFC3339))
	if a.o.Costs, err = sim.CostsOf(c.Costs); err != nil {
		return fmt.Errorf("%s: %w", a.costsFile, err)
	}
	return nil
}

func readCosts(name string) (*result.Costs, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("can't read the costs: %w", err)
	}
	defer f.Close()
	c, err := result.ReadCosts(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return c, nil
}

func (a *simFlags) sweep(cmd *cobra.Command, e *sim.Experiment) error {
	if (a.traceFile != "" || a.pageFile != "") && a.o.Timeline == 0 {
		a.o.Timeline = 10 * time.Millisecond
	}
	if a.o.Timeline < 0 || a.set.Changed("timeline-of") && a.o.Timeline == 0 {
		return fmt.Errorf("--timeline %v: want a time more than 0, such as 10ms", a.o.Timeline)
	}
	shard, err := a.whichShard()
	if err != nil {
		return err
	}
	s, err := e.Sweep(a.given, a.o)
	if err != nil {
		return err
	}
	if a.traceFile != "" && !s.Records(shard) {
		return fmt.Errorf("--trace: none of its cells is of shard %d/%d: want one that is, with "+
			"--timeline-of", shard.Index, shard.Of)
	}
	outputs, err := openOutputs(cmd.OutOrStdout(), []output[*result.Sim]{
		{a.jsonFile, func(w io.Writer, r *result.Sim) error { return r.Write(w) }},
		{a.traceFile, func(w io.Writer, r *result.Sim) error {
			return sim.WriteTrace(w, r.Timelines)
		}},
		{a.pageFile, writePage[*result.Sim]},
	})
	if err != nil {
		return err
	}
	r, events, err := simulate(cmd.Context(), s, shard)
	if err != nil {
		return errors.Join(err, outputs.discard())
	}
	r.Command = a.command(e)
	err = outputs.write(r)
	if !onStdout(a.jsonFile, a.traceFile, a.pageFile) {
		err = errors.Join(err, sim.WriteTable(cmd.OutOrStdout(), e, r))
	}
	fmt.Fprintln(os.Stderr, events)
	return errors.Join(ended(r.Ending), err)
}

func (a *simFlags) whichShard() (result.Shard, error) {
	if a.set.Changed("shard") {
		return sim.ParseShard(a.shard)
	}
	return sim.ShardFrom(os.LookupEnv)
}

// simulate runs a sweep, and says how fast that was.
func simulate(ctx context.Context, s *sim.Sweep, shard result.Shard) (*result.Sim, string, error) {
	began := time.Now()
	progress := progressLine(os.Stderr)
	var last sim.Progress
	rate := func() float64 {
		return float64(last.Events) / max(time.Since(began).Seconds(), 1e-9) / 1e6
	}
	r, err := s.Run(ctx, sim.Run, shard, func(p sim.Progress) {
		last = p
		progress("%d/%d cells  %.1f million events/s", p.Done, p.Cells, rate())
	})
	progress("")
	return r, fmt.Sprintf("%d cells, %.1f million events in %.1f s on %d CPUs: %.2f million "+
		"events/s",
		last.Done, float64(last.Events)/1e6, time.Since(began).Seconds(), runtime.GOMAXPROCS(0),
		rate()), err
}

// command returns the command as it is recorded: with the flags that change the result, and without
// those that don't, or that the result says itself, so that the shards of a sweep have the same.
func (a *simFlags) command(e *sim.Experiment) []string {
	// In one order, whatever order they were given in.
	c := []string{"pvlock", "sim"}
	if len(e.Sweeps[0]) > 0 {
		c = append(c, e.Name)
	}
	a.set.VisitAll(func(f *pflag.Flag) {
		if f.Changed &&
			!slices.Contains(
				[]string{"costs", "shard", "json", "html", "trace", "step-by-step", "timeline",
					"timeline-of"}, f.Name) {
			c = append(c, "--"+f.Name+"="+f.Value.String())
		}
	})
	if a.o.Timeline > 0 {
		c = append(c, fmt.Sprintf("--timeline=%v", a.o.Timeline))
		if len(a.o.TimelineOf) > 0 {
			c = append(c,
				"--timeline-of="+
					strings.Trim(strings.ReplaceAll(fmt.Sprint(a.o.TimelineOf), " ", ","), "[]"))
		}
	}
	return c
}

func listExperiments(w io.Writer) error {
	var out strings.Builder
	fmt.Fprint(&out,
		"Experiments. Try \"pvlock sim collapse\" first; -h says how to make your own.\n")
	for i := range sim.Experiments {
		e := &sim.Experiments[i]
		fmt.Fprintf(&out, "\n%s\n", e.Name)
		tw := tabwriter.NewWriter(&out, 0, 0, 1, ' ', 0)
		fmt.Fprintf(tw, "  shows\t%s\n  from\t%s\n", e.About, e.Source)
		for _, line := range e.Command() {
			fmt.Fprintf(tw, "  is\t%s\n", line)
		}
		tw.Flush()
	}
	_, err := io.WriteString(w, out.String())
	return err
}
