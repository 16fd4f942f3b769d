package main

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"example.com/pvlock/bench/mutex"
	"example.com/pvlock/result"
)

func benchMutexCommand() *cobra.Command {
	var (
		cfg                mutex.Config
		jsonFile, pageFile string
	)
	cmd := &cobra.Command{
		Use:   "mutex",
		Short: "Measure pvlock.Mutex beside sync.Mutex",
		Long: `Measure pvlock.Mutex beside sync.Mutex, in one process, interleaved.

In each round each cell is measured with sync.Mutex, with pvlock.Mutex, and with sync.Mutex once
more: the control, whose distance from 1 is the noise. Shown are medians over the rounds. The
floor is what of sync.Mutex's time the work alone takes on these CPUs: no mutex can be below.
Exclusion is checked by the data that the mutex protects. In the group collections an op is a
garbage collection while so many goroutines sleep for the mutex; it takes the time that it
takes, whatever --duration says.

Groups of cells: ` + strings.Join(mutex.Groups(), ", ") + `.
By default each has a choice of its cells; --all takes every one (some 25 minutes).`,
		Example: `  pvlock bench mutex
  pvlock bench mutex --groups contended --all
  pvlock bench mutex --groups contended --match cs=100ns --rounds 15
  pvlock bench mutex --json mutex.json --html mutex.html`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg.Hog = startHog
			if err := cfg.Check(); err != nil {
				return err
			}
			outputs, err := openOutputs(cmd.OutOrStdout(), []output[*result.Mutexes]{
				{jsonFile, func(w io.Writer, r *result.Mutexes) error { return r.Write(w) }},
				{pageFile, writePage[*result.Mutexes]},
			})
			if err != nil {
				return err
			}
			progress := progressLine(os.Stderr)
			r, benchErr := mutex.Execute(cmd.Context(), cfg, os.Args, func(p mutex.Progress) {
				progress("%d/%d  round %d  %s  %s", p.Done+1, p.Cells, p.Round, p.Cell.Group,
					p.Cell.Name)
			})
			progress("")
			if r == nil {
				return errors.Join(benchErr, outputs.discard())
			}
			verdict := ended(r.Ending)
			if r.Violated() {
				verdict = errors.Join(found("a mutex did not exclude"), verdict)
			}
			err = outputs.write(r)
			if !onStdout(jsonFile, pageFile) {
				err = errors.Join(err, mutex.WriteTable(cmd.OutOrStdout(), r))
			}
			return errors.Join(verdict, err)
		},
	}
	f := cmd.Flags()
	f.StringSliceVar(&cfg.Groups, "groups", nil, "groups of cells to measure (default all)")
	f.BoolVar(&cfg.All, "all", false, "every cell of the groups, not a choice")
	f.StringVar(&cfg.Match, "match", "", "only cells whose name contains this")
	f.DurationVar(&cfg.Duration, "duration", 100*time.Millisecond,
		"how long each mutex is measured, in each round of each cell; twice that where waits are "+
			"measured")
	f.IntVar(&cfg.Rounds, "rounds", 7, "how many rounds")
	f.StringVar(&jsonFile, "json", "",
		"write the whole result to a `file`, - for stdout (then nothing else is printed there)")
	htmlFlag(f, &pageFile)
	completeList(cmd, "groups", mutex.Groups)
	cmd.AddCommand(hogCommand())
	return cmd
}

// hogCommand is the busy process. It ends when its stdin does, so that it doesn't outlive its
// parent.
func hogCommand() *cobra.Command {
	return &cobra.Command{
		Use: "hog", Hidden: true, Args: cobra.NoArgs,
		Run: func(*cobra.Command, []string) {
			go func() {
				//lint:ignore SA5002 to burn a CPU is what it is for
				for {
				}
			}()
			_, _ = io.Copy(io.Discard, os.Stdin)
		},
	}
}

func startHog() (stop func(), err error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(exe, "bench", "mutex", "hog")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return func() {
		_ = stdin.Close()
		_ = cmd.Wait()
	}, nil
}
