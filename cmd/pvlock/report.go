package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"example.com/pvlock/report"
	"example.com/pvlock/result"
)

func reportCommand() *cobra.Command {
	var htmlFile string
	cmd := &cobra.Command{
		Use:   "report FILE...",
		Short: "Make one page of HTML of result files",
		Long: `Make one page of HTML of result files.

The files are what --json of bench, bench mutex, bench unlock, check, sim and torture wrote, and
Result.Write of package explore, any number of any kinds. The page is one file that loads
nothing and has no scripts: what was run and where, plots with a table of each one's values,
counterexamples, timelines. It follows the system's light or dark theme, and can be printed.

A file that is malformed, cut short, foreign, or written by a newer pvlock is a line on stderr
and on the page; the others are reported.

Exit status: 2 if a file could not be read.`,
		Example: `  pvlock bench --json bench.json
  pvlock check --locks xen2008,xen --client plain --json check.json
  pvlock report bench.json check.json --html page.html
  pvlock report compare old.json new.json --max-loss 5%
  pvlock report merge shard1.json shard2.json shard3.json -o whole.json`,
		Args: atLeast(1, "result file, as --json of bench, check, sim or torture writes it"),
		RunE: func(cmd *cobra.Command, names []string) error {
			files, problems := readResults(names)
			for _, p := range problems {
				fmt.Fprintln(cmd.ErrOrStderr(), "pvlock:", p)
			}
			if len(files) == 0 {
				return errors.New("none of the files could be read, so there is nothing to report")
			}
			outs, err := openOutputs(cmd.OutOrStdout(),
				[]output[[]report.File]{{htmlFile, func(w io.Writer, f []report.File) error {
					return report.Write(w, f, problems...)
				}}})
			if err != nil {
				return err
			}
			if err := outs.write(files); err != nil {
				return err
			}
			if problems != nil {
				return fmt.Errorf("%d of %d files could not be read", len(problems), len(names))
			}
			return nil
		},
	}
	cmd.Flags().
		StringVar(&htmlFile, "html", "report.html", "write the page to a `file`, - for stdout")
	cmd.AddCommand(reportCompareCommand(), reportMergeCommand())
	return cmd
}

// atLeast asks for n arguments or more, and says of what.
func atLeast(n int, what string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) < n {
			return fmt.Errorf("%d arguments: want %d or more: %s", len(args), n, what)
		}
		return nil
	}
}

// readResults reads result files, and says in a line each what is wrong with those that can't be
// read.
func readResults(names []string) (files []report.File, problems []string) {
	for _, name := range names {
		r, err := readResult(name)
		if err != nil {
			problems = append(problems, err.Error())
			continue
		}
		files = append(files, report.File{Name: name, Result: r})
	}
	return files, problems
}

func readResult(name string) (any, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("can't read a result: %w", err)
	}
	defer f.Close()
	r, err := result.Read(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return r, nil
}

func reportCompareCommand() *cobra.Command {
	most := loss(-1)
	cmd := &cobra.Command{
		Use:   "compare OLD NEW",
		Short: "Show what got faster or slower between two results",
		Long: `Show what got faster or slower between two results of bench, bench mutex or sim.

Each cell (a lock, so many vCPUs on so many CPUs, the lengths of the sections) that both have is
compared over its rounds as benchstat does it: medians, and the Mann-Whitney U-test at the 5%
level. That takes 4 rounds or more on both sides. A simulation is exact, and any difference
counts.

Figures of emulated CPUs are not compared with real ones. Where the hosts differ in
anything else, a warning on stderr says so.

Exit status: 1 if with --max-loss a cell's throughput (of mutexes, the time per acquisition) is
worse by more than that at the least: its lower bound counts, at the 5% level for all cells
together, by permutation of the rounds. It takes 4 rounds on both sides. What drifts between two
runs looks
like a loss: measure both where nothing else runs, one right after the other.`,
		Example: `  pvlock bench --json old.json
  pvlock bench --json new.json
  pvlock report compare old.json new.json
  pvlock report compare old.json new.json --max-loss 5%     # in CI`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 2 {
				return fmt.Errorf("%d files: want 2, the old result and the new one", len(args))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, names []string) error {
			var sides [2]any
			for i, name := range names {
				var err error
				if sides[i], err = readResult(name); err != nil {
					return err
				}
			}
			c, err := result.Compare(sides[0], sides[1])
			if err != nil {
				return fmt.Errorf("%s and %s: %w", names[0], names[1], err)
			}
			for _, w := range c.Warnings {
				fmt.Fprintln(cmd.ErrOrStderr(), "pvlock: warning:", w)
			}
			if err := report.WriteComparison(cmd.OutOrStdout(), c); err != nil {
				return err
			}
			if !cmd.Flags().Changed("max-loss") {
				return nil
			}
			lost := c.Losses(float64(most))
			for _, x := range lost {
				fmt.Fprintf(cmd.OutOrStdout(), "LOSS: %s: at least %.1f%%\n", x.Name, 100*x.Lower)
			}
			if lost != nil {
				return finding{
					fmt.Errorf("%d of %d cells lost more than %s, %s first", len(lost),
						len(c.Metrics[0].Cells), &most, lost[0].Name)}
			}
			return nil
		},
	}
	cmd.Flags().
		Var(&most, "max-loss", "exit with 1 if a cell lost more than this `share`, like 5% or 0.05")
	cmd.Flags().Lookup("max-loss").DefValue = ""
	return cmd
}

// loss is a share as a flag: a percentage, or a number.
type loss float64

func (l *loss) String() string { return strconv.FormatFloat(float64(*l)*100, 'g', 6, 64) + "%" }

func (l *loss) Type() string { return "share" }

func (l *loss) Set(s string) error {
	number, percent := strings.CutSuffix(s, "%")
	v, err := strconv.ParseFloat(number, 64)
	if percent {
		v /= 100
	}
	// Written this way, a NaN is not a share either.
	if err != nil || !(v >= 0 && v <= 1) {
		return errors.New("want 0% to 100%, or 0 to 1")
	}
	*l = loss(v)
	return nil
}

func reportMergeCommand() *cobra.Command {
	var outFile string
	cmd := &cobra.Command{
		Use:   "merge SHARD... -o FILE",
		Short: "Make the shards of a simulation the whole",
		Long: `Make the shards of a simulation the whole.

The shards are what "pvlock sim --shard" wrote, on one machine or on many, in any order. What
comes of them is the file that the same command without --shard writes, to the byte. A shard
that is missing, given
twice, or of another sweep, seed or set of costs is an error.`,
		Example: `  pvlock report merge shard1.json shard2.json shard3.json -o whole.json
  pvlock report merge shards/*.json -o - | jq '.runs | length'`,
		Args: atLeast(1, "shard, as pvlock sim writes it"),
		RunE: func(cmd *cobra.Command, names []string) error {
			if outFile == "" {
				return errors.New("no file to write to: want -o FILE, or -o - for stdout")
			}
			var shards []*result.Sim
			for _, name := range names {
				r, err := readResult(name)
				if err != nil {
					return err
				}
				s, ok := r.(*result.Sim)
				if !ok {
					return fmt.Errorf("%s: a %T: want a shard of a simulation, with schema %s",
						name, r, result.SchemaSim)
				}
				shards = append(shards, s)
			}
			whole, err := result.MergeSims(shards)
			if err != nil {
				return err
			}
			outs, err := openOutputs(cmd.OutOrStdout(),
				[]output[*result.Sim]{{outFile, func(w io.Writer, s *result.Sim) error {
					return s.Write(w)
				}}})
			if err != nil {
				return err
			}
			return outs.write(whole)
		},
	}
	cmd.Flags().StringVarP(&outFile, "output", "o", "", "write the whole to a `file`, - for stdout")
	return cmd
}
