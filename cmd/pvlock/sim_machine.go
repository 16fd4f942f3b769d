package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"example.com/pvlock/bench"
	"example.com/pvlock/host"
	"example.com/pvlock/result"
	"example.com/pvlock/rig"
	"example.com/pvlock/sim"
	"example.com/pvlock/sim/calibrate"
)

// runCalibrate measures what things cost here and writes it to a file.
func (a *simFlags) runCalibrate(cmd *cobra.Command) error {
	if err := a.only("calibrate", "costs"); err != nil {
		return err
	}
	name := a.costsFile
	if name == "" {
		name = defaultCosts
	}
	outputs, err := openOutputs(cmd.OutOrStdout(), []output[*result.Costs]{
		{name, func(w io.Writer, c *result.Costs) error { return c.Write(w) }},
	})
	if err != nil {
		return err
	}
	c, err := measureCosts(cmd)
	if err != nil {
		return errors.Join(err, outputs.discard())
	}
	if err := outputs.write(c); err != nil {
		return err
	}
	if name == "-" {
		return nil
	}
	tw := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	for _, cost := range slices.Sorted(maps.Keys(c.Costs)) {
		fmt.Fprintf(tw, "%s\t%d ns\t%s\n", cost, c.Costs[cost], c.How[cost])
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "\nWritten to %s: use it with --costs %s.\n", name,
		name)
	return err
}

func measureCosts(cmd *cobra.Command) (*result.Costs, error) {
	cpus, _ := host.Collect().CPUs.Get()
	began := time.Now()
	m, err := calibrate.Run(cmd.Context(), cpus)
	if err != nil {
		return nil, err
	}
	return &result.Costs{Host: rig.Host(), Measured: began, Costs: m.Costs.Map(), How: m.How}, nil
}

// runValidate measures locks here, simulates the same, and compares.
func (a *simFlags) runValidate(cmd *cobra.Command) error {
	if err := a.only("validate", "costs", "seed", "measured", "json"); err != nil {
		return err
	}
	outputs, err := openOutputs(cmd.OutOrStdout(),
		[]output[*result.Bench]{{a.jsonFile, func(w io.Writer, b *result.Bench) error {
			return b.Write(w)
		}}})
	if err != nil {
		return err
	}
	b, err := a.measure(cmd)
	if err != nil {
		return errors.Join(err, outputs.discard())
	}
	if err := outputs.write(b); err != nil {
		return err
	}
	progress := progressLine(os.Stderr)
	c, err := sim.Compare(cmd.Context(), b, a.o, sim.Run, func(p sim.Progress) {
		progress("simulated %d/%d", p.Done, p.Cells)
	})
	progress("")
	if err != nil {
		return err
	}
	if a.jsonFile != "-" {
		if err := c.Write(cmd.OutOrStdout()); err != nil {
			return err
		}
	}
	if rows, pairs := c.Out(); rows+pairs > 0 {
		return finding{errors.New("the simulation is out")}
	}
	return nil
}

// only makes sure that no flag is given besides these.
func (a *simFlags) only(mode string, names ...string) (err error) {
	a.set.Visit(func(f *pflag.Flag) {
		if err == nil && f.Name != mode && !slices.Contains(names, f.Name) {
			err = fmt.Errorf("--%s with --%s: want at most --%s", f.Name, mode,
				strings.Join(names, ", --"))
		}
	})
	return err
}

// measure reads the measurements, or makes them.
func (a *simFlags) measure(cmd *cobra.Command) (*result.Bench, error) {
	if a.measuredFile != "" {
		f, err := os.Open(a.measuredFile)
		if err != nil {
			return nil, fmt.Errorf("can't read the measurements: %w", err)
		}
		defer f.Close()
		b, err := result.ReadBench(f)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", a.measuredFile, err)
		}
		return b, nil
	}
	cpus, err := firstCPUs(0, false)
	if err != nil {
		return nil, err
	}
	cfg := bench.Config{
		On: bench.OnThreads, HostCPUs: cpus, Locks: sim.Locks(), Overcommit: []float64{1, 2, 4},
		Critical: 100 * time.Nanosecond, Think: 500 * time.Nanosecond,
		Duration: 200 * time.Millisecond, Rounds: 1, Seed: a.o.Seed,
	}
	// What a virtual machine's CPUs are changes in the course of a minute, and a line costs three
	// times as much when its host has moved them apart: costs are measured with every round, and
	// are medians as well.
	const rounds = 5
	var (
		all      *result.Bench
		costs    []map[string]int64
		progress = progressLine(os.Stderr)
	)
	defer progress("")
	for round := 1; round <= rounds; round++ {
		if a.costsFile == "" {
			c, err := measureCosts(cmd)
			if err != nil {
				return nil, err
			}
			costs = append(costs, c.Costs)
		}
		b, err := bench.Run(cmd.Context(), cfg, os.Args, func(p bench.Progress) {
			progress("measuring %d/%d  round %d of %d  overcommit %v  %s", p.Done+1, p.Cells, round,
				rounds, p.Overcommit, p.Lock)
		})
		if err == nil {
			err = cmd.Context().Err()
		}
		if err != nil {
			return nil, err
		}
		for i := range b.Runs {
			b.Runs[i].Round = round
		}
		if all == nil {
			all = b
		} else {
			all.Runs = append(all.Runs, b.Runs...)
			all.Host.Steal = nil // it would be of a part
		}
	}
	if a.costsFile == "" {
		if a.o.Costs, err = sim.CostsOf(medians(costs)); err != nil {
			return nil, err
		}
		a.o.CostsFrom = fmt.Sprintf("medians of %d calibrations meanwhile: %v", rounds,
			medians(costs))
	}
	return all, nil
}

// medians returns that of each cost.
func medians(costs []map[string]int64) map[string]int64 {
	m := make(map[string]int64)
	for name := range costs[0] {
		var values []int64
		for _, c := range costs {
			values = append(values, c[name])
		}
		slices.Sort(values)
		m[name] = values[len(values)/2]
	}
	return m
}
