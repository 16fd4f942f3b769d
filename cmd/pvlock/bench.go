package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"example.com/pvlock/bench"
	"example.com/pvlock/host"
	"example.com/pvlock/result"
)

func benchCommand() *cobra.Command {
	var (
		cfg   bench.Config
		cpus  int
		tune  tuning
		files benchFiles
	)
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure locks side by side on this machine, at several overcommits",
		Long: `Measure locks side by side on this machine, at several overcommits.

Each lock in turn is driven by as many vCPUs as the overcommit says: each waits
for a jittered while (--ncs), takes the lock, works (--cs) on two cache lines that
the lock protects, and releases it. Exclusion is checked by that data. Rounds
interleave the locks. Lost wake-ups are found by a watchdog, made good, and counted.

vCPUs are OS threads, goroutines, or (--on kvm) virtual CPUs of a KVM virtual machine that
runs this program's own code; there the peers, which need the Go runtime, don't take part.

Locks: ` + strings.Join(bench.Locks(bench.OnThreads), ", ") + `.`,
		Example: `  pvlock bench
  pvlock bench --locks xen,pvqspin,futex --overcommit 4 --duration 1s
  pvlock bench --on goroutines --cs 1us --ncs 10us
  pvlock bench --on kvm --neighbours 4
  pvlock bench --html bench.html
  pvlock bench --json - | jq '.runs[] | [.lock, .vcpus, .ops_per_s]'
  pvlock bench --benchfmt new.txt && benchstat old.txt new.txt`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			if cfg.HostCPUs, err = firstCPUs(cpus, cmd.Flags().Changed("cpus")); err != nil {
				return err
			}
			cfg.Tune = tune.apply
			return runBench(cmd, cfg, files)
		},
	}
	f := cmd.Flags()
	f.StringSliceVar(&cfg.Locks, "locks", nil, "locks and peers to measure (default all)")
	f.StringVar(&cfg.On, "on", bench.OnThreads,
		"what the vCPUs are: "+strings.Join(bench.Machines(), ", "))
	f.IntVar(&cpus, "cpus", 0, "how many CPUs they share (default all that this process may use)")
	f.Float64SliceVar(&cfg.Overcommit, "overcommit", []float64{1, 2, 4},
		"vCPUs per CPU, each at least 1")
	f.IntVar(&cfg.Neighbours, "neighbours", 0,
		"vCPUs of another virtual machine that computes on the same CPUs meanwhile")
	f.DurationVar(&cfg.Critical, "cs", 100*time.Nanosecond, "length of the critical section")
	f.DurationVar(&cfg.Think, "ncs", 500*time.Nanosecond,
		"mean time between two, half as much to half as much again")
	f.DurationVar(&cfg.Duration, "duration", 200*time.Millisecond,
		"how long each lock is measured, in each round at each overcommit, after a tenth of that "+
			"to warm up")
	f.IntVar(&cfg.Rounds, "rounds", 6,
		"how many rounds; benchstat wants 6, of which the least p is 0.002")
	tune.flags(f)
	f.Uint64Var(&cfg.Seed, "seed", 1, "seed of the jitter")
	f.StringVar(&files.json, "json", "",
		"write the whole result to a `file`, - for stdout (then nothing else is printed there)")
	f.StringVar(&files.benchfmt, "benchfmt", "",
		"write it in the format of Go's benchmarks to a `file`, for benchstat")
	htmlFlag(f, &files.html)
	completeList(cmd, "locks", func() []string { return bench.Locks(bench.OnThreads) })
	completeList(cmd, "on", bench.Machines)
	cmd.AddCommand(benchUnlockCommand())
	cmd.AddCommand(benchMutexCommand())
	return cmd
}

// firstCPUs returns the first n of the CPUs that this process may use, or all.
func firstCPUs(n int, given bool) ([]int, error) {
	facts := host.Collect()
	may, known := facts.CPUs.Get()
	if !known {
		// Which ones they are isn't known here, and doesn't matter: threads can't be confined.
		for cpu := range facts.NumCPUs {
			may = append(may, cpu)
		}
	}
	if !given {
		return may, nil
	}
	if n < 1 || n > len(may) {
		return nil, fmt.Errorf("--cpus %d: want 1 to %d, the number of CPUs that this process "+
			"may use", n, len(may))
	}
	return may[:n], nil
}

// benchFiles are the files that a bench is to write.
type benchFiles struct{ json, benchfmt, html string }

func runBench(cmd *cobra.Command, cfg bench.Config, files benchFiles) error {
	if err := cfg.Check(); err != nil {
		return err
	}
	// Files are opened first: what can't be written must not cost a measurement.
	outputs, err := openOutputs(cmd.OutOrStdout(), []output[*result.Bench]{
		{files.json, func(w io.Writer, b *result.Bench) error { return b.Write(w) }},
		{files.benchfmt, result.WriteBenchfmt},
		{files.html, writePage[*result.Bench]},
	})
	if err != nil {
		return err
	}
	progress := progressLine(os.Stderr)
	b, benchErr := bench.Run(cmd.Context(), cfg, os.Args, func(p bench.Progress) {
		progress("%d/%d  round %d  overcommit %v  %s", p.Done+1, p.Cells, p.Round, p.Overcommit,
			p.Lock)
	})
	progress("")
	if b == nil {
		return errors.Join(benchErr, outputs.discard())
	}
	if errors.As(benchErr, new(bench.Stuck)) {
		benchErr = finding{benchErr}
	}
	verdict := errors.Join(found(bench.Violated(b)), benchErr)
	if benchErr == nil {
		verdict = errors.Join(verdict, ended(b.Ending))
	}
	err = outputs.write(b)
	if !onStdout(files.json, files.benchfmt, files.html) {
		err = errors.Join(err, bench.WriteTable(cmd.OutOrStdout(), b))
		if err == nil {
			err = files.next(cmd.OutOrStdout())
		}
	}
	return errors.Join(verdict, err)
}

// next says how to see the result as a page.
func (f benchFiles) next(w io.Writer) error {
	var err error
	switch {
	case f.html != "":
		_, err = fmt.Fprintf(w, "\nThe page is in %s.\n", f.html)
	case f.json != "":
		_, err = fmt.Fprintf(w, "\nAs a page: pvlock report %s\n", f.json)
	default:
		_, err = fmt.Fprintln(w, "\nAs a page, with plots: pvlock bench --html bench.html")
	}
	return err
}
