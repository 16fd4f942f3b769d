package bench

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"example.com/pvlock/machine/kvm"
	"example.com/pvlock/paravirt"
	"example.com/pvlock/result"
)

// exits writes what the locks of virtual machines asked of the hypervisor, at one number of vCPUs:
// nothing if the vCPUs were something else. The kicks are those that the kernel didn't deliver by
// itself. Steal is the share of the time for which the vCPUs were ready to run in which they did
// not.
func (t *table) exits(out *strings.Builder, vcpus int) {
	var rows []string
	for _, lock := range t.sorted(vcpus) {
		c := t.cells[at{lock, vcpus}]
		if len(c.Runs) > 0 && c.Runs[0].Machine == OnKVM {
			rows = append(rows, t.exitsOf(lock, c))
		}
	}
	if len(rows) == 0 {
		return
	}
	fmt.Fprint(out,
		"\nWhat that asked of the hypervisor: exits for 1000 acquisitions, and means\n\n")
	tw := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(tw, "\twaits\tkicks\tsignals\ta kick takes\tkicked to running\tsteal\t")
	for _, row := range rows {
		fmt.Fprintln(tw, row)
	}
	tw.Flush()
}

func (t *table) exitsOf(lock string, c result.Rounds) string {
	perThousand := func(name string) string {
		return fmt.Sprintf("%.3g",
			1000*c.Median(func(r *result.Run) float64 {
				return ratio(r.Counters[name], r.AcquisitionsTotal)
			}))
	}
	mean := func(sum, n paravirt.Event) string {
		ns := c.Median(func(r *result.Run) float64 {
			return ratio(r.Counters[sum.String()], r.Counters[n.String()])
		})
		if ns == 0 {
			return "-"
		}
		return nanos(ns)
	}
	stolen := percent(c.Median(func(r *result.Run) float64 {
		var sum float64
		for _, ns := range r.Steal {
			sum += float64(ns) / 1e9
		}
		if sum == 0 {
			return 0
		}
		return sum / (sum + r.CPUSeconds)
	}))
	return fmt.Sprintf("%s\t%s\t%s\t%s\t%s\t%s\t%s\t", t.label(lock),
		perThousand(kvm.ExitWait), perThousand(kvm.ExitKick), perThousand(kvm.ExitSignal),
		mean(paravirt.LatencyKick, paravirt.KickWake),
		mean(paravirt.LatencyWake, paravirt.KickWake), stolen)
}
