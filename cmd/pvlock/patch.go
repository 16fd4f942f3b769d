package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"example.com/pvlock/boot"
)

func patchCommand() *cobra.Command {
	var (
		mode, jsonFile string
		show           int
		patch          bool
	)
	cmd := &cobra.Command{
		Use:   "patch",
		Short: "Show how the locks were chosen, and the program's text before and after",
		Long: `Show how the locks were chosen, and the program's text before and after.

Chooses native or paravirtual locks for this very process, as a program that imports
pvlock/boot does when it starts, fills the tables of operations, and patches
the calls in its own text. The disassembly is of live memory.

PVLOCK=auto|native|pv|tas and PVLOCK_PATCH=0|1|calls are heeded; flags go before them. Either
of PVLOCK and --mode may also name tables, in place of the mode's: ticket, byte, xen2008,
xen2008text or xen for Raw; virt, pvqspin2015 or pvqspin for Queued.`,
		Example: `  pvlock patch
  pvlock patch --mode native --show 1
  pvlock patch --mode native,xen2008
  PVLOCK_PATCH=0 pvlock patch
  pvlock patch --json - | jq .decision`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := patchConfig(cmd, mode, patch, show)
			if err != nil {
				return err
			}
			out, err := openOutputs(cmd.OutOrStdout(), []output[boot.PatchReport]{
				{jsonFile, func(w io.Writer, r boot.PatchReport) error {
					return boot.WriteJSON(w, r)
				}},
			})
			if err != nil {
				return err
			}
			r, err := boot.Boot(cfg)
			if err != nil {
				return errors.Join(err, out.discard())
			}
			report := r.Report()
			err = out.write(report)
			if jsonFile == "-" {
				return err
			}
			err = errors.Join(err, report.WriteText(cmd.OutOrStdout()))
			if bad := boot.Exercise(300); bad != nil {
				return errors.Join(finding{bad}, err)
			}
			_, textErr := fmt.Fprintln(cmd.OutOrStdout(),
				"\nThe locks were taken and released 300 times on each of 2 CPUs, and excluded.")
			return errors.Join(err, textErr)
		},
	}
	f := cmd.Flags()
	f.StringVar(&mode, "mode", "",
		"auto, native, pv or tas, or a table's name, or both (default as PVLOCK says, or auto)")
	f.BoolVar(&patch, "patch", true,
		"patch the program's text (default as PVLOCK_PATCH says, or yes)")
	f.IntVar(&show, "show", 2, "how many places of each call to disassemble, 0 to 1000")
	f.StringVar(&jsonFile, "json", "",
		"write the report to a `file`, - for stdout (then nothing else is printed there)")
	completeList(cmd, "mode", words(boot.Words()...))
	return cmd
}

// patchConfig returns what is asked for by flags, by the environment, or else by this command's
// purpose.
func patchConfig(cmd *cobra.Command, mode string, patch bool, show int) (boot.Config, error) {
	cfg, err := boot.Environment()
	if err != nil {
		return cfg, err
	}
	if mode != "" {
		asked, err := boot.Parse(mode)
		if err != nil {
			return cfg, fmt.Errorf("--mode: %w", err)
		}
		cfg.Mode, cfg.Raw, cfg.Queued = asked.Mode, asked.Raw, asked.Queued
	}
	if cmd.Flags().Changed("patch") || cfg.Patch == boot.PatchUnset {
		cfg.Patch = boot.PatchOff
		if patch {
			cfg.Patch = boot.PatchOn
		}
	}
	if show < 0 || show > 1000 {
		return cfg, fmt.Errorf("--show %d: want 0 to 1000", show)
	}
	cfg.Show = show
	return cfg, nil
}
