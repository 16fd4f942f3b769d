package main

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"example.com/pvlock/result"
	"example.com/pvlock/rig"
	"example.com/pvlock/torture"
)

func tortureCommand() *cobra.Command {
	var (
		cfg      torture.Config
		cpus     int
		jsonFile string
		pageFile string
	)
	cmd := &cobra.Command{
		Use:   "torture",
		Short: "Try to break the locks, on every machine, while all around them misbehaves",
		Long: `Try to break the locks, on every machine, while all around them misbehaves.

More vCPUs than there are CPUs hammer a lock, or several, on each machine that there is:
OS threads, goroutines, KVM, Xen. Meanwhile torments come and go, spell by spell of 20 ms
to 80 ms; two thirds of the time nothing is done from outside, so that the lock is fast.

What is verified:

  exclusion     three cache lines that the lock protects, and a name in one of them: a client that
                finds them torn, somebody's name, or another count than it left was not alone
  lost wake-up  all waiters of a lock sleep, nothing is pending, and nobody holds it or is
                about to release it. The watchdog makes it good, and counts. While anybody is
                awake who has the lock or wants it, it is slow, not lost
  no progress   nobody gets a lock for --patience. Each vCPU that waits at the end of a round
                must have its lock once more before the round is over
  sum           what the lines count is what the vCPUs count
  reuse         a lock's memory is not written to once everybody has released it and it is used
                for something else, also by one who is still in the middle of an Unlock
  leak          goroutines, threads, open files; queue nodes, waiters and lock words

Torments (--torments; default all that apply; one that is given alone is always on):

` + torture.AboutTorments() + `

The controls busted, deaf, clingy and leaky are broken on purpose, each so that one of the
checks must see it: busted within a second, the others within thirty. xen2008, xen2008text and
pvqspin2015 are kept with their faults: their lost wake-ups are expected, and counted for each
10^9 unlocks. The mutex and the spinlock that a program imports are tortured on goroutines; for
them the slow path is to have found it taken.

Unless --locks or --overcommit is given, pvticket and xen2008, which look CPUs up in masks, are
also tortured with 40 and 300 vCPUs: more than a word of a mask has bits, and more than 256.

--duration is for all locks, machines and overcommits together; the least overcommit gets two
parts of it for each one that the others get. --seed repeats the choices, not what the kernel
makes of them. To be stopped and continued (the torment stop), the command runs itself as a
child, which never outlives it.

Exit status: 0 if all of it ran to its end, nothing was found but what was expected, and each
control that was asked for was caught; 1 if something else was found, or a control was not
caught; 2 if it can't be done, or a machine failed; 130 if it was interrupted.

Locks: ` + strings.Join(torture.Locks(), ", ") + `.`,
		Example: `  pvlock torture
  pvlock torture --duration 10m
  pvlock torture --locks xen,pvqspin --on kvm --overcommit 8
  pvlock torture --locks mutex --torments cancel,gc,gomaxprocs
  pvlock torture --locks busted
  pvlock torture --seed 7 --json torture.json --html torture.html`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !cmd.Flags().Changed("seed") {
				cfg.Seed = uint64(rand.Uint32())
			}
			var err error
			if cfg.HostCPUs, err = firstCPUs(cpus, cmd.Flags().Changed("cpus")); err != nil {
				return err
			}
			cfg.Hog = startHog
			cfg.Wide = !cmd.Flags().Changed("locks") && !cmd.Flags().Changed("overcommit")
			if err := cfg.Check(); err != nil {
				return err
			}
			if len(cfg.Torments) == 0 || slices.Contains(cfg.Torments, "stop") {
				cfg.Stop = stopThisProcess()
				if cfg.Stop == nil && canGuard {
					return guard(cmd.Context(), cfg.Seed)
				}
			}
			return runTorture(cmd, cfg, jsonFile, pageFile)
		},
	}
	f := cmd.Flags()
	f.StringSliceVar(&cfg.Locks, "locks", nil, "locks and controls (default all)")
	f.StringSliceVar(&cfg.On, "on", nil,
		"machines: "+strings.Join(rig.Machines(), ", ")+" (default all that there are)")
	f.StringSliceVar(&cfg.Torments, "torments", nil,
		"what goes on around them (default all that apply)")
	f.IntVar(&cpus, "cpus", 0,
		"how many CPUs the vCPUs share (default all that this process may use)")
	f.Float64SliceVar(&cfg.Overcommit, "overcommit", []float64{1, 4},
		"vCPUs per CPU, each at least 1, but two vCPUs at least; controls get the least")
	f.DurationVar(&cfg.Duration, "duration", time.Minute, "how long all of it takes")
	f.DurationVar(&cfg.Critical, "cs", 50*time.Nanosecond,
		"length of the critical section, besides the lines that it updates")
	f.DurationVar(&cfg.Think, "ncs", 100*time.Nanosecond,
		"mean time between two, half as much to half as much again")
	f.DurationVar(&cfg.Patience, "patience", time.Minute,
		"how long nobody may get a lock before a machine is given up")
	f.Uint64Var(&cfg.Seed, "seed", 0,
		"seed of all that is chosen at random (default another each time)")
	f.StringVar(&jsonFile, "json", "",
		"write the whole result to a `file`, - for stdout (then nothing else is printed there)")
	htmlFlag(f, &pageFile)
	return cmd
}

// narrowest is a terminal's width that no line may exceed, so that the next can be put in its
// place.
const narrowest = 79

func runTorture(cmd *cobra.Command, cfg torture.Config, jsonFile, pageFile string) error {
	outputs, err := openOutputs(cmd.OutOrStdout(), []output[*result.Torture]{
		{jsonFile, func(w io.Writer, t *result.Torture) error { return t.Write(w) }},
		{pageFile, writePage[*result.Torture]},
	})
	if err != nil {
		return err
	}
	text := cmd.OutOrStdout()
	if onStdout(jsonFile, pageFile) {
		text = io.Discard
	}
	progress := progressLine(os.Stderr)
	var total uint64
	t, tortureErr := torture.Run(cmd.Context(), cfg, os.Args, torture.Watcher{
		Progress: func(p torture.Progress) {
			line := fmt.Sprintf("%d/%d  %s on %s, %d vCPUs  %.4gM taken, %+.3gM  %d faults  %s",
				p.Done+1, p.Cells, p.Lock, p.Machine, p.VCPUs,
				float64(p.Acquisitions)/1e6, float64(p.Acquisitions-total)/1e6, p.Findings, p.Now)
			total = p.Acquisitions
			progress("%.*s", narrowest, line)
		},
		Done: func(r result.TortureRun) {
			progress("")
			fmt.Fprintln(text, torture.Line(r))
		},
	})
	progress("")
	if t == nil {
		return errors.Join(tortureErr, outputs.discard())
	}
	err = errors.Join(outputs.write(t), torture.WriteSummary(text, t))
	return errors.Join(found(torture.Verdict(t)), ended(t.Ending), err)
}
