package main

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"example.com/pvlock/result"
)

// briefly are flags of a torture that takes a moment.
var briefly = []string{"torture", "--on", "goroutines", "--duration", "300ms", "--seed", "1"}

func TestTortureBadInputIsOneLineAndExit2(t *testing.T) {
	for name, tt := range map[string]struct {
		args []string
		want string
	}{
		"unknown flag":   {[]string{"--hard"}, "unknown flag: --hard"},
		"stray argument": {[]string{"xen"}, `unknown command "xen"`},
		"unknown lock": {[]string{"--locks", "xenn"},
			`unknown lock "xenn": want some of bytelock, `},
		"unknown machine": {[]string{"--on", "mainframe"},
			`unknown machine "mainframe": want one of threads, `},
		"unknown torment": {[]string{"--torments", "rain"},
			`unknown torment "rain": want some of many-locks, `},
		"no CPUs":        {[]string{"--cpus", "0"}, "--cpus 0: want 1 to "},
		"undercommit":    {[]string{"--overcommit", "0.5"}, "overcommit 0.5 of "},
		"no duration":    {[]string{"--duration", "0"}, "duration of 0s: want 10ms to "},
		"no patience":    {[]string{"--patience", "0"}, "patience of 0s: want 1s to "},
		"a long section": {[]string{"--cs", "1h"}, "critical section of 1h0m0s: want 0s to 1ms"},
		"unwritable file": {[]string{"--json", filepath.Join(t.TempDir(), "no", "file")},
			"can't write the result: "},
	} {
		t.Run(name, func(t *testing.T) {
			got := finish(t, pvlock(t, append([]string{"torture"}, tt.args...)...))
			if got.code != 2 || got.stdout != "" || strings.Count(got.stderr, "\n") != 1 ||
				!strings.Contains(got.stderr, tt.want) {
				t.Errorf("exit %d, stdout %q, stderr %q: want 2, nothing, and one line with %q",
					got.code, got.stdout, got.stderr, tt.want)
			}
		})
	}
}

func TestTortureSaysWhatCameOfIt(t *testing.T) {
	got := finish(t, pvlock(t, append(briefly, "--locks", "xen,busted")...))
	for _, want := range []string{"as expected: exclusion", "acquisitions in all",
		"by the slow path", "seed 1."} {
		if !strings.Contains(got.stdout, want) {
			t.Errorf("there is no %q in:\n%s", want, got.stdout)
		}
	}
	if got.code != 0 || got.stderr != "" {
		t.Errorf("exit %d, stderr %q", got.code, got.stderr)
	}
}

func TestTortureJSONIsWhatItsSchemaSays(t *testing.T) {
	got := finish(t, pvlock(t, append(briefly, "--locks", "xen,busted", "--json", "-")...))
	if got.code != 0 {
		t.Fatalf("exit %d: %s", got.code, got.stderr)
	}
	mustBeOf(t, result.TortureSchema(), got.stdout)
	r, err := result.ReadTorture(strings.NewReader(got.stdout))
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Runs) != 3 || r.Seed != 1 {
		t.Errorf("%d runs, seed %d; want 3, 1", len(r.Runs), r.Seed)
	}
}

func TestAnInterruptEndsTheTortureAndWritesWhatThereIs(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no interrupts to send on Windows")
	}
	file := filepath.Join(t.TempDir(), "result.json")
	// With "stop" among the torments, what is interrupted is the guard, and what writes is its
	// child.
	cmd := pvlock(t, "torture", "--locks", "tas", "--duration", "1h", "--json", file)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	begins(file)
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	mustBeInterrupted(t, cmd, &stderr)
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := result.ReadTorture(f)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Runs) > 1 || len(r.Runs) == 1 && !r.Runs[0].Interrupted || !r.Interrupted {
		t.Errorf("%d runs, want at most one, interrupted", len(r.Runs))
	}
}
