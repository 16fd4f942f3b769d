package host

import (
	"bufio"
	"bytes"
	"errors"
	"io/fs"
	"iter"
	"strings"
)

func kernelRelease(fsys fs.FS) (string, error) {
	text, err := fs.ReadFile(fsys, "proc/sys/kernel/osrelease")
	if err != nil {
		return "", err
	}
	if release := strings.TrimSpace(string(text)); release != "" {
		return release, nil
	}
	return "", errors.New("/proc/sys/kernel/osrelease is empty")
}

// cpuModel returns the first CPU's name; where the kernel has only numbers for it,
// as on arm64, these.
func cpuModel(fsys fs.FS) (string, error) {
	text, err := fs.ReadFile(fsys, "proc/cpuinfo")
	if err != nil {
		return "", err
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
	return "", errors.New("/proc/cpuinfo names no model")
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
