// Package host says what is beneath this process: the CPUs it may use, the
// hypervisor, the kernel, what has been stolen from it, and what its control group allows.
//
// Linux tells all of it. Elsewhere what isn't known is "unknown" or zero, and
// an error says so.
package host

import (
	"errors"
	"fmt"
	"io/fs"
	"runtime"
)

// Unknown is the text of a fact that the platform doesn't tell.
const Unknown = "unknown"

// Facts is what is beneath this process.
type Facts struct {
	// CPUs are the numbers of the CPUs that the process may run on, ascending; nil where they
	// aren't known.
	CPUs []int
	// NumCPUs is how many these are, at least 1; where they aren't known, how many CPUs
	// Go's runtime found.
	NumCPUs int
	// GOMAXPROCS is how many of them run Go code at the same time.
	GOMAXPROCS int
	// Arch is the processor's architecture, as Go names it.
	Arch string
	// CPUModel is the processor's name, or Unknown.
	CPUModel string
	// Hypervisor is what the CPUs are virtual under.
	Hypervisor Hypervisor
	// Features is what that offers for locks.
	Features Features
	// Emulated says that the CPUs are software, at whatever distance beneath: times that were measured on
	// them say nothing of a processor.
	Emulated bool
	// Kernel is the operating system's release, or Unknown.
	Kernel string
	// Time is where the machine's CPU time has gone since boot; zero where it isn't known.
	Time CPUTime
	// Quota is what the control group allows.
	Quota Quota
	// Load is what competes for the machine's CPUs.
	Load Load
}

// Collect finds out what is beneath this process. The facts are usable although
// there is an error: it names those that are unknown, and why.
func Collect() (Facts, error) {
	f, err := collect(root(), guestCPUID(root(), cpuidReader(), xenCPUIDReader()))
	f.Arch = runtime.GOARCH
	f.Emulated = emulated(f.CPUModel, cpuidReader())
	f.GOMAXPROCS = runtime.GOMAXPROCS(0)
	f.NumCPUs = runtime.NumCPU()
	cpus, cpusErr := affinity()
	if cpusErr != nil {
		return f, errors.Join(fmt.Errorf("host: usable CPUs: %w", cpusErr), err)
	}
	f.CPUs, f.NumCPUs = cpus, len(cpus)
	return f, err
}

// Steal returns where the machine's CPU time has gone since boot. The
// difference of two calls says what was stolen in between.
func Steal() (CPUTime, error) { return cpuTime(root()) }

func collect(fsys fs.FS, id cpuid) (f Facts, err error) {
	note := func(what string, e error) {
		if e != nil {
			err = errors.Join(err, fmt.Errorf("host: %s: %w", what, e))
		}
	}
	var e error
	f.CPUModel, e = cpuModel(fsys)
	note("CPU model", e)
	f.Hypervisor, e = hypervisor(fsys, id)
	note("hypervisor", e)
	f.Features = features(fsys, f.Hypervisor, id)
	f.Kernel, e = kernelRelease(fsys)
	note("kernel", e)
	f.Time, e = cpuTime(fsys)
	note("steal time", e)
	f.Quota, e = quota(fsys)
	note("CPU quota", e)
	f.Load, e = load(fsys)
	note("load", e)
	return f, err
}
