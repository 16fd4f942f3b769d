package host

import (
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// root is where /proc and /sys are found.
func root() fs.FS { return os.DirFS("/") }

// affinity returns the CPUs of the process's first thread, which are the ones that
// every thread starts with. Threads that were bound to fewer since don't count. The kernel refuses
// a set that is shorter than its own, which may have more than the usual 1024 CPUs.
func affinity() ([]int, error) {
	set := unix.NewCPUSet(maxCPU)
	if err := unix.SchedGetaffinityDynamic(os.Getpid(), set); err != nil {
		return nil, fmt.Errorf("sched_getaffinity: %w", err)
	}
	var cpus []int
	for i := range maxCPU {
		if set.IsSet(i) {
			cpus = append(cpus, i)
		}
	}
	return cpus, nil
}
