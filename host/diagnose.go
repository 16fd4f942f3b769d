package host

import (
	"fmt"
	"strings"
	"time"
)

// Finding is one thing that is beneath the process, and what it costs.
type Finding struct {
	// Topic says what it is about.
	Topic string `json:"topic"`
	// Fact says how it is.
	Fact string `json:"fact"`
	// Advice says what to do, if something is wrong; else it is empty.
	Advice string `json:"advice,omitempty"`
}

// What is tolerable, in shares. A lock holder that is off its CPU for more than one part in a hundred of the time is met by
// every hundredth waiter, who then waits for milliseconds and not for nanoseconds.
const (
	stealTolerable    = 0.01
	throttleTolerable = 0.01
)

// Diagnose says what is beneath the process, from the facts at the beginning and at the end of an interval.
func Diagnose(before, after Facts) []Finding {
	return []Finding{
		diagnoseHypervisor(after),
		diagnoseFeatures(after),
		diagnoseSteal(before.Time, after.Time),
		diagnoseQuota(before, after),
		diagnoseProcs(after),
		diagnoseLoad(after.Load),
	}
}

func diagnoseHypervisor(f Facts) Finding {
	d := Finding{Topic: "hypervisor", Fact: f.Hypervisor.Name}
	switch {
	case f.Hypervisor.Source != "":
		d.Fact += " (says " + f.Hypervisor.Source + ")"
	case f.Hypervisor.Name == Unknown:
		d.Advice = "nothing tells whether there is one: if you know, choose with PVLOCK=native or PVLOCK=pv"
	}
	return d
}

func diagnoseFeatures(f Facts) Finding {
	d := Finding{Topic: "paravirtual features", Fact: strings.Join(f.Features.List(), ", ")}
	if d.Fact == "" {
		d.Fact = "none"
	}
	x := f.Features
	switch {
	case f.Hypervisor.Name == "KVM" && len(f.Hypervisor.Leaves) > 0 && !x.PVUnhalt && !x.Realtime:
		d.Advice = "the guest's kernel can't let a vCPU that waits for a lock sleep: start QEMU with -cpu …,kvm-pv-unhalt=on"
	case f.Hypervisor.Name == "KVM" && len(f.Hypervisor.Leaves) > 0 && !x.StealTime:
		d.Advice = "steal time is not told, so that 0 % below means nothing: start QEMU with -cpu …,kvm-steal-time=on"
	case f.Hypervisor.Name == "KVM" && x.Realtime && after1Percent(f.Time):
		d.Advice = "REALTIME promises CPUs of its own to each vCPU, and yet time is stolen: the hint is wrong, take it away"
	case x.NoPVSpin:
		d.Advice = "the kernel was started with nopvspin: right only if its vCPUs are never preempted"
	}
	return d
}

func after1Percent(t CPUTime) bool {
	return t.Total > 0 && float64(t.Steal)/float64(t.Total) > stealTolerable
}

// Stolen returns which share of the CPUs' time was stolen between two readings.
func Stolen(before, after CPUTime) float64 {
	total := after.Total - before.Total
	if total <= 0 {
		return 0
	}
	return float64(after.Steal-before.Steal) / float64(total)
}

func diagnoseSteal(before, after CPUTime) Finding {
	d := Finding{Topic: "steal"}
	if after.Total == 0 {
		d.Fact = Unknown
		return d
	}
	now, boot := Stolen(before, after), Stolen(CPUTime{}, after)
	d.Fact = fmt.Sprintf("%.1f %% now, %.1f %% since boot", 100*now, 100*boot)
	if now > stealTolerable || boot > stealTolerable {
		d.Advice = "the hypervisor runs others on your CPUs, holders of locks lose theirs: use pv locks; ask for fewer vCPUs, or dedicated ones"
	}
	return d
}

func diagnoseQuota(before, after Facts) Finding {
	d := Finding{Topic: "CPU quota", Fact: "none"}
	q := after.Quota
	if q.CPUs == 0 {
		return d
	}
	d.Fact = fmt.Sprintf("%.3g CPUs in each %v (%s); stopped in %d of %d periods, for %v",
		q.CPUs, q.Period, q.Group, q.Throttled, q.Periods, q.ThrottledTime.Round(time.Millisecond))
	periods, throttled := q.Periods-before.Quota.Periods, q.Throttled-before.Quota.Throttled
	switch {
	case throttled > 0 && float64(throttled) > throttleTolerable*float64(periods):
		d.Advice = fmt.Sprintf("it was stopped in %d of the last %d periods, with whatever locks it held: raise the quota, or lower GOMAXPROCS to %d", throttled, periods, max(1, int(q.CPUs)))
	case q.Periods > 0 && float64(q.Throttled) > throttleTolerable*float64(q.Periods):
		d.Advice = fmt.Sprintf("it has been stopped often, with whatever locks it held: raise the quota, or lower GOMAXPROCS to %d", max(1, int(q.CPUs)))
	case q.CPUs < float64(after.GOMAXPROCS):
		d.Advice = fmt.Sprintf("GOMAXPROCS %d can use it up before a period ends, by spinning alone: use pv locks, or lower GOMAXPROCS to %d", after.GOMAXPROCS, max(1, int(q.CPUs)))
	}
	return d
}

func diagnoseProcs(f Facts) Finding {
	d := Finding{Topic: "GOMAXPROCS", Fact: fmt.Sprintf("%d on %d usable CPUs", f.GOMAXPROCS, f.NumCPUs)}
	switch {
	case f.GOMAXPROCS > f.NumCPUs:
		d.Advice = fmt.Sprintf("Go's threads take the CPUs from each other: lower GOMAXPROCS to %d, or use pv locks", f.NumCPUs)
	case f.GOMAXPROCS < f.NumCPUs && f.Quota.CPUs == 0:
		d.Advice = fmt.Sprintf("%d CPUs are never used by Go code", f.NumCPUs-f.GOMAXPROCS)
	}
	return d
}

func diagnoseLoad(l Load) Finding {
	d := Finding{Topic: "load", Fact: Unknown}
	if l.CPUs == 0 {
		return d
	}
	d.Fact = fmt.Sprintf("%.2f threads on the machine's %d CPUs in the last minute", l.Average, l.CPUs)
	if l.Average > float64(l.CPUs) {
		d.Advice = "more threads want to run than there are CPUs, so that the kernel takes them from lock holders: use pv locks; run less"
	}
	return d
}
