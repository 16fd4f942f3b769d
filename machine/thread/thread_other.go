//go:build !linux

package thread

import (
	"fmt"
	"runtime"

	"example.com/pvlock/machine"
	"example.com/pvlock/machine/internal/park"
	"example.com/pvlock/paravirt"
)

// channel makes event channels of parked goroutines: there are no futexes. The
// goroutine is locked to its thread, so the thread sleeps as well.
func channel(n int) paravirt.ChannelOps { return park.Channel(n) }

// checkAffinity reports an error unless the CPUs are all there are: threads can't
// be confined to fewer.
func checkAffinity(cpus []int) error {
	if n := runtime.NumCPU(); len(cpus) != n {
		return fmt.Errorf("thread: on %s threads can't be confined to %d of %d CPUs: use all", runtime.GOOS, len(cpus), n)
	}
	return nil
}

func become(string, []int) (putBack func() error, err error) {
	return func() error { return nil }, nil
}

func threadUsage() machine.Usage { return machine.Usage{Voluntary: -1, Involuntary: -1} }
