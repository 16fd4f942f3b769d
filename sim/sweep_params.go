package sim

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"example.com/pvlock/internal/twin/arch"
	"example.com/pvlock/internal/twin/paravirt"
	"example.com/pvlock/internal/twin/spinlock"
)

// A Param is what the cells of a sweep are given, in lists: a flag of the command, and an axis.
type Param struct {
	// Name is the flag's, About says what it is, Default what it is if it isn't given.
	Name, About, Default string
	// Switch says that it is true or false.
	Switch bool

	set func(d *draft, value string) error
	// axis is the name under which runs carry it as a number, and number that number; no name if it
	// is none.
	axis   string
	number func(value string) float64
}

// A draft is a cell while its parameters are set.
type draft struct {
	Config
	vms, vcpus, weight int
	yield              time.Duration
	overcommit         float64
}

// params are all of them, in the order of the axes: cells are counted like an odometer, whose first
// wheel is the first parameter and whose last, which turns fastest, is the last one.
var params = slices.Concat([]Param{
	{Name: "locks", About: "locks of the catalogue, or all", Default: "all",
		set: func(d *draft, v string) error {
			all := spinlock.Kinds()
			i := slices.IndexFunc(all, func(k spinlock.Kind) bool { return k.Name == v })
			if i < 0 {
				return fmt.Errorf("unknown lock %q: want one of %s, or all", v,
					strings.Join(Locks(), ", "))
			}
			d.Lock = all[i]
			return nil
		}},
	budget("spin",
		"for how many rounds a waiter spins before it sleeps: a number, 2^n or forever (default "+
			"each lock's own)", func(d *draft, n uint32) { d.Spin = &n }),
	budget("steal",
		"for how many rounds pvqspin tries to take the lock past its queue; 0 is strictly fair "+
			"(default its own)", func(d *draft, n uint32) { d.Steal = &n }),
	flag("wait-early",
		"pvqspin: sleep early when the one in front in the queue doesn't run (default its own)", "",
		func(d *draft, on bool) { d.WaitEarly = &on }),
	choice("kick", "which of the waiters of xen2008 or xen2008text is kicked", "",
		func(d *draft, k KickChoice) { d.Kick = k }, KickFirst, KickRotating, KickOldest),
	choice("sched", "the host's scheduler", string(Fair),
		func(d *draft, s Scheduler) { d.Scheduler = s }, Fair, Credit, RoundRobin),
	length("slice", "its time slice (default the scheduler's)", "",
		func(d *draft, t time.Duration) error {
			if t <= 0 {
				return fmt.Errorf("a slice of %v: want more than 0", t)
			}
			d.Slice = t
			return nil
		}),
	flag("tick-debit",
		"credit: charge the vCPU that runs at a tick for the whole of it, as Xen did",
		"false", func(d *draft, on bool) { d.TickDebit = on }),
	count("ple",
		"pause-loop exiting: after so many PAUSEs in a row a vCPU lends its CPU to another one "+
			"of its VM; 0 is off", "0", 0, math.MaxInt32, func(d *draft, n int) {
			d.PLE = uint32(n)
		}),
	flag("gang", "the host runs all vCPUs of a VM together or none", "false",
		func(d *draft, on bool) { d.Gang = on }),
	flag("boost-head", "the host doesn't preempt a vCPU at the head of a queue, or inside", "false",
		func(d *draft, on bool) { d.BoostHead = on }),
	flag("steal-time", "guests see which of their vCPUs don't run", "false",
		func(d *draft, on bool) { d.StealTime = on }),
	count("background", "vCPUs of other VMs that compute all the time", "0", 0, MaxVCPUs,
		func(d *draft, n int) { d.Background = n }),
	count("sockets", "how many sockets the host's CPUs are spread over", "1", 1, MaxPCPUs,
		func(d *draft, n int) { d.Sockets = n }),
	count("pcpus", "the host's CPUs", "8", 1, MaxPCPUs, func(d *draft, n int) { d.PCPUs = n }),
	count("vms", "guests, each with a lock of its own", "1", 1, MaxVCPUs, func(d *draft, n int) {
		d.vms = n
	}),
	count("weight", "the share of each guest that the scheduler goes by", "256", 1, 1<<16,
		func(d *draft, n int) { d.weight = n }),
	count("vcpus", "vCPUs of each guest", "", 1, MaxVCPUs, func(d *draft, n int) { d.vcpus = n }),
	{Name: "overcommit", About: "instead of --vcpus: vCPUs of all guests per CPU of the host",
		Default: "2", axis: "overcommit", number: decimal, set: func(d *draft, v string) error {
			// Written so that NaN fails.
			if n, err := strconv.ParseFloat(v, 64); err == nil && n > 0 && n <= MaxVCPUs {
				d.overcommit = n
				return nil
			}
			return fmt.Errorf("%q: want a number more than 0, such as 2 or 1.5", v)
		}},
	length("yield",
		"guests give their CPU up when they have computed for so long, less than a tick of 10ms: "+
			"that dodges ticks that debit (default never)", "",
		func(d *draft, t time.Duration) error {
			d.yield = t
			return nil
		}),
	count("threads", "threads of each guest, which its kernel schedules; 0 is one on each vCPU",
		"0", 0, MaxVCPUs, func(d *draft, n int) { d.Threads = n }),
	length("guest-slice", "the guest kernel's time slice (default 3ms)", "",
		func(d *draft, t time.Duration) error {
			d.GuestSlice = t
			return nil
		}),
	count("goroutines", "goroutines of each guest's Go program; 0 is one on each thread", "0", 0,
		1<<20, func(d *draft, n int) { d.Goroutines = n }),
	length("stw", "how often the garbage collector stops that program (default never)", "",
		func(d *draft, t time.Duration) error {
			d.StopTheWorld = t
			return nil
		}),
	length("cs", "length of the critical section", "100ns", func(d *draft, t time.Duration) error {
		d.Critical = t
		return nil
	}),
	length("ncs", "mean time between two, half as much to half as much again", "500ns",
		func(d *draft, t time.Duration) error {
			d.Think = t
			return nil
		}),
}, costParams(), []Param{
	length("duration", "virtual time that is measured", "200ms",
		func(d *draft, t time.Duration) error {
			d.Duration = t
			return nil
		}),
	length("warmup", "virtual time before that", "20ms", func(d *draft, t time.Duration) error {
		d.Warmup = t
		return nil
	}),
})

// Params returns the parameters of a sweep, in the order of its axes.
func Params() []Param { return slices.Clone(params) }

// Locks returns the names of the catalogue.
func Locks() (names []string) {
	for _, k := range spinlock.Kinds() {
		names = append(names, k.Name)
	}
	return names
}

// findParam returns where a parameter is, -1 if there is none of that name.
func findParam(name string) int {
	return slices.IndexFunc(params, func(p Param) bool { return p.Name == name })
}

// costParams are parameters for each of Costs, by its name in JSON.
func costParams() (all []Param) {
	costs := DefaultCosts().Map()
	for _, name := range slices.Sorted(maps.Keys(costs)) {
		p := length("cost-"+strings.ReplaceAll(name, "_", "-"),
			"what is counted for "+name+" (default that of --costs)", "", nil)
		p.set = func(d *draft, v string) error {
			t, err := parseLength(v)
			if err != nil {
				return err
			}
			return d.Costs.set(map[string]int64{name: t.Nanoseconds()})
		}
		all = append(all, p)
	}
	return all
}

// Map returns c by the names that files have.
func (c Costs) Map() map[string]int64 {
	byName := make(map[string]int64)
	text, err := json.Marshal(c)
	if err == nil {
		err = json.Unmarshal(text, &byName)
	}
	if err != nil {
		panic("sim: costs that aren't integers by name: " + err.Error())
	}
	return byName
}

// set changes those that are named.
func (c *Costs) set(byName map[string]int64) error {
	text, err := json.Marshal(byName)
	if err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	return d.Decode(c)
}

// CostsOf makes costs of what [Costs.Map] returned. Each must be there.
func CostsOf(byName map[string]int64) (Costs, error) {
	var c Costs
	if err := c.set(byName); err != nil {
		return c, fmt.Errorf("costs: %s; want %s", strings.TrimPrefix(err.Error(), "json: "),
			strings.Join(slices.Sorted(maps.Keys(c.Map())), ", "))
	}
	for _, name := range slices.Sorted(maps.Keys(c.Map())) {
		if _, ok := byName[name]; !ok {
			return c, fmt.Errorf("costs: there is no %q", name)
		}
	}
	return c, nil
}

// The kinds of parameters.

func count(name, about, def string, from, to int, set func(*draft, int)) Param {
	return Param{Name: name, About: about, Default: def, axis: name, number: decimal,
		set: func(d *draft, v string) error {
			n, err := strconv.Atoi(v)
			if err != nil || n < from || n > to {
				return fmt.Errorf("%q: want %d to %d", v, from, to)
			}
			set(d, n)
			return nil
		}}
}

func budget(name, about string, set func(*draft, uint32)) Param {
	return Param{
		Name: name, About: about, axis: name,
		set: func(d *draft, v string) error {
			n, err := ParseRounds(v)
			if err != nil {
				return fmt.Errorf("%q: %w", v, err)
			}
			set(d, n)
			return nil
		},
		number: func(v string) float64 { n, _ := ParseRounds(v); return float64(n) },
	}
}

func length(name, about, def string, set func(*draft, time.Duration) error) Param {
	return Param{
		Name: name, About: about, Default: def, axis: strings.ReplaceAll(name, "-", "_") + "_ns",
		set: func(d *draft, v string) error {
			t, err := parseLength(v)
			if err != nil {
				return err
			}
			return set(d, t)
		},
		number: func(v string) float64 { t, _ := parseLength(v); return float64(t) },
	}
}

func flag(name, about, def string, set func(*draft, bool)) Param {
	return Param{Name: name, About: about, Default: def, Switch: true,
		set: func(d *draft, v string) error {
			on, err := strconv.ParseBool(v)
			if err != nil {
				return fmt.Errorf("%q: want true or false", v)
			}
			set(d, on)
			return nil
		}}
}

func choice[T ~string](name, about, def string, set func(*draft, T), of ...T) Param {
	var words []string
	for _, w := range of {
		words = append(words, string(w))
	}
	return Param{Name: name, About: about + ": " + strings.Join(words, ", "), Default: def,
		set: func(d *draft, v string) error {
			if !slices.Contains(of, T(v)) {
				return fmt.Errorf("unknown %q: want one of %s", v, strings.Join(words, ", "))
			}
			set(d, T(v))
			return nil
		}}
}

func decimal(v string) float64 {
	n, _ := strconv.ParseFloat(v, 64)
	return n
}

func parseLength(v string) (time.Duration, error) {
	t, err := time.ParseDuration(v)
	if err != nil || t < 0 {
		return 0, fmt.Errorf("%q: want a time such as 250ns or 3ms", v)
	}
	return t, nil
}

// ParseRounds reads a number of spin rounds: a number, 2^n, or "forever".
func ParseRounds(s string) (uint32, error) {
	if s == "forever" {
		return arch.Forever, nil
	}
	if power, ok := strings.CutPrefix(s, "2^"); ok {
		if n, err := strconv.ParseUint(power, 10, 8); err == nil && n < 32 {
			return 1 << n, nil
		}
	} else if n, err := strconv.ParseUint(s, 10, 32); err == nil && uint32(n) < paravirt.None {
		return uint32(n), nil
	}
	return 0, fmt.Errorf("want 0 to %d rounds, 2^0 to 2^31, or forever", uint32(paravirt.None-1))
}
