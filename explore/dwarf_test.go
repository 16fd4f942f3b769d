package explore

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

var counter int

// A lost update of a package variable, which a binary with DWARF calls by its name.
func TestPackageVariable(t *testing.T) {
	body := func() { counter++ }
	r := want(t, "assertion", Config{Final: func() { Assert(counter == 2) }}, body, body)
	if len(globals()) > 0 && !strings.Contains(r.String(), "explore.counter") {
		t.Errorf("no explore.counter in\n%s", r)
	}
}

func TestVariablesHaveNamesWhereTheBinaryHasDWARF(t *testing.T) {
	explorable(t)
	if testing.Short() {
		t.Skip("it builds a test binary")
	}
	binary := filepath.Join(t.TempDir(), "explore.test")
	if out, err := exec.CommandContext(t.Context(), "go", "test", "-c", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	out, err := exec.CommandContext(t.Context(), binary, "-test.run=TestPackageVariable", "-test.v").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "explore.counter") {
		t.Errorf("%v: no explore.counter in\n%s", err, out)
	}
}
