package sim

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"example.com/pvlock/result"
)

// An Experiment is a sweep with a name: nothing but settings of parameters, that could be given by
// hand, and what to look at.
type Experiment struct {
	// Name is the command's argument.
	Name string
	// About is the sentence that says what it shows, Source where that is from.
	About, Source string
	// Sweeps are the settings, each a cartesian product; their cells follow each other.
	Sweeps []Settings
	// Plots are what shows it; nil for those that suit what is varied.
	Plots []result.Plot

	// verdict says in a line or a few what the runs show.
	verdict func(runs) []string
}

// Free is the experiment that has nothing of its own.
func Free() *Experiment {
	return &Experiment{Name: "free", About: "A sweep of the user's own.", Sweeps: []Settings{{}}}
}

// What plots show.
var (
	overcommit = result.Axis{Value: "overcommit", Label: "vCPUs per CPU"}
	throughput = result.Axis{Value: "ops_per_s", Label: "acquisitions per second", Unit: "1/s",
		Log: true}
	cpuBurnt = result.Axis{Value: "cpu_per_op_ns", Label: "CPU time per acquisition", Unit: "ns",
		Log: true}
	longWait = result.Axis{Value: "wait_p999_ns", Label: "wait, 99.9th percentile", Unit: "ns",
		Log: true}
	longest  = result.Axis{Value: "wait_max_ns", Label: "longest wait", Unit: "ns", Log: true}
	fairness = result.Axis{Value: "jain", Label: "Jain's index over the vCPUs"}
	slowWay  = result.Axis{Value: "slow_share", Label: "contended acquisitions that slept"}
	inBudget = result.Axis{Value: "within_budget",
		Label: "contended acquisitions won within the budget",
		Marks: []result.Mark{{At: seedShare, Label: "seed 2008: 98 %"}}}
)

func standardPlots(x result.Axis) []result.Plot {
	return []result.Plot{
		{Title: "Throughput", X: x, Y: throughput},
		{Title: "CPU time burnt", X: x, Y: cpuBurnt},
		{Title: "Longest waits", X: x, Y: longWait},
		{Title: "Fairness", X: x, Y: fairness},
		{Title: "The slow way", X: x, Y: slowWay},
	}
}

// Experiments are those that have a name, in the order in which to try them.
var Experiments = []Experiment{
	{
		Name: "collapse",
		About: "As a host is overcommitted, fair locks that spin lose their throughput at once, " +
			"unfair ones slowly, and those that sleep and are kicked keep it.",
		Source: "both seeds; Friebel and Biemueller 2008; the laws of FIFO spinning and of " +
			"unfair locks",
		Sweeps: []Settings{
			{"locks": "all", "sched": "fair", "pcpus": "8", "overcommit": "1,1.25,1.5,2,3,4",
				"duration": "200ms"}},
		Plots: []result.Plot{
			{Title: "Throughput", X: overcommit, Y: throughput},
			{Title: "CPU time burnt", X: overcommit, Y: cpuBurnt},
			{Title: "Longest waits", X: overcommit, Y: longWait},
		},
		verdict: collapsed,
	},
	{
		Name: "threshold",
		About: "How many rounds a waiter must be ready to spin until 98 % of contended " +
			"acquisitions are won without sleeping, and what that costs.",
		Source: "seed 2008: its text says 2^16 rounds and 98 %, its code spins 2^10",
		Sweeps: []Settings{
			{"locks": "xen2008,xen2008text", "spin": powers(4, 18), "sched": "credit", "pcpus": "4",
				"overcommit": "1,2,4", "cs": "1us", "ncs": "5us", "duration": "300ms",
				"warmup": "30ms"}},
		Plots: []result.Plot{
			{Title: "Won within the budget", X: spinBudget, Y: inBudget},
			{Title: "Throughput", X: spinBudget, Y: throughput},
			{Title: "CPU time burnt", X: spinBudget, Y: cpuBurnt},
		},
		verdict: thresholds,
	},
	{
		Name: "kick-choice",
		About: "Whom an unlock wakes when several sleep: the first found serves low CPU " +
			"numbers, the rotating and the oldest share the waits out.",
		Source: `seed 2008: "should mix up next cpu selection"`,
		Sweeps: []Settings{
			{"locks": "xen2008", "kick": "first,rotating,oldest", "sched": "fair", "pcpus": "8",
				"overcommit": "1,2,4", "cs": "2us", "ncs": "2us", "duration": "500ms"}},
		Plots: []result.Plot{
			{Title: "Fairness", X: overcommit, Y: fairness},
			{Title: "Longest waits", X: overcommit, Y: longest},
			{Title: "Throughput", X: overcommit, Y: throughput},
		},
		verdict: choices,
	},
	{
		Name: "fair-or-stealing",
		About: "A strictly fair paravirtual queue pays a wake-up for each hand-over to a " +
			"sleeper; stealing past the queue takes that price away, and some fairness with it.",
		Source: "Linux 4.4 (1c4941fd: one attempt) and 4.15 (11752adb: hybrid)",
		Sweeps: []Settings{
			{"locks": "pvqspin", "steal": "0,1,2^10,forever", "sched": "fair", "pcpus": "8",
				"overcommit": "1,1.5,2,4"},
			{"locks": "tas,pvticket", "sched": "fair", "pcpus": "8", "overcommit": "1,1.5,2,4"},
		},
		Plots: []result.Plot{
			{Title: "Throughput", X: overcommit, Y: throughput},
			{Title: "Fairness", X: overcommit, Y: fairness},
			{Title: "Longest waits", X: overcommit, Y: longest},
			{Title: "The slow way", X: overcommit, Y: slowWay},
		},
		verdict: stealing,
	},
	{
		Name: "wait-early-cascade",
		About: "A waiter that sleeps because the one in front of it was preempted puts all " +
			"behind it to sleep as well, and every hand-over then costs a wake-up; where " +
			"newcomers may steal the lock past the queue, that hides it.",
		Source: "Linux 75437bb3 (2017: guests that see the steal time), reverted in 2019: ebizzy " +
			"13000 -> 1700 records/s in three VMs of as many vCPUs as the host has CPUs; to wake " +
			"one that has halted takes some tens of microseconds",
		Sweeps: []Settings{
			on(kvmLike, Settings{"locks": "pvqspin", "steal": "0,forever",
				"steal-time": "false,true", "cost-wake": "30us"})},
		Plots: []result.Plot{
			{Title: "Throughput", X: guests, Y: throughput},
			{Title: "The slow way", X: guests, Y: slowWay},
			{Title: "Longest waits", X: guests, Y: longWait},
		},
		verdict: cascade,
	},
	{
		Name: "boost-head",
		About: "A host that runs the vCPU at the head of a lock's queue first wins nothing " +
			"while nobody competes, and tens of percent where VMs do; stealing has already won it.",
		Source: "KVM 266e85a5 (2019): ebizzy +6, +70 and +74 % in one, two and three VMs of as " +
			"many vCPUs as the host has CPUs",
		Sweeps: []Settings{
			on(kvmLike, Settings{"locks": "pvqspin", "steal": "0,forever",
				"boost-head": "false,true"})},
		Plots: []result.Plot{
			{Title: "Throughput", X: guests, Y: throughput},
			{Title: "Longest waits", X: guests, Y: longWait},
			{Title: "CPU time burnt", X: guests, Y: cpuBurnt},
		},
		verdict: boosted,
	},
	{
		Name: "native-cost",
		About: "What paravirtual locks cost where every vCPU has a CPU of its own and does " +
			"nothing but lock and unlock: the price of being prepared.",
		Source: `seed 2008: "cost to native is an extra direct call"; Long 2014: 168 against 135 ` +
			`ms for 5 million pairs`,
		Sweeps: []Settings{
			{"locks": "all", "sched": "fair", "pcpus": "16", "vcpus": "1,2,4,8,16", "cs": "0s",
				"ncs": "0s", "duration": "20ms", "warmup": "2ms"}},
		Plots: []result.Plot{
			{Title: "Cost",
				X: result.Axis{Value: "vcpus", Label: "vCPUs, each on a CPU of its own", Log: true},
				Y: cpuBurnt},
			{Title: "Throughput",
				X: result.Axis{Value: "vcpus", Label: "vCPUs, each on a CPU of its own", Log: true},
				Y: throughput},
		},
		verdict: nativeCost,
	},
}

var (
	guests     = result.Axis{Value: "vms", Label: "VMs"}
	spinBudget = result.Axis{Value: "spin", Label: "spin budget", Unit: "rounds", Log: true,
		Marks: []result.Mark{
			{At: 1 << 10, Label: "2^10: the 2008 code"},
			{At: 1 << 16, Label: "2^16: the 2008 text"},
		}}
)

// kvmLike is a host as KVM makes it, with VMs that have as many vCPUs as it has CPUs: pause-loop
// exiting after some 3 µs (KVM's window of 4096 cycles, doubled once).
var kvmLike = Settings{"sched": "fair", "ple": "200", "pcpus": "16", "vms": "1,2,3", "vcpus": "16",
	"cs": "1us", "ncs": "20us"}

// on returns the settings of an experiment on a host.
func on(host, own Settings) Settings {
	all := maps.Clone(host)
	maps.Copy(all, own)
	return all
}

// seedShare is the share of locks that the 2008 seed says are taken within the budget.
const seedShare = 0.98

// powers lists 2^from to 2^to.
func powers(from, to int) string {
	var list []string
	for n := from; n <= to; n++ {
		list = append(list, fmt.Sprintf("2^%d", n))
	}
	return strings.Join(list, ",")
}

// FindExperiment returns the one of that name.
func FindExperiment(name string) (*Experiment, error) {
	var names []string
	for i := range Experiments {
		if Experiments[i].Name == name {
			return &Experiments[i], nil
		}
		names = append(names, Experiments[i].Name)
	}
	return nil, fmt.Errorf("unknown experiment %q: want one of %s, or flags for one of your own",
		name, strings.Join(names, ", "))
}

// Command returns the flags that an experiment stands for, a line for each of its sweeps.
func (e *Experiment) Command() (lines []string) {
	for _, s := range e.Sweeps {
		line := "pvlock sim"
		for _, p := range params {
			if v, ok := s[p.Name]; ok {
				line += " --" + p.Name + "=" + v
			}
		}
		lines = append(lines, line)
	}
	return lines
}

// Verdict says in a line or a few what the runs of a sweep show; nothing if the experiment has no
// verdict, or too little of it was run.
func (e *Experiment) Verdict(s *result.Sim) []string {
	if e.verdict == nil || len(s.Runs) == 0 {
		return nil
	}
	return e.verdict(slices.Clone(s.Runs))
}
