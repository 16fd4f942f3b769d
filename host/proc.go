package host

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"strconv"
	"strings"
	"time"
)

// CPUTime is where the CPU time of the machine has gone since boot, summed over all of its CPUs,
// also those that the process may not use.
type CPUTime struct {
	// Steal is the time for which a CPU was ready to run and the hypervisor ran
	// something else. 0 also where the hypervisor doesn't tell.
	Steal time.Duration
	// Total is all of it, idle and stolen time included.
	Total time.Duration
}

// userHz is the unit of /proc/stat, USER_HZ: the same on every architecture that
// pvlock is built for, whatever the kernel's own tick.
const userHz = 100

// cpuTime reads the first line of /proc/stat.
func cpuTime(fsys fs.FS) (CPUTime, error) {
	text, err := fs.ReadFile(fsys, "proc/stat")
	if err != nil {
		return CPUTime{}, err
	}
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) == 0 || fields[0] != "cpu" {
			continue
		}
		// user nice system idle iowait irq softirq steal; guest and guest_nice, which
		// follow, are counted in user and nice already.
		const steal = 7
		fields = fields[1:]
		if len(fields) <= steal {
			return CPUTime{}, fmt.Errorf("/proc/stat: %d numbers for cpu, want at least %d", len(fields), steal+1)
		}
		var t CPUTime
		for i, field := range fields[:steal+1] {
			n, err := strconv.ParseUint(field, 10, 63)
			if err != nil {
				return CPUTime{}, fmt.Errorf("/proc/stat: %w", err)
			}
			d := time.Duration(n) * (time.Second / userHz)
			t.Total += d
			if i == steal {
				t.Steal = d
			}
		}
		return t, nil
	}
	return CPUTime{}, errors.New("/proc/stat: no line for cpu")
}

func kernelRelease(fsys fs.FS) (string, error) {
	text, err := fs.ReadFile(fsys, "proc/sys/kernel/osrelease")
	if err != nil {
		return Unknown, err
	}
	if release := strings.TrimSpace(string(text)); release != "" {
		return release, nil
	}
	return Unknown, errors.New("/proc/sys/kernel/osrelease is empty")
}

// cpuModel returns the first CPU's name; where the kernel has only numbers for it,
// as on arm64, these.
func cpuModel(fsys fs.FS) (string, error) {
	text, err := fs.ReadFile(fsys, "proc/cpuinfo")
	if err != nil {
		return Unknown, err
	}
	var implementer, part string
	for key, value := range cpuinfo(text) {
		switch key {
		case "model name":
			if value != "" {
				return value, nil
			}
		case "CPU implementer":
			implementer = value
		case "CPU part":
			part = value
		}
		if implementer != "" && part != "" {
			return "implementer " + implementer + " part " + part, nil
		}
	}
	return Unknown, errors.New("/proc/cpuinfo names no model")
}

// hypervisorFlag says whether the first CPU has the flag that hypervisors set. known is false
// where CPUs have no such flag.
func hypervisorFlag(fsys fs.FS) (set, known bool) {
	text, err := fs.ReadFile(fsys, "proc/cpuinfo")
	if err != nil {
		return false, false
	}
	for key, value := range cpuinfo(text) {
		if key == "flags" {
			return strings.Contains(" "+value+" ", " hypervisor "), true
		}
	}
	return false, false
}

// cpuinfo yields the keys and values of /proc/cpuinfo.
func cpuinfo(text []byte) iter.Seq2[string, string] {
	return func(yield func(key, value string) bool) {
		lines := bufio.NewScanner(bytes.NewReader(text))
		for lines.Scan() {
			key, value, ok := strings.Cut(lines.Text(), ":")
			if ok && !yield(strings.TrimSpace(key), strings.TrimSpace(value)) {
				return
			}
		}
	}
}
