package host

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// Finding is one thing that is beneath the process, and what it costs.
type Finding struct {
	// Topic says what it is about.
	Topic string `json:"topic"`
	// State says whether it is known.
	State State `json:"state"`
	// Fact says how it is, or why that isn't known.
	Fact string `json:"fact"`
	// Unknown says what part of it is not known, although the rest is; else it is empty.
	Unknown string `json:"unknown,omitempty"`
	// Advice says what to do, if something is wrong; else it is empty.
	Advice string `json:"advice,omitempty"`
}

// What is tolerable, in shares. A lock holder that is off its CPU for more than one part in a
// hundred of the time is met by every hundredth waiter, who then waits for milliseconds and not for
// nanoseconds.
const (
	stealTolerable    = 0.01
	throttleTolerable = 0.01
)

// Diagnose says what is beneath the process, and what is wrong with it.
func (o Observed) Diagnose() []Finding {
	return []Finding{
		diagnoseHypervisor(o.After),
		diagnoseFeatures(o),
		diagnoseSteal(o),
		diagnoseQuota(o),
		diagnoseProcs(o.After),
		diagnoseCompetition(o),
	}
}

// find makes a finding of a fact, whose text is used if it is known.
func find[T any](topic string, f Fact[T], text string) Finding {
	if f.State() != Known {
		text = f.Why()
	}
	return Finding{Topic: topic, State: f.State(), Fact: text}
}

func diagnoseHypervisor(f Facts) Finding {
	h := f.Hypervisor.Or(Hypervisor{})
	d := find("hypervisor", f.Hypervisor, fmt.Sprintf("%s (says %s)", h.Name, h.Source))
	if d.State != Known {
		d.Advice = "if you know whether there is one, choose with PVLOCK=native or PVLOCK=pv"
	}
	return d
}

func diagnoseFeatures(o Observed) Finding {
	f := o.After
	x, told := f.Features.Get()
	p := f.Parameters.Or(Parameters{})
	list := x.List()
	for _, parameter := range []struct {
		set  bool
		name string
	}{{p.NoPVSpin, "nopvspin"}, {p.NoPV, "nopv"}, {p.NoStealAcc, "no-steal-acc"}} {
		if parameter.set {
			list = append(list, parameter.name)
		}
	}
	text := strings.Join(list, ", ")
	if text == "" {
		text = "none"
	}
	d := find("paravirtual features", f.Features, text)
	h := f.Hypervisor.Or(Hypervisor{})
	if told && f.Parameters.State() != Known && h.Name != None {
		d.State = f.Parameters.State()
		d.Fact += "; what the kernel was started with is " + f.Parameters.String()
	}
	stolen, known := Stolen(Is(CPUTime{}), f.Time).Get()
	switch {
	case h.Name == "KVM" && told && !x.PVUnhalt && !x.Realtime:
		d.Advice = "the guest's kernel can't let a vCPU that waits for a lock sleep: start QEMU " +
			"with -cpu …,kvm-pv-unhalt=on"
	case h.Name == "KVM" && told && !x.StealTime:
		d.Advice = "steal time is not told: start QEMU with -cpu …,kvm-steal-time=on"
	case p.NoStealAcc:
		d.Advice = "steal time is not told: start the kernel without no-steal-acc"
	case h.Name == "KVM" && x.Realtime && known && stolen > stealTolerable:
		d.Advice = "REALTIME promises CPUs of its own to each vCPU, and yet time is stolen: the " +
			"hint is wrong, take it away"
	case p.NoPV && h.Name != None:
		d.Advice = "the kernel was started with nopv: right only if its vCPUs are never preempted"
	case p.NoPVSpin:
		d.Advice = "the kernel was started with nopvspin: right only if its vCPUs are never " +
			"preempted"
	}
	return d
}

func diagnoseSteal(o Observed) Finding {
	now := Stolen(o.Before.Time, o.After.Time)
	boot := Stolen(Is(CPUTime{}), o.After.Time)
	d := find("steal", now, fmt.Sprintf("%.1f %% now, %.1f %% "+
		"since boot", 100*now.Or(0), 100*boot.Or(0)))
	if now.Or(0) > stealTolerable || boot.Or(0) > stealTolerable {
		d.Advice = "the hypervisor runs others on your CPUs, holders of locks lose theirs: use " +
			"pv locks; ask for fewer vCPUs, or dedicated ones"
	}
	return d
}

func diagnoseQuota(o Observed) Finding {
	const topic = "CPU quota"
	q, known := o.After.Quota.Get()
	if !known || q.CPUs == 0 {
		d := find(topic, o.After.Quota, "none")
		if s := o.stopped(); s > throttleTolerable {
			d.Advice = stoppedFromAbove(s)
		}
		return d
	}
	d := find(topic, o.After.Quota, fmt.Sprintf("%.3g CPUs in each "+
		"%v (%s)", q.CPUs, q.Period, q.Group))
	lower := fmt.Sprintf("raise the quota, or lower GOMAXPROCS "+
		"to %d", max(1, int(math.Min(q.CPUs, math.MaxInt32))))
	worst, counts := q.worst()
	if counts.State() != Known {
		d.State, d.Fact = counts.State(), d.Fact+"; how often it was stopped is "+counts.String()
	} else {
		t := counts.Or(Throttling{})
		d.Fact += fmt.Sprintf("; %s stopped in %d of %d periods, "+
			"for %v", worst, t.Throttled, t.Periods, t.Time.Round(time.Millisecond))
	}
	if d.Unknown = q.Unseen; q.Hidden != "" && o.After.Stopped.State() != Known {
		// Nor is it known whether a limit among them is met.
		d.Unknown = strings.TrimPrefix(d.Unknown+"; "+q.Hidden, "; ")
	}
	lately := o.Throttled().Or(GroupThrottling{})
	switch t := counts.Or(Throttling{}); {
	case lately.often():
		d.Advice = fmt.Sprintf("%s was stopped in %d of the last %d periods, with whatever locks "+
			"it held: %s", lately.Group, lately.Throttled, lately.Periods, lower)
	case q.Hidden != "" && o.stopped() > throttleTolerable:
		d.Advice = stoppedFromAbove(o.stopped())
	case GroupThrottling{Throttling: t}.often():
		d.Advice = fmt.Sprintf("%s has been stopped often, with whatever locks it "+
			"held: %s", worst, lower)
	case q.CPUs < float64(o.After.GOMAXPROCS):
		d.Advice = fmt.Sprintf("GOMAXPROCS %d can use it up before a period ends, by spinning "+
			"alone: use pv locks, or lower GOMAXPROCS "+
			"to %d", o.After.GOMAXPROCS, max(1, int(q.CPUs)))
	}
	return d
}

func stoppedFromAbove(share float64) string {
	return fmt.Sprintf("a limit that can't be seen from here stopped the control group for %.0f "+
		"%% "+
		"of the time, with whatever locks it held: raise it, or lower GOMAXPROCS", 100*share)
}

// stopped returns for which share of the interval the process's control group was stopped on each
// CPU that it may use; 0 where that isn't known.
func (o Observed) stopped() float64 {
	after, ok1 := o.After.Stopped.Get()
	before, ok2 := o.Before.Stopped.Get()
	if !ok1 || !ok2 || after <= before || o.Interval() <= 0 {
		return 0
	}
	return min(float64(after-before)/float64(o.Interval()*time.Duration(o.After.NumCPUs)), 1)
}

// worst returns the group that was stopped in the largest share of its periods. It isn't known if
// that of any isn't.
func (q Quota) worst() (group string, counts Fact[Throttling]) {
	for _, g := range q.Groups {
		t, ok := g.Throttling.Get()
		if !ok {
			return g.Group, g.Throttling
		}
		if group == "" || t.share() > counts.Or(Throttling{}).share() {
			group, counts = g.Group, g.Throttling
		}
	}
	return group, counts
}

// throttling returns how often a group has been stopped.
func (q Quota) throttling(group string) Fact[Throttling] {
	for _, g := range q.Groups {
		if g.Group == group {
			return g.Throttling
		}
	}
	return UnknownFact[Throttling]("%s has no limit", group)
}

// share returns in which share of its periods a group was stopped.
func (t Throttling) share() float64 {
	if t.Periods == 0 {
		return 0
	}
	return float64(t.Throttled) / float64(t.Periods)
}

// GroupThrottling is how often a group was stopped in an interval.
type GroupThrottling struct {
	Group string
	Throttling
}

func (t GroupThrottling) often() bool { return t.Throttled > 0 && t.share() > throttleTolerable }

// Throttled returns which group was stopped in the largest share of its periods in the interval.
func (o Observed) Throttled() Fact[GroupThrottling] {
	q, ok := o.After.Quota.Get()
	if !ok {
		return missing[GroupThrottling](o.After.Quota)
	}
	var worst GroupThrottling
	for _, g := range q.Groups {
		after, ok := g.Throttling.Get()
		if !ok {
			return missing[GroupThrottling](g.Throttling)
		}
		before, ok := o.Before.Quota.Or(Quota{}).throttling(g.Group).Get()
		if !ok {
			return UnknownFact[GroupThrottling]("at the beginning the periods of %s were not "+
				"known", g.Group)
		}
		d, err := after.between(before)
		if err != nil {
			return UnknownFact[GroupThrottling]("%s: %v", g.Group, err)
		}
		if worst.Group == "" || d.share() > worst.share() {
			worst = GroupThrottling{g.Group, d}
		}
	}
	if worst.Group == "" {
		return NotToldFact[GroupThrottling]("no control group that can be seen has a limit")
	}
	return Is(worst)
}

func diagnoseProcs(f Facts) Finding {
	text := fmt.Sprintf("%d on %d usable CPUs", f.GOMAXPROCS, f.NumCPUs)
	for _, x := range []struct {
		what string
		cpus Fact[[]int]
	}{{"online", f.Online}, {"possible", f.Possible}} {
		if cpus, ok := x.cpus.Get(); ok && len(cpus) > f.NumCPUs {
			text += fmt.Sprintf(", %d %s", len(cpus), x.what)
		}
	}
	d := find("GOMAXPROCS", f.CPUs, text)
	_, known := f.CPUs.Get()
	switch {
	case !known: // NumCPUs is a guess
	case f.GOMAXPROCS > f.NumCPUs:
		d.Advice = fmt.Sprintf("Go's threads take the CPUs from each other: lower GOMAXPROCS to "+
			"%d, or use pv locks", f.NumCPUs)
	case f.GOMAXPROCS < f.NumCPUs && f.Quota.Or(Quota{}).CPUs == 0:
		d.Advice = fmt.Sprintf("%d CPUs are never used by Go code", f.NumCPUs-f.GOMAXPROCS)
	}
	return d
}

// Crowd says whether the CPUs were fought for in the interval: by pressure, or, where none is
// told, by the running threads.
func (o Observed) Crowd() Fact[Crowd] {
	var quiet []string
	bad := o.Running // why it isn't known, if it isn't
	// From before the first reading to after the last, so that no more can have been waited.
	interval := o.After.Competition.ended.Sub(o.Before.Competition.began)
	for _, x := range []struct {
		whose         string
		before, after Fact[Pressure]
	}{
		{"this control group", o.Before.Competition.Group, o.After.Competition.Group},
		{"the machine", o.Before.Competition.Machine, o.After.Competition.Machine},
	} {
		f := waited(x.before, x.after, interval)
		share, ok := f.Get()
		if !ok {
			if x.before.State() == Known && x.after.State() == Known {
				bad = f
			}
			continue
		}
		evidence := fmt.Sprintf("threads of %s waited for a CPU in %.1f %% of the last %v (%s)",
			x.whose, 100*share, interval.Round(10*time.Millisecond), x.after.Or(Pressure{}).File)
		if share > crowdTolerable {
			return Is(Crowd{true, evidence})
		}
		quiet = append(quiet, evidence)
	}
	if quiet != nil {
		return Is(Crowd{false, strings.Join(quiet, ", ")})
	}
	n, ok := o.Running.Get()
	if !ok {
		return missing[Crowd](bad)
	}
	online, ok := o.After.Online.Get()
	if !ok {
		return missing[Crowd](o.After.Online)
	}
	return Is(Crowd{n > float64(len(online)), fmt.Sprintf("%.1f other threads ran or were ready "+
		"to, on %d CPUs, on average (procs_running; no pressure is told)", n, len(online))})
}

func diagnoseCompetition(o Observed) Finding {
	f := o.Crowd()
	crowd := f.Or(Crowd{})
	d := find("competition", f, crowd.Evidence)
	if crowd.Crowded {
		d.Advice = "more threads want to run than there are CPUs, so that the kernel takes them " +
			"from lock holders: use pv locks; run less"
	}
	return d
}
