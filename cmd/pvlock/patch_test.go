package main

import (
	"encoding/json"
	"strings"
	"testing"

	"example.com/pvlock/boot"
	"example.com/pvlock/result"
	"example.com/pvlock/textpatch"
)

func TestNonsenseInTheEnvironmentIsOneLineThatSaysWhatIsAllowedAndExit2(t *testing.T) {
	for _, verb := range [][]string{{"patch"}, {"doctor", "--interval", "10ms"},
		{"bench", "unlock"}} {
		for env, want := range map[string]string{
			"PVLOCK=nonsense": `PVLOCK: "nonsense" is neither a mode nor a table: want auto, ` +
				`native, pv, tas or ticket, byte, xen2008, xen2008text, xen, virt, pvqspin2015, ` +
				`pvqspin`,
			"PVLOCK_PATCH=2": `PVLOCK_PATCH="2": want 0, 1 or calls`,
		} {
			cmd := pvlock(t, verb...)
			cmd.Env = append(cmd.Env, env)
			got := finish(t, cmd)
			if got.code != 2 || got.stdout != "" || got.stderr != "pvlock: "+want+"\n" {
				t.Errorf("%s %v: exit %d, %q on stdout, %q on stderr", env, verb, got.code,
					got.stdout, got.stderr)
			}
		}
	}
}

func TestBadFlagsOfPatchAndDoctorAreOneLineAndExit2(t *testing.T) {
	for _, args := range [][]string{
		{"patch", "--mode", "fast"}, {"patch", "--show", "-1"}, {"patch", "more"},
		{"patch", "--json", "/nonexistent/x"},
		{"doctor", "--interval", "1ns"}, {"doctor", "more"}, {"bench", "unlock", "--rounds", "0"},
		{"bench", "unlock", "--pairs", "1"},
	} {
		got := finish(t, pvlock(t, args...))
		if got.code != 2 || got.stdout != "" || strings.Count(got.stderr, "\n") != 1 {
			t.Errorf("%v: exit %d, %q on stdout, %q on stderr; want exit 2 and one line", args,
				got.code, got.stdout, got.stderr)
		}
	}
}

func TestPatchShowsWhatWasChosenAndTheTextBeforeAndAfter(t *testing.T) {
	for mode, want := range map[string][]string{
		"native":         {"native: asked for", "spinlock.queuedNativeSlow", "one store"},
		"pv":             {"pv: asked for", "spinlock.queuedPVSlow", "spinlock.(*Xen).Lock"},
		"tas":            {"tas: asked for", "spinlock.queuedVirtSlow"},
		"native,xen2008": {"xen2008: asked for", "spinlock.(*Xen2008).Lock"},
		"pvqspin2015":    {"pvqspin2015: asked for", "spinlock.queuedPVSlow2015"},
	} {
		got := finish(t, pvlock(t, "patch", "--mode", mode))
		if !textpatch.Supported {
			want = []string{want[0], "not patched: "}
		} else if textpatch.Bodies || raceEnabled {
			want = want[:2]
		}
		for _, w := range append(want, "and excluded") {
			if got.code != 0 || !strings.Contains(got.stdout, w) {
				t.Errorf("%s: exit %d, no %q in\n%s%s", mode, got.code, w, got.stdout, got.stderr)
			}
		}
	}
}

func TestPatchAndDoctorAndUnlockAsJSON(t *testing.T) {
	var p boot.PatchReport
	fromJSON(t, &p, "patch", "--mode", "native", "--json", "-")
	if p.Schema != boot.PatchSchema || p.Decision.Reason == "" || len(p.Tables) != 11 ||
		p.Machine.CPUs.Or(1) < 1 {
		t.Errorf("%+v", p)
	}
	if textpatch.Supported &&
		(!p.Patch.Done || p.Patch.Found == 0 || p.Patch.Found != p.Patch.Patched) {
		t.Errorf("%+v", p.Patch)
	}
	var d boot.DoctorReport
	fromJSON(t, &d, "doctor", "--interval", "10ms", "--json", "-")
	if d.Schema != boot.DoctorSchema || len(d.Findings) != 6 || d.IntervalMS < 10 ||
		d.Decision.Reason == "" {
		t.Errorf("%+v", d)
	}
	var u result.Unlocks
	fromJSON(t, &u, "bench", "unlock", "--rounds", "1", "--pairs", "1000", "--json", "-")
	if u.Schema != result.SchemaUnlock || u.Rounds != 1 || len(u.Ways) < 4 {
		t.Errorf("%+v", u)
	}
}

func fromJSON(t *testing.T, to any, args ...string) {
	t.Helper()
	got := finish(t, pvlock(t, args...))
	if err := json.Unmarshal([]byte(got.stdout), to); err != nil || got.code != 0 {
		t.Fatalf("%v: exit %d, %v\n%s%s", args, got.code, err, got.stdout, got.stderr)
	}
}
