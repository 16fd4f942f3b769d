package textpatch

import (
	"errors"
	"os"
	"os/exec"
	"testing"
)

// runIsChild says whether the test runs in a process of its own, made by runChild.
func runIsChild(t *testing.T) bool { return os.Getenv("TEXTPATCH_CHILD") == t.Name() }

// runChild runs the test in a process of its own, which must exit with a code, and returns
// what it printed.
func runChild(t *testing.T, code int, args ...string) string {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe, append([]string{"-test.run=^" + t.Name() + "$"}, args...)...)
	cmd.Env = append(os.Environ(), "TEXTPATCH_CHILD="+t.Name())
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if have := cmd.ProcessState.ExitCode(); have != code {
		t.Fatalf("exit code %d, want %d:\n%s", have, code, out)
	}
	return string(out)
}
