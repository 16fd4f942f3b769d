package boot

import (
	"errors"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const childOf = "PVLOCK_TEST_CHILD"

// What is chosen is chosen once in a process. So each choice is tested in a process of its own:
// inChild says whether this is it.
func inChild(t *testing.T) bool { return os.Getenv(childOf) == t.Name() }

// runChild runs the test in a process of its own, with these settings and no others of pvlock's,
// and returns its exit code and what it printed.
func runChild(t *testing.T, env ...string) (code int, out string) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe, "-test.run=^"+strings.ReplaceAll(t.Name(), "/", "$/^")+"$", "-test.v")
	cmd.Env = append(append(clean(os.Environ()), childOf+"="+t.Name()), env...)
	text, err := cmd.CombinedOutput()
	if err != nil && !errors.As(err, new(*exec.ExitError)) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(text)
}

// mustPass runs the test in a process of its own, in which it must pass.
func mustPass(t *testing.T, env ...string) {
	t.Helper()
	code, out := runChild(t, env...)
	if code != 0 {
		t.Errorf("exit code %d with %v:\n%s", code, env, out)
	}
	t.Logf("%v:\n%s", env, out)
}

func clean(env []string) []string {
	return slices.DeleteFunc(env, func(s string) bool {
		return len(s) > len(EnvMode) && s[:len(EnvMode)] == EnvMode &&
			(s[len(EnvMode)] == '=' || s[len(EnvMode)] == '_')
	})
}
