//go:build linux && !purego

package textpatch

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"

	"example.com/pvlock/internal/uprobe"
)

// While the probe is there, the kernel makes the call that is in the file; when it is gone, so is
// what took the call's place: all bytes are the call's.
func TestAProbeThatGoesFromACallThatIsNothingLeavesTheCall(t *testing.T) {
	if !runIsChild(t) {
		if out := runChild(t, 0); strings.Contains(out, "SKIPPED") {
			t.Skip(out)
		}
		return
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	site := sitesIn(t, clear, callOnce)[0]
	var patch Patch
	check(t, patch.Nop(site), patch.Apply(Live))
	exe, err := os.Executable()
	check(t, err)
	probe, err := uprobe.Attach(0, exe, uint64(offsetInFile(t, site.Addr)))
	if err != nil {
		t.Skipf("SKIPPED: %v", err)
	}
	calls := func() int64 {
		x := uint32(5)
		clears.Store(0)
		callOnce(&x)
		return clears.Load()
	}
	if n := calls(); n != 1 {
		t.Errorf("with a probe there were %d calls, want the file's", n)
	}
	if n, err := probe.Hits(); err != nil || n != 1 {
		t.Errorf("%d hits, %v", n, err)
	}
	check(t, probe.Detach())
	if again := sitesIn(t, clear, callOnce); len(again) != 1 || again[0] != site || calls() != 1 {
		t.Errorf("after the probe the calls are %v, want %v", again, site)
	}
}

// offsetInFile returns where in the program's file an address is.
func offsetInFile(t *testing.T, addr uintptr) uintptr {
	t.Helper()
	maps, err := os.ReadFile("/proc/self/maps")
	check(t, err)
	for line := range strings.Lines(string(maps)) {
		var start, end, offset uintptr
		var perms string
		_, err := fmt.Sscanf(line, "%x-%x %s %x", &start, &end, &perms, &offset)
		check(t, err)
		if start <= addr && addr < end {
			return addr - start + offset
		}
	}
	t.Fatalf("%#x is in no mapping", addr)
	return 0
}
