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
// a mask that is shorter than its own: so it grows.
func affinity() ([]int, error) {
	for n := 1024; ; n *= 2 {
		set := unix.NewCPUSet(n)
		err := unix.SchedGetaffinityDynamic(os.Getpid(), set)
		if err == unix.EINVAL && n < maxCPU {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("sched_getaffinity: %w", err)
		}
		var cpus []int
		for i := range n {
			if set.IsSet(i) {
				cpus = append(cpus, i)
			}
		}
		return cpus, nil
	}
}
