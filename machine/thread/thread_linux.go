package thread

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"example.com/pvlock/internal/arch"
	"example.com/pvlock/machine"
	"example.com/pvlock/paravirt"
)

// channel makes event channels of futexes.
func channel(int) paravirt.ChannelOps {
	return paravirt.WordChannel(
		func(c *paravirt.CPU, word *arch.U32, v uint32) { c.ParkThread(word, v) },
		func(c *paravirt.CPU, _ uint32, word *arch.U32) { c.UnparkThread(word, 1) },
	)
}

// checkAffinity reports an error if a CPU is not one that this process may use.
func checkAffinity(cpus []int) error {
	var may unix.CPUSet
	if err := unix.SchedGetaffinity(0, &may); err != nil {
		return fmt.Errorf("thread: reading the affinity: %w", err)
	}
	for _, cpu := range cpus {
		if !may.IsSet(cpu) {
			return fmt.Errorf("thread: CPU %d is not one of the %d that this process may use", cpu, may.Count())
		}
	}
	return nil
}

// become gives the calling thread a name, which tracers and /proc show, and lets it run on these
// CPUs only. What it returns undoes both.
func become(name string, cpus []int) (putBack func() error, err error) {
	var before, set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		return func() error { return nil }, fmt.Errorf("reading the affinity: %w", err)
	}
	for _, cpu := range cpus {
		set.Set(cpu)
	}
	formerly, err := renameThread(name)
	if err == nil {
		err = unix.SchedSetaffinity(0, &set)
	}
	if err != nil {
		err = fmt.Errorf("name %q, affinity to CPUs %v: %w", name, cpus, err)
	}
	return func() error {
		if _, err := renameThread(formerly); err != nil {
			return err
		}
		return unix.SchedSetaffinity(0, &before)
	}, err
}

// threadUsage returns what the calling thread has used since it began.
func threadUsage() machine.Usage {
	var ru unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_THREAD, &ru); err != nil {
		return machine.Usage{}
	}
	return machine.Usage{
		CPU:         time.Duration(ru.Utime.Nano() + ru.Stime.Nano()),
		Voluntary:   int64(ru.Nvcsw),
		Involuntary: int64(ru.Nivcsw),
	}
}
