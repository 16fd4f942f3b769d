package bench

import (
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"example.com/pvlock/host"
)

// lookAround reads what goes on around the process, which is to run on these CPUs.
func lookAround(cpus []int) *surroundings {
	s := &surroundings{at: time.Now(), time: host.Steal()}
	var may unix.CPUSet
	if unix.SchedGetaffinity(os.Getpid(), &may) == nil {
		for cpu := range len(may) * strconv.IntSize {
			if may.IsSet(cpu) {
				s.cpus = append(s.cpus, cpu)
			}
		}
	}
	var ru unix.Rusage
	text, err := os.ReadFile("/proc/stat")
	if err == nil && unix.Getrusage(unix.RUSAGE_SELF, &ru) == nil {
		s.own = time.Duration(ru.Utime.Nano() + ru.Stime.Nano())
		s.busy, s.known = busy(string(text), cpus)
	}
	return s
}

// busy returns for how long some CPUs have computed since boot, by /proc/stat; known is false if
// that doesn't tell of each of them.
func busy(stat string, cpus []int) (sum time.Duration, known bool) {
	const (
		tick = time.Second / 100 // USER_HZ
		// Of user nice system idle iowait irq softirq.
		idle, iowait, columns = 3, 4, 7
	)
	found := 0
	for line := range strings.Lines(stat) {
		fields := strings.Fields(line)
		if len(fields) <= columns || !strings.HasPrefix(fields[0], "cpu") {
			continue
		}
		n, err := strconv.Atoi(fields[0][len("cpu"):])
		if err != nil || !slices.Contains(cpus, n) {
			continue // the line of all CPUs, or of another one
		}
		found++
		for i, field := range fields[1 : columns+1] {
			ticks, err := strconv.ParseInt(field, 10, 64)
			if err != nil {
				return 0, false
			}
			if i != idle && i != iowait {
				sum += time.Duration(ticks) * tick
			}
		}
	}
	return sum, found == len(cpus) && sum > 0
}
