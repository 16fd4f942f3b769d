package pvlock

import (
	"bytes"
	"encoding/json"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// The tests of this file run the suites of others with Mutex in sync.Mutex's place. They download
// modules and take minutes:
//
//	PVLOCK_DROPIN=1 go test -run DropIn -v .
//	GOTOOLCHAIN=go1.27.1 PVLOCK_DROPIN=1 go test -run DropIn -v .

func needsDropIn(t *testing.T) {
	t.Helper()
	if os.Getenv("PVLOCK_DROPIN") == "" {
		t.Skip("downloads modules, and takes minutes: PVLOCK_DROPIN=1")
	}
}

// goIn runs the go command in a directory, and returns what it wrote.
func goIn(t *testing.T, dir string, args ...string) []byte {
	t.Helper()
	cmd := exec.Command("go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOWORK=off")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go %s: %v\n%s%s", strings.Join(args, " "), err, out, stderr.Bytes())
	}
	return out
}

// usePvlock makes pvlock a dependency of the module in a directory.
func usePvlock(t *testing.T, dir string) {
	t.Helper()
	root, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	goIn(t, dir, "mod", "edit", "-require=example.com/pvlock@v0.0.0",
		"-replace=example.com/pvlock="+root)
	goIn(t, dir, "mod", "tidy", "-e")
}

// replaceMutexes puts pvlock.Mutex in the place of each sync.Mutex of a file, and returns in how
// many places.
func replaceMutexes(t *testing.T, name string) (places int) {
	t.Helper()
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, name, nil, parser.ParseComments)
	if err != nil {
		return 0 // not Go that this version reads; the go command skips it, or says so
	}
	others := false
	ast.Inspect(file, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok {
			if x, ok := s.X.(*ast.Ident); ok && x.Name == "sync" {
				if s.Sel.Name == "Mutex" {
					x.Name = "pvlock"
					places++
				} else {
					others = true
				}
			}
		}
		return true
	})
	if places == 0 {
		return 0
	}
	for _, d := range file.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != token.IMPORT {
			continue
		}
		for i, s := range g.Specs {
			if spec := s.(*ast.ImportSpec); spec.Path.Value == `"sync"` && spec.Name == nil {
				ours := &ast.ImportSpec{
					Path: &ast.BasicLit{ValuePos: spec.Pos(), Kind: token.STRING,
						Value: `"example.com/pvlock"`}}
				if others {
					g.Specs = slices.Insert(g.Specs, i, ast.Spec(ours))
					g.Lparen = g.Pos()
				} else {
					g.Specs[i] = ours
				}
				break
			}
		}
	}
	var text bytes.Buffer
	if err := format.Node(&text, files, file); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, text.Bytes(), 0o666); err != nil {
		t.Fatal(err)
	}
	return places
}

// The suites of modules pass with Mutex in sync.Mutex's place.
func TestDropInSuitesOfModules(t *testing.T) {
	needsDropIn(t)
	// packages whose tests do not depend on how busy the machine is
	for _, m := range []struct{ module, packages string }{
		{"golang.org/x/sync@v0.24.0", "./..."},
		{"github.com/hashicorp/golang-lru/v2@v2.0.7", "./simplelru"},
		{"github.com/prometheus/client_golang@v1.25.0", "./prometheus"},
	} {
		t.Run(m.module, func(t *testing.T) {
			var at struct{ Dir string }
			if err := json.Unmarshal(goIn(t, ".", "mod", "download", "-json", m.module),
				&at); err != nil {
				t.Fatal(err)
			}
			dir := filepath.Join(t.TempDir(), "module")
			if err := os.CopyFS(dir, os.DirFS(at.Dir)); err != nil {
				t.Fatal(err)
			}
			places := 0
			err := filepath.WalkDir(dir, func(name string, e fs.DirEntry, err error) error {
				if err != nil {
					return err
				}
				if err := os.Chmod(name, 0o777); err != nil {
					return err
				}
				if strings.HasSuffix(name, ".go") {
					places += replaceMutexes(t, name)
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			if places == 0 {
				t.Fatal("the module has no sync.Mutex: nothing is tested")
			}
			usePvlock(t, dir)
			t.Logf("%d mutexes replaced\n%s", places, goIn(t, dir, "test", m.packages))
		})
	}
}

// Go's own tests of sync.Mutex, as this toolchain has them, pass with Mutex in its place; but for
// those of the runtime's semaphores and of misuse, which are not of the mutex or take sync's word
// for it.
func TestDropInGoTests(t *testing.T) {
	needsDropIn(t)
	//lint:ignore SA1019 the source that this test was built with
	source := filepath.Join(runtime.GOROOT(), "src/sync/mutex_test.go")
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, source, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Skip(err)
	}
	var kept []ast.Decl
	tests := 0
	for _, d := range file.Decls {
		switch d := d.(type) {
		case *ast.GenDecl:
			if d.Tok == token.IMPORT {
				d.Specs = slices.DeleteFunc(d.Specs, func(s ast.Spec) bool {
					return slices.Contains(
						[]string{`"fmt"`, `"internal/testenv"`, `"os"`, `"os/exec"`, `"strings"`},
						s.(*ast.ImportSpec).Path.Value)
				})
				for _, s := range d.Specs {
					if path := s.(*ast.ImportSpec).Path; path.Value == `"sync"` {
						path.Value = `"example.com/pvlock"`
					}
				}
			} else if v, ok := d.Specs[0].(*ast.ValueSpec); ok && v.Names[0].Name == "misuseTests" {
				continue
			}
		case *ast.FuncDecl:
			name := d.Name.Name
			if name == "init" || strings.Contains(name, "Semaphore") ||
				strings.Contains(name, "Misuse") {
				continue
			}
			if strings.HasPrefix(name, "Test") || strings.HasPrefix(name, "Benchmark") {
				tests++
			}
		}
		kept = append(kept, d)
	}
	if tests < 5 {
		t.Fatalf("%s has %d tests and benchmarks of the mutex: nothing is tested", source, tests)
	}
	file.Decls = kept
	var text bytes.Buffer
	if err := format.Node(&text, files, file); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "mutex_test.go"), text.Bytes(), 0o666); err != nil {
		t.Fatal(err)
	}
	goIn(t, dir, "mod", "init", "sync_test")
	usePvlock(t, dir)
	t.Logf("%d tests and benchmarks\n%s", tests,
		goIn(t, dir, "test", "-vet=off", "-bench=.", "-benchtime=1000x", "."))
}
