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
	if len(debugInfo().globals) > 0 && !strings.Contains(r.String(), "explore.counter") {
		t.Errorf("no explore.counter in\n%s", r)
	}
}

type item struct {
	value int
	next  *item
}

// A way to a finding that names what closures have captured, by reference and by value, and what
// bodies have allocated.
func TestNamesOfVariables(t *testing.T) {
	explorable(t)
	list := new(item)
	wanted := 0
	adds := func() {
		n := new(item)
		list.next = n
		n.value = 1
		wanted = 1
	}
	looks := func() {
		if n := list.next; n != nil {
			wanted = 2
			Assert(n.value == 1)
		}
	}
	r := Run(Config{Final: func() { Assert(wanted > 0) }}, adds, looks)
	t.Log(r)
	names := []string{"item#1.value", "item#1 is allocated at explore/dwarf_test.go:"}
	if debugInfo().data != nil {
		names = append(names, "wanted", "list.next", "&item#1")
	} else {
		names = append(names, "capture")
	}
	for _, name := range names {
		if !strings.Contains(r.String(), name) {
			t.Errorf("no %q in\n%s", name, r)
		}
	}
}

func TestVariablesHaveNamesWhereTheBinaryHasDWARF(t *testing.T) {
	explorable(t)
	if testing.Short() {
		t.Skip("it builds a test binary")
	}
	binary := filepath.Join(t.TempDir(), "explore.test")
	if out, err := exec.CommandContext(t.Context(), "go", "test", "-c", "-o", binary, ".").
		CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	out, err := exec.CommandContext(t.Context(), binary,
		"-test.run=PackageVariable|NamesOfVariables", "-test.v").CombinedOutput()
	for _, name := range []string{"explore.counter", "wanted", "list.next"} {
		if err != nil || !strings.Contains(string(out), name) {
			t.Errorf("%v: no %s in\n%s", err, name, out)
		}
	}
}
