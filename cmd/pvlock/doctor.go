package main

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"example.com/pvlock/boot"
	"example.com/pvlock/host"
	"example.com/pvlock/machine/xen"
)

func doctorCommand() *cobra.Command {
	var (
		interval time.Duration
		jsonFile string
	)
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Say what is beneath this process, and what it costs you",
		Long: `Say what is beneath this process, and what it costs you: the hypervisor and what
it offers, the CPU time that it steals, the control group's quota, and what competes for the
CPUs; in a Xen domain, which Xen, its scheduler, and whether event channels are usable. Where
something is wrong there is a line of advice. What can't be found out is "unknown", what the
platform doesn't say is "not told", each with the reason: in JSON an object with one key,
"value", "unknown" or "not_told".

Competition is told by the kernel's pressure-stall information over --interval: the share of the
time for which some thread had no CPU; where there is none, by the number of running threads
(procs_running). A program that boots can't wait: it reads the pressure of the last ten seconds
(avg10), or that number once.`,
		Example: `  pvlock doctor
  pvlock doctor --interval 10s
  pvlock doctor --json - | jq '.findings[] | select(.advice)'
  pvlock doctor --json - | jq '.steal_share.value // "not known"'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if interval < 10*time.Millisecond || interval > time.Hour {
				return fmt.Errorf("--interval %v: want 10ms to 1h", interval)
			}
			out, err := openOutputs(cmd.OutOrStdout(), []output[boot.DoctorReport]{
				{jsonFile, func(w io.Writer, r boot.DoctorReport) error {
					return boot.WriteJSON(w, r)
				}},
			})
			if err != nil {
				return err
			}
			report := boot.Examine(host.Observe(cmd.Context(), interval))
			if info, ok := xen.Inspect(); ok {
				report.Findings = append(report.Findings,
					host.Finding{Topic: "Xen", State: host.Known, Fact: info.String()})
			}
			err = out.write(report)
			if jsonFile != "-" {
				err = errors.Join(err, report.WriteText(cmd.OutOrStdout()))
			}
			if cmd.Context().Err() != nil {
				err = errors.Join(errInterrupted, err)
			}
			return err
		},
	}
	f := cmd.Flags()
	f.DurationVar(&interval, "interval", time.Second,
		"over which steal, throttling and competition are measured")
	f.StringVar(&jsonFile, "json", "",
		"write the report to a `file`, - for stdout (then nothing else is printed there)")
	return cmd
}
