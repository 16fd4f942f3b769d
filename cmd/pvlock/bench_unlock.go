package main

import (
	"errors"
	"io"

	"github.com/spf13/cobra"

	"example.com/pvlock/bench"
	"example.com/pvlock/result"
)

func benchUnlockCommand() *cobra.Command {
	var (
		cfg                bench.UnlockConfig
		jsonFile, pageFile string
	)
	cmd := &cobra.Command{
		Use:   "unlock",
		Short: "Measure what the unlock of a lock that nobody waits for costs, patched and not",
		Long: `Measure what the unlock of a lock that nobody waits for costs: a store where it is
called, a branch on a bool, a call through the table of operations, and both of the latter's
patched forms. All in one run, interleaved.`,
		Example: `  pvlock bench unlock
  pvlock bench unlock --rounds 101 --json - | jq '.ways[] | [.name, .pair_ns]'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := cfg.Check(); err != nil {
				return err
			}
			out, err := openOutputs(cmd.OutOrStdout(), []output[*result.Unlocks]{
				{jsonFile, func(w io.Writer, u *result.Unlocks) error { return u.Write(w) }},
				{pageFile, writePage[*result.Unlocks]},
			})
			if err != nil {
				return err
			}
			u, err := bench.RunUnlocks(cmd.Context(), cfg)
			if err != nil {
				return errors.Join(err, out.discard())
			}
			err = out.write(u)
			if !onStdout(jsonFile, pageFile) {
				err = errors.Join(err, bench.WriteUnlockTable(cmd.OutOrStdout(), u))
			}
			return errors.Join(ended(u.Ending), err)
		},
	}
	f := cmd.Flags()
	f.IntVar(&cfg.Rounds, "rounds", 51, "how many rounds")
	f.IntVar(&cfg.Pairs, "pairs", 200000,
		"how many times the lock is taken and released in each turn")
	f.StringVar(&jsonFile, "json", "",
		"write the result to a `file`, - for stdout (then nothing else is printed there)")
	htmlFlag(f, &pageFile)
	return cmd
}
