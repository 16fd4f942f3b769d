package textpatch

import (
	"errors"
	"os"
	"os/exec"
	"testing"
)

// runIsChild says whether the test runs in a process of its own, made by runChild.
func runIsChild(t *testing.T) bool { return os.Getenv("TEXTPATCH_CHILD") == t.Name() }

// child returns the command that runs the test in a process of its own, under another program if
// one is given.
func child(t *testing.T, under ...string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	args := append(under, exe, "-test.v", "-test.run=^"+t.Name()+"$")
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append(os.Environ(), "TEXTPATCH_CHILD="+t.Name())
	return cmd
}

// runChild runs the test in a process of its own, which must exit with a code, and returns
// what it printed.
func runChild(t *testing.T, code int, under ...string) string {
	t.Helper()
	cmd := child(t, under...)
	out, err := cmd.CombinedOutput()
	if err != nil && !errors.As(err, new(*exec.ExitError)) {
		t.Fatal(err)
	}
	if have := cmd.ProcessState.ExitCode(); have != code {
		t.Fatalf("exit code %d, want %d:\n%s", have, code, out)
	}
	return string(out)
}
