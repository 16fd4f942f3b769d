// Package host says what is beneath this process: the CPUs it may use, the
// hypervisor, the kernel, what has been stolen from it, and what its control group allows.
//
// Each fact is known, or unknown, or not told by the platform, with the reason: see [Fact]. Linux
// tells nearly all of them, other systems few.
package host

import (
	"io/fs"
	"runtime"
	"time"
)

// Facts is what is beneath this process.
type Facts struct {
	// At is when they were collected.
	At time.Time
	// CPUs are the numbers of the CPUs that the process may run on now, ascending. Online are
	// those that the machine has now. Possible are those that it has or may get while it runs, on
	// which the process may run if its affinity is widened.
	CPUs, Online, Possible Fact[[]int]
	// NumCPUs is how many CPUs the process may run on, at least 1. Where CPUs isn't known it is a
	// guess: those online, or what Go's runtime has found.
	NumCPUs int
	// GOMAXPROCS is how many of them run Go code at the same time.
	GOMAXPROCS int
	// Arch is the processor's architecture, as Go names it.
	Arch string
	// CPUModel is the processor's name.
	CPUModel Fact[string]
	// Hypervisor is what the CPUs are virtual under.
	Hypervisor Fact[Hypervisor]
	// Features is what that offers for locks.
	Features Fact[Features]
	// Parameters is what the kernel was started with.
	Parameters Fact[Parameters]
	// Emulated says that the CPUs are software, at whatever distance beneath: times that were
	// measured on them say nothing of a processor.
	Emulated bool
	// Kernel is the operating system's release.
	Kernel Fact[string]
	// Time is where the machine's CPU time has gone since boot, if stolen time is told.
	Time Fact[CPUTime]
	// Quota is what the control groups allow.
	Quota Fact[Quota]
	// Stopped is for how long the process's control group has been stopped by whatever limit, seen
	// or not.
	Stopped Fact[time.Duration]
	// Competition is what competes for the CPUs.
	Competition Competition
}

// Collect finds out what is beneath this process.
func Collect() Facts {
	own := remember(cpuidReader())
	f := collect(root(), guestCPUID(root(), own, remember(xenCPUIDReader())), own)
	f.Arch = runtime.GOARCH
	f.GOMAXPROCS = runtime.GOMAXPROCS(0)
	f.CPUs = asFact(affinity())
	f.NumCPUs = usable(f, runtime.NumCPU())
	return f
}

// usable returns how many CPUs the process may run on, or the best guess: those online, or what
// Go's runtime has found. That is 1 if it may not ask for the affinity.
func usable(f Facts, found int) int {
	for _, cpus := range []Fact[[]int]{f.CPUs, f.Online} {
		if list, ok := cpus.Get(); ok && len(list) > 0 {
			return len(list)
		}
	}
	return found
}

// collect finds out what files and CPUID say. Id is of the hypervisor nearest beneath, own the
// CPU's.
func collect(fsys fs.FS, id, own cpuid) Facts {
	f := Facts{
		At:          time.Now(),
		Online:      asFact(cpuList(fsys, "sys/devices/system/cpu/online")),
		Possible:    asFact(cpuList(fsys, "sys/devices/system/cpu/possible")),
		Kernel:      asFact(kernelRelease(fsys)),
		Quota:       quota(fsys),
		Stopped:     stopped(fsys),
		Competition: competition(fsys),
	}
	beneath(&f, fsys, id, own)
	f.Time = steal(fsys, &f)
	return f
}

// beneath fills in what the CPUs are, which doesn't change.
func beneath(f *Facts, fsys fs.FS, id, own cpuid) {
	f.CPUModel = asFact(cpuModel(fsys))
	f.Hypervisor = asFact(hypervisor(fsys, id))
	f.Features = features(f.Hypervisor, id)
	f.Parameters = asFact(parameters(fsys, f.Hypervisor.Or(Hypervisor{})))
	f.Emulated = emulated(f.CPUModel.Or(""), own)
}
