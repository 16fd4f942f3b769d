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
// every thread starts with. Threads that were bound to fewer since don't count.
func affinity() ([]int, error) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(os.Getpid(), &set); err != nil {
		return nil, fmt.Errorf("sched_getaffinity: %w", err)
	}
	var cpus []int
	for i := range len(set) * bitsPerWord {
		if set.IsSet(i) {
			cpus = append(cpus, i)
		}
	}
	return cpus, nil
}

// bitsPerWord is the size of an element of a unix.CPUSet, on 64-bit machines; on
// 32-bit ones it asks for bits past the end, which are not set.
const bitsPerWord = 64
