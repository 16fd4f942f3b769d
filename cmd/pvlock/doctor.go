package main

import (
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
CPUs; in a Xen domain, which Xen, its scheduler, and whether event channels are usable. Where something is wrong there is a line of advice.`,
		Example: `  pvlock doctor
  pvlock doctor --interval 10s
  pvlock doctor --json - | jq '.findings[] | select(.advice)'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if interval < 10*time.Millisecond || interval > time.Hour {
				return fmt.Errorf("--interval %v: want 10ms to 1h", interval)
			}
			out, err := openOutputs(cmd.OutOrStdout(), []output[boot.DoctorReport]{
				{jsonFile, func(w io.Writer, r boot.DoctorReport) error { return boot.WriteJSON(w, r) }},
			})
			if err != nil {
				return err
			}
			before, _ := host.Collect()
			began := time.Now()
			select {
			case <-time.After(interval):
			case <-cmd.Context().Done():
			}
			after, unknown := host.Collect()
			report := boot.Examine(before, after, unknown, time.Since(began))
			if info, ok := xen.Inspect(); ok {
				report.Findings = append(report.Findings, host.Finding{Topic: "Xen", Fact: info.String()})
			}
			if err := out.write(report); err != nil || jsonFile == "-" {
				return err
			}
			return report.WriteText(cmd.OutOrStdout())
		},
	}
	f := cmd.Flags()
	f.DurationVar(&interval, "interval", time.Second, "over which steal and throttling are measured")
	f.StringVar(&jsonFile, "json", "", "write the report to a `file`, - for stdout (then nothing else is printed there)")
	return cmd
}
