package twin

import (
	"bytes"
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
		_, _, err := File("p/f.go", []byte("package p\n\n"+c.text+"\n"))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v, want an error about %q", c.text, err, c.want)
		}
	}
	if _, _, err := File("p/f.go", []byte("package p\n\nimport \"errors\"\n\nvar Err = errors.New(\"e\")\n")); err != nil {
		t.Errorf("an error made once: %v", err)
	}
}

func TestTwinKeepsItsLines(t *testing.T) {
	text := "package p\n\nimport (\n\t\"example.com/pvlock/internal/arch\"\n\t\"example.com/pvlock/paravirt\"\n)\n\nfunc f(c arch.Core) {\n\tc.Add16(nil, 1)\n\t_ = c.Add16(nil, 1)\n}\n"
	out, void, err := File("p/f.go", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	before, after := strings.Split(text, "\n"), strings.Split(string(out), "\n")
	if len(after) != len(before)+HeaderLines {
		t.Fatalf("%d lines became %d", len(before), len(after))
	}
	for i, line := range before {
		want := strings.ReplaceAll(strings.ReplaceAll(line, "internal/arch", "internal/twin/arch"), "pvlock/paravirt", "pvlock/internal/twin/paravirt")
		if after[i+HeaderLines] != want {
			t.Errorf("line %d: %q, want %q", i+1, after[i+HeaderLines], want)
		}
	}
	if len(void) != 1 || void[0] != "p/f.go:9" {
		t.Errorf("results not used at %v, want p/f.go:9", void)
	}
}
