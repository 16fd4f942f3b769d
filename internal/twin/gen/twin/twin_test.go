package twin

import (
	"bytes"
	"slices"
	"strings"
	"testing"
)

// If this fails, the lock text has changed since its twin was made, or somebody has
// edited the twin: run go generate ./internal/twin.
func TestTwinIsWhatTheTextMakes(t *testing.T) {
	want, err := Generate("../../../..")
	if err != nil {
		t.Fatal(err)
	}
	got, err := Read("../..")
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range want {
		if !bytes.Equal(got[name], text) {
			t.Errorf("internal/twin/%s is stale: run go generate ./internal/twin", name)
		}
	}
	for name := range got {
		if _, ok := want[name]; !ok {
			t.Errorf("internal/twin/%s does not belong there", name)
		}
	}
	if len(want) < 10 {
		t.Errorf("the twin has %d files: the text was not found", len(want))
	}
}

func TestTextThatCannotHaveATwinIsRefused(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{`import "sync"`, "import of sync"},
		{`import "time"`, "import of time"},
		{`func f() { go f() }`, "goroutine"},
		{`func f(c chan int) {}`, "channel"},
		{`func f() { select {} }`, "select"},
		{`var m map[int]int`, "map"},
		{`var n int`, "package variable n"},
		{`func f()`, "without a body"},
		{"//go:build linux\n\nfunc f() {}", "build constraint"},
		{"//go:linkname f g\nfunc f() {}", "linkname"},
	} {
		_, _, err := File("p/f.go", []byte("package p\n\n"+c.text+"\n"), nil)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v, want an error about %q", c.text, err, c.want)
		}
	}
	text := "package p\n\nimport \"errors\"\n\nvar Err = errors.New(\"e\")\n"
	if _, _, err := File("p/f.go", []byte(text), nil); err != nil {
		t.Errorf("an error made once: %v", err)
	}
}

func TestTwinKeepsItsLines(t *testing.T) {
	text := "package p\n\nimport " +
		"(\n\t\"example.com/pvlock/internal/arch\"\n\t\"example.com/pvlock/paravirt\"\n)\n\nfunc " +
		"f(c arch.Core) {\n\tc.Add16(nil, 1)\n}\n"
	out, _, err := File("p/f.go", []byte(text), nil)
	if err != nil {
		t.Fatal(err)
	}
	before, after := strings.Split(text, "\n"), strings.Split(string(out), "\n")
	if len(after) != len(before)+HeaderLines {
		t.Fatalf("%d lines became %d", len(before), len(after))
	}
	for i, line := range before {
		want := strings.ReplaceAll(strings.ReplaceAll(line, "internal/arch", "internal/twin/arch"),
			"pvlock/paravirt", "pvlock/internal/twin/paravirt")
		if after[i+HeaderLines] != want {
			t.Errorf("line %d: %q, want %q", i+1, after[i+HeaderLines], want)
		}
	}
}

// The mutex's methods aren't told which CPU executes them; in the twin the receiver knows.
func TestMethodsOfTheMutexHaveACPU(t *testing.T) {
	text := "package pvlock\n\nimport \"example.com/pvlock/internal/arch\"\n\nfunc (m *Mutex) " +
		"F() {\n\tvar c arch.Core\n\tf(arch.Core{}, c)\n}\n\nfunc g() { f(arch.Core{}) }\n"
	out, _, err := File("mutex/mutex.go", []byte(text), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"gen from mutex.go;", "\tc := coreOf(m)\n\tf(coreOf(m), c)\n",
		"func g() { f(arch.Core{}) }"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("no %q in:\n%s", want, out)
		}
	}
	out, _, _ = File("p/f.go", []byte(text), nil)
	if strings.Contains(string(out), "coreOf") {
		t.Errorf("another package's methods were changed:\n%s", out)
	}
}

func TestUsesOfResults(t *testing.T) {
	text := `package p

const free = 0

func f() {
	c.Add16(nil, 1)
	_ = c.Add16(nil, 1)
	if c.Cmpxchg8(p, held, free) == held || c.Cmpxchg8(p, held, free) == free {
	}
	if c.Xchg8(p, 1) != free {
	}
	v := c.Load8(p)
	if c.Load32(p) == v {
	}
}
`
	consts := make(map[string]uint64)
	constants([]byte(text), consts)
	_, uses, err := File("p/f.go", []byte(text), consts)
	if err != nil {
		t.Fatal(err)
	}
	want := []Use{{"p/f.go:6:Add16", "Unused", 0}, {"p/f.go:8:Cmpxchg8", "ComparedToOld", 0},
		{"p/f.go:10:Xchg8", "Compared", 0}}
	if !slices.Equal(uses, want) {
		t.Errorf("%v, want %v", uses, want)
	}
}
