package calibrate

import (
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"
)

// start runs f on a thread of its own that may run on one CPU alone. The thread ends with f.
func start(cpu int, f func()) <-chan error {
	ended := make(chan error, 1)
	go func() {
		// Never unlocked: a thread with that affinity must not be used again.
		runtime.LockOSThread()
		set := unix.NewCPUSet(cpu + 1)
		set.Set(cpu)
		if err := unix.SchedSetaffinityDynamic(0, set); err != nil {
			ended <- fmt.Errorf("affinity to CPU %d: %w", cpu, err)
			return
		}
		f()
		ended <- nil
	}()
	return ended
}

// switched returns how often the calling thread has given its CPU up or lost it.
func switched() int64 {
	var ru unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_THREAD, &ru); err != nil {
		return 0
	}
	return int64(ru.Nvcsw) + int64(ru.Nivcsw)
}

// schedYield lets another thread of the CPU run.
func schedYield() { unix.RawSyscall(unix.SYS_SCHED_YIELD, 0, 0, 0) }
