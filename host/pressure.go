package host

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Competition is what competes for the CPUs. It is not the load average: Linux counts threads there
// that wait for disks, and in a container those of the whole machine.
type Competition struct {
	// Group is how long threads of the process's control group had to wait for a CPU, Machine
	// how long any threads had to.
	Group, Machine Fact[Pressure]
	// Running is how many threads of the machine ran or were ready to, the one that asked included.
	Running Fact[int]

	// They were read between these two.
	began, ended time.Time
}

// Pressure is the kernel's pressure-stall information on CPUs: for which share of the time some
// thread was ready to run and had no CPU.
type Pressure struct {
	// Avg10 is the share of the last ten seconds.
	Avg10 float64
	// Total is all that time, since boot or since the group was made.
	Total time.Duration
	// File is what says so.
	File string
}

// competition reads the pressure, and how many threads are running.
func competition(fsys fs.FS) Competition {
	began := time.Now()
	return Competition{
		Group:   groupPressure(fsys),
		Machine: asFact(pressure(fsys, "proc/pressure/cpu")),
		Running: running(fsys),
		began:   began,
		ended:   time.Now(),
	}
}

// groupPressure reads the pressure of the process's control group: in version 2 each has its own,
// below the root, where it is the machine's.
func groupPressure(fsys fs.FS) Fact[Pressure] {
	h, err := unifiedHierarchy(fsys)
	if err != nil {
		return asFact(Pressure{}, err)
	}
	if h == nil {
		return NotToldFact[Pressure]("control groups of version 1 have no pressure")
	}
	if h.group == "/" && h.initial {
		return NotToldFact[Pressure]("the process is in the root of all groups")
	}
	dirs, _, err := h.dirs(fsys)
	if err != nil {
		return asFact(Pressure{}, err)
	}
	return asFact(pressure(fsys, path.Join(dirs[0], "cpu.pressure")))
}

var errNoPressure = fmt.Errorf("%w: this kernel tells no pressure", errors.ErrUnsupported)

// pressure reads a file of the kernel's pressure-stall information:
//
//	some avg10=0.12 avg60=0.05 avg300=0.01 total=123456
func pressure(fsys fs.FS, name string) (Pressure, error) {
	text, err := fs.ReadFile(fsys, name)
	switch {
	case errors.Is(err, fs.ErrNotExist) && !errors.Is(err, errors.ErrUnsupported),
		errors.Is(err, syscall.EOPNOTSUPP): // it is built in, and switched off
		return Pressure{}, fmt.Errorf("%s: %w", absolute(name), errNoPressure)
	case err != nil:
		return Pressure{}, err
	}
	var p Pressure
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) == 0 || fields[0] != "some" {
			continue
		}
		if p.File != "" {
			return Pressure{}, fmt.Errorf("%s: two lines for some", absolute(name))
		}
		found := 0
		for _, field := range fields[1:] {
			key, value, _ := strings.Cut(field, "=")
			switch key {
			case "avg10":
				percent, err := strconv.ParseFloat(value, 64)
				if err != nil || !(percent >= 0 && percent <= 100) {
					return Pressure{}, fmt.Errorf("%s: avg10 %q: want 0 "+
						"to 100", absolute(name), value)
				}
				p.Avg10 = percent / 100
				found++
			case "total":
				us, err := strconv.ParseUint(value, 10, 63)
				if err != nil || us > math.MaxInt64/1000 {
					return Pressure{}, fmt.Errorf("%s: total %q: want "+
						"microseconds", absolute(name), value)
				}
				p.Total = time.Duration(us) * time.Microsecond
				found++
			}
		}
		if found != 2 {
			return Pressure{}, fmt.Errorf("%s: want avg10 and total", absolute(name))
		}
		p.File = absolute(name)
	}
	if p.File == "" {
		return Pressure{}, fmt.Errorf("%s: no line for some", absolute(name))
	}
	return p, nil
}

// waited returns for which share of an interval threads waited, by two readings at its ends.
func waited(before, after Fact[Pressure], interval time.Duration) Fact[float64] {
	a, ok := after.Get()
	if !ok {
		return missing[float64](after)
	}
	b, ok := before.Get()
	if !ok {
		return missing[float64](before)
	}
	d := a.Total - b.Total
	switch {
	case interval <= 0:
		return UnknownFact[float64]("no time has passed")
	case a.File != b.File:
		return UnknownFact[float64]("the process has moved from %s to %s", b.File, a.File)
	case d < 0:
		return UnknownFact[float64]("the total of %s ran backwards", a.File)
	case d > interval+interval/10+10*time.Millisecond:
		// The kernel's clock for it is another one.
		return UnknownFact[float64]("the total of %s grew by %v in %v", a.File, d, interval)
	}
	return Is(min(float64(d)/float64(interval), 1))
}

// running reads how many threads are running.
func running(fsys fs.FS) Fact[int] {
	text, err := fs.ReadFile(fsys, "proc/stat")
	if err != nil {
		return asFact(0, err)
	}
	var n uint64
	lines := 0
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) != 2 || fields[0] != "procs_running" {
			continue
		}
		if n, err = strconv.ParseUint(fields[1], 10, 31); err != nil {
			return UnknownFact[int]("/proc/stat: procs_running %q: want a number", fields[1])
		}
		lines++
	}
	switch {
	case lines > 1:
		return UnknownFact[int]("/proc/stat: %d lines for procs_running", lines)
	case lines == 0:
		return NotToldFact[int]("/proc/stat has no procs_running")
	case n == 0:
		// At least the thread that asks is running.
		return NotToldFact[int]("/proc/stat says that nothing is running, while this process is")
	}
	return Is(int(n))
}

// crowdTolerable is the share of the time for which threads may wait for a CPU before CPUs are
// taken to be fought for. A machine with next to nothing to do shows 0.01 to 0.02, of threads that
// wake while their CPU is busy for a moment. One busy thread more than there are CPUs makes it 1.
const crowdTolerable = 0.1

// Crowd is whether more threads want the CPUs than there are, and what says so.
type Crowd struct {
	Crowded  bool
	Evidence string
}

// Crowd says whether the CPUs are fought for, by what takes no time to read: the pressure of the
// last ten seconds (avg10), of the process's control group and of the machine; where neither is
// told, the threads that are running at this instant (procs_running), if they are more than the
// machine's CPUs.
func (f Facts) Crowd() Fact[Crowd] {
	var quiet []string
	for _, x := range []struct {
		whose string
		p     Fact[Pressure]
	}{{"this control group", f.Competition.Group}, {"the machine", f.Competition.Machine}} {
		p, ok := x.p.Get()
		if !ok {
			continue
		}
		evidence := fmt.Sprintf("threads of %s waited for a CPU in %.0f %% of the last 10 s "+
			"(avg10 of %s)", x.whose, 100*p.Avg10, p.File)
		if p.Avg10 > crowdTolerable {
			return Is(Crowd{true, evidence})
		}
		quiet = append(quiet, evidence)
	}
	if quiet != nil {
		return Is(Crowd{false, strings.Join(quiet, ", ")})
	}
	n, ok := f.Competition.Running.Get()
	if !ok {
		return missing[Crowd](f.Competition.Running)
	}
	online, ok := f.Online.Get()
	if !ok {
		return missing[Crowd](f.Online)
	}
	return Is(Crowd{n > len(online), fmt.Sprintf("%d threads run or are ready to on %d CPUs "+
		"(procs_running; no pressure is told)", n, len(online))})
}
