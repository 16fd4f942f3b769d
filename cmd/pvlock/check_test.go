package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"example.com/pvlock/result"
)

func TestCheckBadInputIsOneLineAndExit2(t *testing.T) {
	for _, args := range [][]string{
		{"--locks", "nosuch"}, {"--client", "nosuch"}, {"--client", "plain", "--cpus", "9"},
		{"--spin", "7", "--client", "plain"},
		{"--model", "arm"}, {"--buffer", "99"}, {"--states", "-1"}, {"--scenario", "nosuch"},
		{"--nosuch"}, {"more"},
	} {
		got := finish(t, pvlock(t, append([]string{"check"}, args...)...))
		if got.code != 2 || got.stdout != "" || strings.Count(got.stderr, "\n") != 1 {
			t.Errorf("%v: exit %d, %q on stdout, %q on stderr; want exit 2 and one line", args,
				got.code, got.stdout, got.stderr)
		}
	}
}

func TestCheckExitsWith1WhenSomethingIsFound(t *testing.T) {
	got := finish(t, pvlock(t, "check", "--locks", "xen2008", "--client", "plain"))
	if got.code != 1 || !strings.Contains(got.stdout, "lost wake-up: ") ||
		!strings.Contains(got.stdout, "spinlock/xen2008.go:") {
		t.Errorf("exit %d:\n%s%s", got.code, got.stdout, got.stderr)
	}
	got = finish(t, pvlock(t, "check", "--locks", "xen", "--client", "plain"))
	if got.code != 0 || !strings.Contains(got.stdout, "complete, clean") {
		t.Errorf("exit %d:\n%s%s", got.code, got.stdout, got.stderr)
	}
	// A bound that is hit is said, and no violation.
	got = finish(t, pvlock(t, "check", "--locks", "pvqspin", "--client", "plain", "--memory", "1"))
	if got.code != 0 || !strings.Contains(got.stdout, "1 MB of memory") {
		t.Errorf("exit %d:\n%s%s", got.code, got.stdout, got.stderr)
	}
}

func TestCheckJSON(t *testing.T) {
	file := filepath.Join(t.TempDir(), "check.json")
	for _, to := range []string{"-", file} {
		got := finish(t,
			pvlock(t, "check", "--locks", "xen2008,tas", "--client", "plain", "--json", to))
		text := []byte(got.stdout)
		if to == file {
			var err error
			if text, err = os.ReadFile(file); err != nil {
				t.Fatal(err)
			}
		}
		var r result.Check
		if err := json.Unmarshal(text, &r); err != nil {
			t.Fatal(err)
		}
		if got.code != 1 || r.Schema != result.SchemaCheck || len(r.Runs) != 2 ||
			r.Runs[0].Finding == nil || len(r.Runs[0].Finding.Rows) == 0 || !r.Runs[1].Complete {
			t.Errorf("exit %d, %+v", got.code, r)
		}
	}
}
