//go:build linux && amd64 && !purego

package boot

import (
	"encoding/binary"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A probe is a uprobe of the kernel's on an instruction of a file, in one process.
type probe int

// attach puts a probe into a process, or skips the test.
func attach(t *testing.T, pid int, file string, offset uint64) probe {
	t.Helper()
	text, err := os.ReadFile("/sys/bus/event_source/devices/uprobe/type")
	if err != nil {
		t.Skipf("SKIPPED: this kernel has no uprobes: %v", err)
	}
	kind, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	path, err := unix.BytePtrFromString(file)
	if err != nil {
		t.Fatal(err)
	}
	attr := unix.PerfEventAttr{Type: uint32(kind), Ext1: uint64(uintptr(unsafe.Pointer(path))), Ext2: offset}
	attr.Size = uint32(unsafe.Sizeof(attr))
	fd, err := unix.PerfEventOpen(&attr, pid, -1, -1, unix.PERF_FLAG_FD_CLOEXEC)
	if err != nil {
		t.Skipf("SKIPPED: a uprobe can't be attached here (%v): be root", err)
	}
	return probe(fd)
}

// hits returns how often the instruction was run.
func (p probe) hits(t *testing.T) uint64 {
	t.Helper()
	b := make([]byte, 8)
	if n, err := unix.Read(int(p), b); n != 8 || err != nil {
		t.Fatalf("%d bytes: %v", n, err)
	}
	return binary.LittleEndian.Uint64(b)
}

func (p probe) detach(t *testing.T) {
	t.Helper()
	if err := unix.Close(int(p)); err != nil {
		t.Fatal(err)
	}
}

// site returns where the program's call of Unlock is, in memory and in its file.
func (w *walker) site() (addr, offset uint64) {
	w.t.Helper()
	if line := w.do("site"); true {
		if _, err := fmt.Sscanf(line, "%v %d", &addr, &offset); err != nil {
			w.t.Fatalf("%q: %v", line, err)
		}
	}
	return addr, offset
}

// A probe is on a call before it is patched, or comes afterwards; it is hit; and it goes.
func TestAProbeOnACallComesAndGoes(t *testing.T) {
	for _, c := range []struct {
		mode, patch string
		before      bool
	}{
		{"pv", "1", false},
		{"native", "calls", false},
		{"native", "1", true},
		{"pv", "1", true},
	} {
		t.Run(fmt.Sprintf("PVLOCK=%s PVLOCK_PATCH=%s, before: %v", c.mode, c.patch, c.before), func(t *testing.T) {
			w := startSteps(t, EnvMode+"="+c.mode, EnvPatch+"="+c.patch)
			defer w.end()
			_, offset := w.site()
			w.do("run")
			var p probe
			if c.before {
				p = attach(t, w.cmd.Process.Pid, w.cmd.Path, offset)
			}
			booted, _ := answers(t, w.do("boot"))
			if len(booted) != 1 || !booted[0].Done || booted[0].Patched+booted[0].Unsure != booted[0].Found || (booted[0].Unsure == 1) != c.before || booted[0].Unsure > 1 {
				t.Errorf("%+v", booted)
			}
			code := w.do("code")
			if !c.before {
				p = attach(t, w.cmd.Process.Pid, w.cmd.Path, offset)
			}
			if there := w.do("code"); !strings.HasPrefix(there, "cc") {
				t.Errorf("no probe in %q", there)
			}
			if held := w.do("run"); held != "held: false" || p.hits(t) != 1000 {
				t.Errorf("%s, %d hits of 1000", held, p.hits(t))
			}
			p.detach(t)
			if again := w.do("code"); !c.before && again != code {
				t.Errorf("the code is % s after the probe, and was %s", again, code)
			}
			if held, all := w.do("run"), w.do("exercise"); held != "held: false" || all != "excluded" {
				t.Errorf("%s, %s", held, all)
			}
		})
	}
}

// What the documentation warns of: where an unlock has become a store, the byte that the kernel
// takes from the file, and puts back when a probe goes, makes a call to somewhere of it. Attached
// it does no harm.
func TestAProbeThatGoesFromAStoreLeavesNoCode(t *testing.T) {
	w := startSteps(t, EnvMode+"=native", EnvPatch+"=1")
	_, offset := w.site()
	w.do("boot")
	if code := w.do("code"); code != "3e c6 40 00 00" {
		t.Fatalf("the store is %s", code)
	}
	p := attach(t, w.cmd.Process.Pid, w.cmd.Path, offset)
	if held := w.do("run"); held != "held: false" || p.hits(t) != 1000 {
		t.Errorf("%s, %d hits of 1000", held, p.hits(t))
	}
	p.detach(t)
	if code := w.do("code"); code != "e8 c6 40 00 00" {
		t.Errorf("the code is %s after the probe: the documentation of PVLOCK_PATCH says otherwise", code)
	}
	w.end() // without running it
}
