//go:build linux

// Package uprobe attaches the kernel's probes to instructions of a program, as perf probe and
// bpftrace do. It is for tests.
package uprobe

import (
	"encoding/binary"
	"fmt"
	"os"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A Probe is on an instruction of a file, in one thread.
type Probe int

// Attach puts a probe into a thread, 0 for the caller's. An error says that this can't be had here:
// by the kernel, or by the user.
func Attach(tid int, file string, offset uint64) (Probe, error) {
	text, err := os.ReadFile("/sys/bus/event_source/devices/uprobe/type")
	if err != nil {
		return 0, fmt.Errorf("this kernel has no uprobes: %w", err)
	}
	kind, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 32)
	if err != nil {
		return 0, err
	}
	path, err := unix.BytePtrFromString(file)
	if err != nil {
		return 0, err
	}
	attr := unix.PerfEventAttr{Type: uint32(kind), Ext1: uint64(uintptr(unsafe.Pointer(path))),
		Ext2: offset}
	attr.Size = uint32(unsafe.Sizeof(attr))
	fd, err := unix.PerfEventOpen(&attr, tid, -1, -1, unix.PERF_FLAG_FD_CLOEXEC)
	if err != nil {
		return 0, fmt.Errorf("a uprobe can't be attached here, be root: %w", err)
	}
	return Probe(fd), nil
}

// Hits returns how often the instruction was run.
func (p Probe) Hits() (uint64, error) {
	b := make([]byte, 8)
	if n, err := unix.Read(int(p), b); n != len(b) || err != nil {
		return 0, fmt.Errorf("reading a probe: %d bytes: %w", n, err)
	}
	return binary.LittleEndian.Uint64(b), nil
}

// Detach takes the probe away.
func (p Probe) Detach() error { return unix.Close(int(p)) }
