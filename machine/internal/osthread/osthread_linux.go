package osthread

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// CheckAffinity reports an error if a CPU is not one that this process may use.
func CheckAffinity(cpus []int) error {
	may, err := affinity()
	if err != nil {
		return err
	}
	for _, cpu := range cpus {
		if !may.IsSet(cpu) {
			return fmt.Errorf("CPU %d is not one of the %d that this process "+
				"may use", cpu, may.Count())
		}
	}
	return nil
}

// maxCPUs is more than Linux can be built for (8192). The kernel refuses a set that is shorter than
// its own.
const maxCPUs = 1 << 16

// affinity returns the CPUs that the calling thread may run on.
func affinity() (unix.CPUSetDynamic, error) {
	set := unix.NewCPUSet(maxCPUs)
	if err := unix.SchedGetaffinityDynamic(0, set); err != nil {
		return nil, fmt.Errorf("reading the affinity: %w", err)
	}
	return set, nil
}

// confined returns the set of these CPUs.
func confined(cpus []int) unix.CPUSetDynamic {
	set := unix.NewCPUSet(maxCPUs)
	for _, cpu := range cpus {
		set.Set(cpu)
	}
	return set
}

// become gives the calling thread a name, which tracers and /proc show, and lets it run on these
// CPUs only. What it returns undoes both.
func become(name string, cpus []int) (putBack func() error, err error) {
	before, err := affinity()
	if err != nil {
		return func() error { return nil }, err
	}
	formerly, err := renameThread(name)
	if err == nil {
		err = unix.SchedSetaffinityDynamic(0, confined(cpus))
	}
	if err != nil {
		err = fmt.Errorf("name %q, affinity to CPUs %v: %w", name, cpus, err)
	}
	return func() error {
		if _, err := renameThread(formerly); err != nil {
			return err
		}
		return unix.SchedSetaffinityDynamic(0, before)
	}, err
}

// lost returns an error if the calling thread is no longer confined to just these CPUs: one has
// gone offline, the process's CPUs were made fewer, or somebody has changed the affinity. The
// kernel then lets the thread run elsewhere, and says nothing.
func lost(cpus []int) error {
	have, err := affinity()
	if err != nil {
		return err
	}
	for _, cpu := range cpus {
		if !have.IsSet(cpu) {
			return fmt.Errorf("CPU %d was taken away while the machine ran on CPUs %v", cpu, cpus)
		}
	}
	if have.Count() != confined(cpus).Count() {
		return fmt.Errorf("the affinity of a thread was changed while the machine ran on "+
			"CPUs %v", cpus)
	}
	return nil
}

// threadUsage returns what the calling thread has used since it began.
func threadUsage() usage {
	u := usage{steal: runDelay(), voluntary: -1, involuntary: -1}
	var ru unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_THREAD, &ru); err == nil {
		u.cpu = time.Duration(ru.Utime.Nano() + ru.Stime.Nano())
		u.voluntary, u.involuntary = int64(ru.Nvcsw), int64(ru.Nivcsw)
	}
	return u
}

// runDelay returns for how long the calling thread has been ready to run and was not running, -1
// where the kernel doesn't say (it has no CONFIG_SCHED_INFO). The file's three numbers are the time
// on the CPU, the time waiting for one, in ns, and the number of slices.
func runDelay() time.Duration {
	text, err := os.ReadFile("/proc/thread-self/schedstat")
	if err != nil {
		return -1
	}
	fields := strings.Fields(string(text))
	if len(fields) < 2 {
		return -1
	}
	ns, err := strconv.ParseInt(fields[1], 10, 64)
	if err != nil {
		return -1
	}
	return time.Duration(ns)
}
