package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"example.com/pvlock/check"
	"example.com/pvlock/result"
)

func checkCommand() *cobra.Command {
	var (
		o                  check.Options
		jsonFile, pageFile string
	)
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Explore every interleaving of a lock's own text, under x86-TSO",
		Long: `Explore every interleaving of a lock's own text, under x86-TSO.

A few CPUs each take a lock a few times. Every order in which their operations and
their store buffers can take effect is tried, with sleeps that end for no reason and
interrupts that wait for a lock themselves. A violation is shown as the shortest
way there.

Without --client each lock's default set of clients is explored; --full is what takes ten
minutes on two cores, within --memory. What a bound cut is listed at the end. --scenario shows
the faults that the locks had in their history, --necessity what each fence, locked instruction
and second look is good for; unless --states says otherwise, each of its explorations ends after
20000 states, so that a lock's table takes about a minute.

The mutex is what a Go program imports; its CPUs are goroutines.

Clients: ` + strings.Join(check.Clients(), ", ") + `.`,
		Example: `  pvlock check
  pvlock check --locks xen,pvqspin --full
  pvlock check --locks xen2008 --client plain --cpus 2 --times 2
  pvlock check --locks xen2008 --client plain --model sc
  pvlock check --scenario all
  pvlock check --locks mutex --client giving-up --cpus 3 --times 1
  pvlock check --locks xen --necessity --html needs.html`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			// A flag that has no part in what is explored would seem to have had one.
			f := cmd.Flags()
			if err := cmp.Or(
				requires(f, "client", "cpus", "times", "spin", "interrupts"),
				excludes(f, "scenario", "locks", "client", "full", "model", "necessity"),
				excludes(f, "necessity", "client", "full"),
				excludes(f, "client", "full"),
				atLeastOne("buffer", int64(o.Buffer)), atLeastOne("memory", o.MemoryMB),
				o.Check(),
			); err != nil {
				return err
			}
			outs, err := openOutputs(cmd.OutOrStdout(), []output[*result.Check]{
				{jsonFile, func(w io.Writer, r *result.Check) error { return r.Write(w) }},
				{pageFile, writePage[*result.Check]},
			})
			if err != nil {
				return err
			}
			text := cmd.OutOrStdout()
			if onStdout(jsonFile, pageFile) {
				text = io.Discard
			}
			rep, err := check.Main(cmd.Context(), o, text)
			if err != nil {
				return errors.Join(err, outs.discard())
			}
			rep.Command = os.Args
			return errors.Join(checkVerdict(rep), outs.write(rep))
		},
	}
	f := cmd.Flags()
	f.StringSliceVar(&o.Locks, "locks", nil, "locks to check (default all that ought to be right)")
	f.BoolVar(&o.Full, "full", false, "the full set of clients")
	f.StringVar(&o.Client, "client", "",
		"one client instead of the set: "+strings.Join(check.Clients(), ", "))
	f.IntVar(&o.CPUs, "cpus", 2, "CPUs of that client, 1 to 4")
	f.IntVar(&o.Times, "times", 2, "acquisitions of each, 1 to 8")
	f.StringVar(&o.Spin, "spin", "any", "its spin budget: 0, 1 or any")
	f.IntVar(&o.Interrupts, "interrupts", 0, "interrupts that come, in all, 0 to 4")
	f.StringVar(&o.Model, "model", "tso", "memory model: tso or sc")
	f.StringSliceVar(&o.Scenarios, "scenario", nil, "faults of the locks' history to show, or all")
	f.BoolVar(&o.Necessity, "necessity", false,
		"weaken each thing of a lock's text alone, and say what breaks")
	f.IntVar(&o.Buffer, "buffer", 4, "stores that a store buffer holds, 1 to 8")
	f.IntVar(&o.Workers, "workers", 0, "goroutines that explore, 1 to 1024 (default GOMAXPROCS)")
	f.Int64Var(&o.States, "states", 0, "bound on the states of an exploration (default none)")
	f.Int64Var(&o.MemoryMB, "memory", 2048, "bound on its memory, in MB")
	f.DurationVar(&o.Timeout, "timeout", 0*time.Second, "bound on the time of all (default none)")
	f.StringVar(&jsonFile, "json", "",
		"write the whole result to a `file`, - for stdout (then nothing else is printed there)")
	htmlFlag(f, &pageFile)
	completeList(cmd, "locks", check.Locks)
	completeList(cmd, "client", check.Clients)
	completeList(cmd, "scenario", scenarioNames)
	completeList(cmd, "model", words("tso", "sc"))
	completeList(cmd, "spin", words("0", "1", "any"))
	return cmd
}

// atLeastOne returns an error if a bound is 0, which might be taken for none.
func atLeastOne(flag string, is int64) error {
	if is == 0 {
		return fmt.Errorf("--%s 0: want at least 1", flag)
	}
	return nil
}

func checkVerdict(r *result.Check) error {
	err := ended(r.Ending)
	if bad := r.Violated(); bad != nil {
		return errors.Join(finding{bad}, err)
	}
	if cut := r.Undecided(); cut != "" && err == nil {
		return fmt.Errorf("scenario %s: cut by a bound before it could be said whether it holds: "+
			"want more of --states, --memory, --timeout", cut)
	}
	return err
}

func scenarioNames() []string {
	names := []string{"all"}
	for _, s := range check.Scenarios() {
		names = append(names, s.Name)
	}
	return names
}
