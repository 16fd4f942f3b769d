package boot

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"example.com/pvlock/textpatch"
)

const (
	generatedFuncs = 400
	generatedCalls = 10 // unlocks in each
)

// generate writes a program with thousands of calls. It boots, with patching, runs each of its
// calls, and prints what it found.
func generate() string {
	var b strings.Builder
	b.WriteString(`package main

import (
	"encoding/json"
	"fmt"
	"os"

	"example.com/pvlock/boot"
	"example.com/pvlock/paravirt"
	"example.com/pvlock/spinlock"
)

var locks [10]spinlock.Queued

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func main() {
	r, err := boot.Boot(boot.Config{Patch: boot.PatchOn})
	must(err)
	sleepless := paravirt.ChannelOps{Poll: func(*paravirt.CPU) {}}
	m, err := paravirt.New(paravirt.Config{CPUs: 1, Channel: sleepless})
	must(err)
	c := m.CPU(0)
	all := func() {
		for i, f := range funcs {
			f(c)
			for j := range locks {
				if locks[j].IsLocked(c) {
					must(fmt.Errorf("function %d left lock %d held", i, j))
				}
			}
		}
	}
	all()
	json.NewEncoder(os.Stdout).Encode(r.Report())
}
`)
	b.WriteString("\nvar funcs = []func(*paravirt.CPU){\n")
	for i := range generatedFuncs {
		fmt.Fprintf(&b, "\tf%d,\n", i)
	}
	b.WriteString("}\n")
	for i := range generatedFuncs {
		fmt.Fprintf(&b, "\nfunc f%d(c *paravirt.CPU) {\n", i)
		for j := range generatedCalls {
			fmt.Fprintf(&b, "\tlocks[%d].Lock(c)\n", (i+j)%generatedCalls)
		}
		for j := range generatedCalls {
			fmt.Fprintf(&b, "\tlocks[%d].Unlock(c)\n", (i*3+j)%generatedCalls)
		}
		b.WriteString("}\n")
	}
	return b.String()
}

// TestAProgramWithThousandsOfCallsIsPatchedWholeHoweverItIsBuilt also says how long it took.
func TestAProgramWithThousandsOfCallsIsPatchedWholeHoweverItIsBuilt(t *testing.T) {
	if testing.Short() {
		t.Skip("builds programs")
	}
	if !textpatch.Supported || runtime.GOARCH == "arm64" {
		t.Skip("no patching here")
	}
	dir := t.TempDir()
	source := filepath.Join(dir, "main.go")
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	overlay, err :=
		json.Marshal(
			map[string]map[string]string{
				"Replace": {filepath.Join(here, "testdata", "generated", "main.go"): source}})
	if err != nil {
		t.Fatal(err)
	}
	overlayFile := filepath.Join(dir, "overlay.json")
	for name, text := range map[string]string{source: generate(), overlayFile: string(overlay)} {
		if err := os.WriteFile(name, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name string
		args []string
		env  []string
		cgo  bool
	}{
		{name: "default"},
		{name: "stripped", args: []string{"-ldflags=-s -w", "-trimpath"}},
		{name: "position-independent", args: []string{"-buildmode=pie"}},
		{name: "with the race detector", args: []string{"-race"}, cgo: true},
		{name: "linked by the C compiler", args: []string{"-ldflags=-linkmode=external"},
			cgo: true},
		{name: "with AVX2 instructions", env: []string{"GOAMD64=v3"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			exe := filepath.Join(dir, strings.ReplaceAll(c.name, " ", "_"))
			build := exec.Command("go",
				append(append([]string{"build", "-overlay", overlayFile, "-o", exe}, c.args...),
					"./testdata/generated")...)
			build.Env = append(os.Environ(), c.env...)
			if c.cgo {
				if _, err := exec.LookPath("gcc"); err != nil || runtime.GOARCH != "amd64" {
					t.Skip("needs cgo")
				}
				build.Env = append(build.Env, "CGO_ENABLED=1")
			}
			if out, err := build.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			for _, mode := range []string{"native", "pv"} {
				cmd := exec.Command(exe)
				cmd.Env = append(clean(os.Environ()), EnvMode+"="+mode)
				var stderr strings.Builder
				cmd.Stderr = &stderr
				out, err := cmd.Output()
				if err != nil {
					t.Fatalf("%s: %v\n%s", mode, err, stderr.String())
				}
				var r struct {
					Patch struct {
						Done   bool   `json:"done"`
						Why    string `json:"why"`
						Unsure int    `json:"sites_unsure"`
						TookUS int    `json:"took_us"`
						Calls  []CallReport
					}
				}
				if err := json.Unmarshal(out, &r); err != nil {
					t.Fatal(err)
				}
				if !r.Patch.Done || r.Patch.Unsure != 0 {
					t.Fatalf("%s: %s; %d unsure", mode, r.Patch.Why, r.Patch.Unsure)
				}
				for _, c := range r.Patch.Calls {
					if c.Name == "Queued.Unlock" {
						t.Logf("%s: %d of %d unlocks became a %s; all took %d µs", mode, c.Patched,
							c.Found, c.Became, r.Patch.TookUS)
						// And those of Exercise, if it is linked in.
						if c.Found != c.Patched || c.Found < generatedFuncs*generatedCalls ||
							c.Found > generatedFuncs*generatedCalls+10 {
							t.Errorf("%s: %d found, %d patched, of %d", mode, c.Found, c.Patched,
								generatedFuncs*generatedCalls)
						}
					}
				}
			}
		})
	}
}
