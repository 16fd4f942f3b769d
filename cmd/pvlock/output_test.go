package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"example.com/pvlock/result"
)

func writeText(w io.Writer, text string) error {
	_, err := io.WriteString(w, text)
	return err
}

func TestAResultTakesTheOldOnesPlaceOnceItIsWhole(t *testing.T) {
	dir := t.TempDir()
	old, link, fresh := filepath.Join(dir, "old"), filepath.Join(dir, "link"), filepath.Join(dir,
		"new")
	if err := errors.Join(os.WriteFile(old, []byte("old"), 0o640),
		os.Symlink(old, link)); err != nil {
		t.Fatal(err)
	}
	o, err := openOutputs(io.Discard, []output[string]{{link, writeText}, {fresh, writeText}})
	if err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(old); err != nil || string(text) != "old" {
		t.Errorf("before there is a result the file has %q, %v", text, err)
	}
	if err := o.write("new"); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{old, fresh} {
		if text, err := os.ReadFile(name); err != nil || string(text) != "new" {
			t.Errorf("%s has %q, %v", name, text, err)
		}
	}
	if is, err := os.Lstat(link); err != nil || is.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is one no longer: %v, %v", is, err)
	}
	if is, err := os.Stat(old); err != nil ||
		runtime.GOOS != "windows" && is.Mode().Perm() != 0o640 {
		t.Errorf("the file's mode is %v, %v: want the old one's", is.Mode(), err)
	}
	mustHold(t, dir, 3)
}

func TestAResultThatCanNotBeWrittenLeavesTheOldOne(t *testing.T) {
	dir := t.TempDir()
	old, other := filepath.Join(dir, "old"), filepath.Join(dir, "other")
	if err := os.WriteFile(old, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	full := func(w io.Writer, text string) error {
		return errors.Join(writeText(w, text[:1]), errors.New("no space left"))
	}
	o, err := openOutputs(io.Discard, []output[string]{{old, full}, {other, writeText}})
	if err != nil {
		t.Fatal(err)
	}
	if err := o.write("new"); err == nil || !strings.Contains(err.Error(), "old: no space left") {
		t.Errorf("error %v", err)
	}
	if text, err := os.ReadFile(old); err != nil || string(text) != "old" {
		t.Errorf("the old file has %q, %v", text, err)
	}
	if text, err := os.ReadFile(other); err != nil || string(text) != "new" {
		t.Errorf("the other file has %q, %v: it could be written", text, err)
	}
	mustHold(t, dir, 2)
}

func TestNoTwoResultsGoToOneFile(t *testing.T) {
	dir := t.TempDir()
	file, link := filepath.Join(dir, "file"), filepath.Join(dir, "link")
	if err := errors.Join(os.WriteFile(file, nil, 0o600), os.Symlink(file, link)); err != nil {
		t.Fatal(err)
	}
	for _, names := range [][2]string{{"-", "-"}, {file, file}, {file, link},
		{dir + "/new", dir + "/./new"}, {dir + "/new", filepath.Join(dir, "x", "..", "new")}} {
		if _, err := openOutputs(io.Discard,
			[]output[string]{{names[0], writeText}, {names[1], writeText}}); err == nil {
			t.Errorf("%q: no error", names)
		}
	}
	if _, err := openOutputs(io.Discard,
		[]output[string]{{os.DevNull, writeText}, {os.DevNull, writeText}, {"", writeText},
			{"", writeText}}); err != nil {
		t.Error(err)
	}
	mustHold(t, dir, 2)
}

// mustHold fails the test if a directory has not so many files.
func mustHold(t *testing.T, dir string, n int) {
	t.Helper()
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != n {
		t.Errorf("there are %v, %v: want %d files", files, err, n)
	}
}

// What writes results, in a moment.
func writers(file string) map[string][]string {
	return map[string][]string{
		"bench":        append(append([]string{}, quick...), "--json", file),
		"bench unlock": {"bench", "unlock", "--rounds", "1", "--pairs", "1000", "--html", file},
		"bench mutex": {"bench", "mutex", "--groups", "alone", "--duration", "1ms", "--rounds",
			"1", "--json", file},
		"check":   {"check", "--locks", "xen2008", "--client", "plain", "--json", file},
		"sim":     {"sim", "--locks", "tas", "--pcpus", "2", "--duration", "1ms", "--json", file},
		"torture": append(append([]string{}, briefly...), "--locks", "xen", "--json", file),
		"doctor":  {"doctor", "--interval", "10ms", "--json", file},
		"patch":   {"patch", "--json", file},
	}
}

// A disk that is full is a limit on the size of a file here, which takes no privilege.
func TestOnAFullDiskTheTextIsShownAndTheOldFileStays(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("it takes ulimit -f and /dev/full")
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "result")
	if err := os.WriteFile(file, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, args := range writers(file) {
		t.Run(name, func(t *testing.T) {
			cmd := pvlock(t, args...)
			cmd.Args = append([]string{"bash", "-c", `ulimit -f 0; exec "$0" "$@"`},
				append([]string{cmd.Path}, args...)...)
			cmd.Path = "/bin/bash"
			got := finish(t, cmd)
			want := exitUsage
			if name == "check" {
				want = exitFinding // xen2008 loses a wake-up, whatever becomes of the file
			}
			if got.code != want || !strings.Contains(got.stderr, "file too large") ||
				len(got.stdout) < 100 {
				t.Errorf("exit %d, stderr %q, stdout:\n%s\nwant %d, a line, and the whole text",
					got.code, got.stderr, got.stdout, want)
			}
			if text, err := os.ReadFile(file); err != nil || string(text) != "old" {
				t.Errorf("the old file has %q, %v", text, err)
			}
			mustHold(t, dir, 1)
		})
	}
}

// The device for just that has no name that could be taken.
func TestADeviceIsWrittenItself(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip(err)
	}
	got := finish(t, pvlock(t, append(quick, "--json", "/dev/full", "--benchfmt", os.DevNull)...))
	if got.code != exitUsage || !strings.Contains(got.stderr, "no space left on device") ||
		!strings.Contains(got.stdout, "Throughput") {
		t.Errorf("exit %d, stderr %q, stdout:\n%s", got.code, got.stderr, got.stdout)
	}
}

func TestStdoutByAnotherNameIsRefused(t *testing.T) {
	if _, err := os.Stat("/dev/stdout"); err != nil {
		t.Skip(err)
	}
	got := finish(t, pvlock(t, append(quick, "--json", "/dev/stdout")...))
	if got.code != exitUsage || got.stdout != "" ||
		!strings.Contains(got.stderr, "want - for stdout") {
		t.Errorf("exit %d, stderr %q, stdout %q", got.code, got.stderr, got.stdout)
	}
}

// A scenario that a bound cut short shows nothing of the lock.
func TestAScenarioThatABoundCutIsNoFinding(t *testing.T) {
	got := finish(t, pvlock(t, "check", "--scenario", "xen2008-fence", "--states", "3"))
	if got.code != exitUsage || !strings.Contains(got.stdout, "cut by a bound") ||
		!strings.Contains(got.stderr, "xen2008-fence: cut by a bound") {
		t.Errorf("exit %d, stderr %q, stdout:\n%s", got.code, got.stderr, got.stdout)
	}
}

func TestUndecided(t *testing.T) {
	found := func(kind string) *result.Exploration {
		return &result.Exploration{
			Finding: &result.CheckFinding{
				Violation: result.Violation{Kind: result.ViolationKind(kind)}}}
	}
	cut, clean := &result.Exploration{Bound: "3 states"}, &result.Exploration{Complete: true}
	for i, tt := range []struct {
		s         result.CheckScenario
		undecided bool
	}{
		{result.CheckScenario{Want: "leak", Found: found("leak"),
			Clean: []*result.Exploration{clean}, Held: true}, false},
		{result.CheckScenario{Want: "leak", Found: cut}, true},
		{result.CheckScenario{Want: "leak", Found: clean}, false},
		{result.CheckScenario{Want: "leak", Found: found("sum")}, false},
		{result.CheckScenario{Want: "leak", Found: found("leak"),
			Clean: []*result.Exploration{cut}}, true},
		{result.CheckScenario{Want: "leak", Found: cut,
			Clean: []*result.Exploration{found("leak")}}, false},
		{result.CheckScenario{Want: "", Found: cut}, true},
		{result.CheckScenario{Want: "", Found: found("leak")}, false},
	} {
		if got := tt.s.Undecided(); got != tt.undecided {
			t.Errorf("scenario %d: undecided %v, want %v: %s", i, got, tt.undecided,
				fmt.Sprint(tt.s))
		}
	}
}
