package torture

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// threads returns the threads of this process, and which of them are vCPUs.
func threads() (all []int, vcpu map[int]bool) {
	vcpu = make(map[int]bool)
	dir, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return nil, vcpu
	}
	for _, e := range dir {
		tid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		all = append(all, tid)
		// Machines name their vCPUs' threads as the event channels of the 2008 document are named.
		if name, err := os.ReadFile("/proc/self/task/" + e.Name() + "/comm"); err == nil &&
			strings.HasPrefix(string(name), "spinlock") {
			vcpu[tid] = true
		}
	}
	return all, vcpu
}

// signalThreads sends the signal by which Go's scheduler preempts, so that it does more of what it
// does anyway. A virtual CPU is thrown out of its machine by it.
func signalThreads(ctx context.Context, s *scene) {
	all, _ := threads()
	for len(all) > 0 && pause(ctx, 50*time.Microsecond) {
		// A thread that is gone has nothing to get.
		_ = unix.Tgkill(os.Getpid(), all[s.rand.IntN(len(all))], unix.SIGURG)
	}
}

// maxCPUs is more than Linux can be built for.
const maxCPUs = 1 << 16

// mayMove reports why threads can't be moved, or nil: it gives the calling one the affinity that it
// has.
func mayMove() error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	now := unix.NewCPUSet(maxCPUs)
	if err := unix.SchedGetaffinityDynamic(0, now); err != nil {
		return fmt.Errorf("reading the affinity: %w", err)
	}
	if err := unix.SchedSetaffinityDynamic(0, now); err != nil {
		return fmt.Errorf("setting the affinity: %w", err)
	}
	return nil
}

// moveThreads confines the vCPUs' threads, or where goroutines are the vCPUs all threads, to a CPU
// each, and frees them again.
func moveThreads(ctx context.Context, s *scene) {
	all, vcpu := threads()
	if len(vcpu) > 0 {
		all = all[:0]
		for tid := range vcpu {
			all = append(all, tid)
		}
	}
	if len(all) == 0 {
		return
	}
	free := unix.NewCPUSet(maxCPUs)
	if unix.SchedGetaffinityDynamic(all[0], free) != nil {
		return
	}
	if len(vcpu) > 0 {
		free.Zero()
		for _, cpu := range s.cfg.HostCPUs {
			free.Set(cpu)
		}
	}
	for pause(ctx, 2*time.Millisecond) {
		one := unix.NewCPUSet(maxCPUs)
		one.Set(s.cfg.HostCPUs[s.rand.IntN(len(s.cfg.HostCPUs))])
		_ = unix.SchedSetaffinityDynamic(all[s.rand.IntN(len(all))], one)
	}
	if len(vcpu) == 0 {
		// Threads that were made meanwhile have inherited what their makers had.
		all, _ = threads()
	}
	for _, tid := range all {
		_ = unix.SchedSetaffinityDynamic(tid, free)
	}
}
