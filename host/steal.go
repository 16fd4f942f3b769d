package host

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"strconv"
	"strings"
	"sync"
	"time"
)

// CPUTime is where the CPU time of the machine has gone since boot, summed over all of its CPUs,
// also those that the process may not use.
type CPUTime struct {
	// ticks are the columns of /proc/stat, of USER_HZ each; steal is the last.
	ticks [statColumns]uint64
}

// The columns of /proc/stat: user nice system idle iowait irq softirq steal. What follows,
// guest and guest_nice, is counted in user and nice already.
const (
	statIdle    = 3
	statIOWait  = 4
	statSteal   = 7
	statColumns = 8
)

// userHz is the unit of /proc/stat, USER_HZ: the same on every architecture that
// pvlock is built for, whatever the kernel's own tick.
const userHz = 100

// Steal returns the time for which a CPU was ready to run and the hypervisor ran something
// else.
func (t CPUTime) Steal() time.Duration {
	return time.Duration(t.ticks[statSteal]) * (time.Second / userHz)
}

// total returns all of it, in ticks, idle and stolen time included. It is no integer: the sum of
// columns of 64 bits may have more.
func (t CPUTime) total() (sum float64) {
	for _, n := range t.ticks {
		sum += float64(n)
	}
	return sum
}

// share returns which share of the time was stolen.
func (t CPUTime) share() Fact[float64] {
	total := t.total()
	if total == 0 {
		return UnknownFact[float64]("no tick of /proc/stat has passed")
	}
	return Is(float64(t.ticks[statSteal]) / total)
}

// cpuTime reads the line of /proc/stat that is about all CPUs.
func cpuTime(fsys fs.FS) (CPUTime, error) {
	text, err := fs.ReadFile(fsys, "proc/stat")
	if err != nil {
		return CPUTime{}, err
	}
	var t CPUTime
	lines := 0
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) == 0 || fields[0] != "cpu" {
			continue
		}
		if lines++; lines > 1 {
			return CPUTime{}, errors.New("/proc/stat: two lines for cpu")
		}
		fields = fields[1:]
		if len(fields) < statColumns {
			return CPUTime{}, fmt.Errorf("/proc/stat: %w: %d numbers for cpu, want at "+
				"least %d", errors.ErrUnsupported, len(fields), statColumns)
		}
		for i := range t.ticks {
			if t.ticks[i], err = strconv.ParseUint(fields[i], 10, 63); err != nil {
				return CPUTime{}, fmt.Errorf("/proc/stat: %w", err)
			}
		}
	}
	if lines == 0 {
		return CPUTime{}, errors.New("/proc/stat: no line for cpu")
	}
	if t.ticks[statSteal] > uint64(math.MaxInt64/(time.Second/userHz)) {
		return CPUTime{}, fmt.Errorf("/proc/stat: %d ticks of stolen time are more than "+
			"centuries", t.ticks[statSteal])
	}
	return t, nil
}

// Stolen returns which share of the CPUs' time was stolen between two readings: 0 to 1, or
// unknown.
func Stolen(before, after Fact[CPUTime]) Fact[float64] {
	a, ok := after.Get()
	if !ok {
		return missing[float64](after)
	}
	b, ok := before.Get()
	if !ok {
		return missing[float64](before)
	}
	var d CPUTime
	for i := range d.ticks {
		switch {
		case a.ticks[i] >= b.ticks[i]:
			d.ticks[i] = a.ticks[i] - b.ticks[i]
		case i == statIdle || i == statIOWait:
			// Linux counts these back by a little, when a CPU stops to be idle. That is no time.
		default:
			return UnknownFact[float64]("the counters of /proc/stat ran backwards")
		}
	}
	return d.share()
}

// Steal returns where the machine's CPU time has gone since boot, if stolen time is told here: a
// counter that nobody counts stays 0, and is not a fact. The difference of two
// calls says what was stolen in between.
func Steal() Fact[CPUTime] {
	f := stealFacts()
	return steal(root(), &f)
}

// stealFacts finds out once who would tell of stolen time: that doesn't change, and CPUID is slow.
var stealFacts = sync.OnceValue(func() (f Facts) {
	own := remember(cpuidReader())
	beneath(&f, root(), guestCPUID(root(), own, remember(xenCPUIDReader())), own)
	return f
})

// steal returns the CPU time if what is beneath tells of stolen time.
func steal(fsys fs.FS, f *Facts) Fact[CPUTime] {
	t, err := cpuTime(fsys)
	switch {
	case err != nil:
		return asFact(t, err)
	case t.total() == 0:
		return NotToldFact[CPUTime]("/proc/stat has 0 for all times")
	case t.Steal() > 0:
		return Is(t) // somebody counts
	case mountedOver(fsys, "/proc/stat"):
		return NotToldFact[CPUTime]("/proc/stat is not the kernel's: something is mounted over it")
	}
	h, known := f.Hypervisor.Get()
	p, parameters := f.Parameters.Get()
	switch {
	case f.Emulated && h.Name != "KVM" && h.Name != "Xen":
		return NotToldFact[CPUTime]("the CPUs are emulated, and no emulator tells of stolen time")
	case !known:
		return UnknownFact[CPUTime]("the counter is 0, and whether there is a hypervisor is " +
			"unknown")
	case h.Name == None, xenParavirtual(fsys):
		return Is(t)
	case h.Name != "KVM" && h.Name != "Xen":
		// VMware can, if its administrator has it switched on; Linux doesn't ask others.
		return NotToldFact[CPUTime]("the counter is 0, and %s need not tell of stolen time", h.Name)
	case !parameters:
		return UnknownFact[CPUTime]("the counter is 0, and the kernel's parameters, which can " +
			"switch it off, are unknown")
	case p.NoPV:
		return NotToldFact[CPUTime]("the kernel was started with nopv: it does not ask the " +
			"hypervisor")
	case h.Name == "Xen":
		return Is(t)
	}
	features, ok := f.Features.Get()
	switch {
	case !ok:
		return NotToldFact[CPUTime]("the counter is 0, and whether KVM offers STEAL_TIME is " +
			"not told")
	case !features.StealTime:
		return NotToldFact[CPUTime]("KVM does not offer STEAL_TIME")
	case p.NoStealAcc:
		return NotToldFact[CPUTime]("the kernel was started with no-steal-acc")
	}
	return Is(t)
}

// mountedOver says whether something is mounted exactly there, as lxcfs is over files of /proc.
func mountedOver(fsys fs.FS, name string) bool {
	for line := range strings.Lines(read(fsys, "proc/self/mountinfo")) {
		if fields := strings.Fields(line); len(fields) > 4 && fields[4] == name {
			return true
		}
	}
	return false
}
