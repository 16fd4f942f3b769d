//go:build linux && amd64 && !purego

package boot

import (
	"fmt"
	"strings"
	"testing"

	"example.com/pvlock/internal/uprobe"
)

// attach puts a probe into the program, or skips the test.
func (w *walker) attach(offset uint64) uprobe.Probe {
	w.t.Helper()
	p, err := uprobe.Attach(w.cmd.Process.Pid, w.cmd.Path, offset)
	if err != nil {
		w.t.Skipf("SKIPPED: %v", err)
	}
	return p
}

// hits returns how often a probe was hit.
func hits(t *testing.T, p uprobe.Probe) uint64 {
	t.Helper()
	n, err := p.Hits()
	if err != nil {
		t.Fatal(err)
	}
	return n
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
		t.Run(fmt.Sprintf("PVLOCK=%s PVLOCK_PATCH=%s, before: %v", c.mode, c.patch, c.before),
			func(t *testing.T) {
				w := startSteps(t, EnvMode+"="+c.mode, EnvPatch+"="+c.patch)
				defer w.end()
				_, offset := w.site()
				w.do("run")
				var p uprobe.Probe
				if c.before {
					p = w.attach(offset)
				}
				booted, _ := answers(t, w.do("boot"))
				if len(booted) != 1 || !booted[0].Done ||
					booted[0].Patched+booted[0].Unsure != booted[0].Found ||
					(booted[0].Unsure == 1) != c.before || booted[0].Unsure > 1 {
					t.Errorf("%+v", booted)
				}
				code := w.do("code")
				if !c.before {
					p = w.attach(offset)
				}
				if there := w.do("code"); !strings.HasPrefix(there, "cc") {
					t.Errorf("no probe in %q", there)
				}
				if held := w.do("run"); held != "held: false" || hits(t, p) != 1000 {
					t.Errorf("%s, %d hits of 1000", held, hits(t, p))
				}
				if err := p.Detach(); err != nil {
					t.Fatal(err)
				}
				if again := w.do("code"); !c.before && again != code {
					t.Errorf("the code is % s after the probe, and was %s", again, code)
				}
				if held, all := w.do("run"), w.do("exercise"); held != "held: false" ||
					all != "excluded" {
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
	p := w.attach(offset)
	if held := w.do("run"); held != "held: false" || hits(t, p) != 1000 {
		t.Errorf("%s, %d hits of 1000", held, hits(t, p))
	}
	if err := p.Detach(); err != nil {
		t.Fatal(err)
	}
	if code := w.do("code"); code != "e8 c6 40 00 00" {
		t.Errorf("the code is %s after the probe: the documentation of PVLOCK_PATCH says otherwise",
			code)
	}
	w.end() // without running it
}
