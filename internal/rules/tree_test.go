package rules

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const (
	module = "example.com/pvlock"

	repository = "../.."
	bad        = "testdata/bad"
)

// A finding is a place where a rule is broken.
type finding struct {
	file string // below the tree's root, with slashes
	line int
	text string
}

func (f finding) String() string { return fmt.Sprintf("%s:%d: %s", f.file, f.line, f.text) }

// A source is a Go file, of whatever platform.
type source struct {
	name string // below the tree's root, with slashes
	text []byte
	file *ast.File
	fset *token.FileSet
}

func (s *source) dir() string  { return path.Dir(s.name) }
func (s *source) test() bool   { return strings.HasSuffix(s.name, "_test.go") }
func (s *source) base() string { return path.Base(s.name) }

func (s *source) find(at ast.Node, format string, args ...any) finding {
	return finding{s.name, s.fset.Position(at.Pos()).Line, fmt.Sprintf(format, args...)}
}

// imports returns the imports of s by path.
func (s *source) imports() map[string]*ast.ImportSpec {
	specs := make(map[string]*ast.ImportSpec)
	for _, spec := range s.file.Imports {
		if p, err := strconv.Unquote(spec.Path.Value); err == nil {
			specs[p] = spec
		}
	}
	return specs
}

// skipped are directories that hold no source of the tree.
func skipped(name string) bool {
	return name == "testdata" || name == "vendor" ||
		len(name) > 1 && (name[0] == '.' && name != ".." || name[0] == '_')
}

// files calls f for each file of the tree.
func files(t *testing.T, root string, f func(name string)) {
	t.Helper()
	err := filepath.WalkDir(root, func(at string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if at != root && skipped(d.Name()) {
				return fs.SkipDir
			}
			return nil
		}
		name, err := filepath.Rel(root, at)
		if err == nil {
			f(filepath.ToSlash(name))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// sources parses all Go files of the tree: also those that this platform doesn't build.
func sources(t *testing.T, root string) (all []*source) {
	t.Helper()
	fset := token.NewFileSet()
	files(t, root, func(name string) {
		if path.Ext(name) != ".go" {
			return
		}
		at := filepath.Join(root, filepath.FromSlash(name))
		text, err := os.ReadFile(at)
		if err != nil {
			t.Fatal(err)
		}
		file, err := parser.ParseFile(fset, at, text, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, &source{name, text, file, fset})
	})
	if len(all) == 0 {
		t.Fatalf("no source in %s", root)
	}
	return all
}

// rules are all rules, by the name that testdata marks what they must find with.
var rules = map[string]func(t *testing.T, root string) []finding{
	"arrows":    arrows,
	"twinned":   twinned,
	"shared":    shared,
	"unsafe":    unsafeImports,
	"generated": generated,
	"examples":  examples,
	"named":     namedTests,
	"lines":     lines,
	"words":     words,
}

func TestTheRepositoryKeepsTheRules(t *testing.T) {
	for name, rule := range rules {
		t.Run(name, func(t *testing.T) {
			for _, f := range rule(t, repository) {
				t.Error(f)
			}
		})
	}
}

// A mark says what a rule must find on the line that it stands on:
//
//	import "sync" // want twinned: imports sync; want arrows: …
//
// What is wrong with a file as a whole, or with a package, is found on the first line, or at the
// package clause.
var mark = regexp.MustCompile(`want ([a-z]+): ([^;]+)`)

func TestEachRuleFindsWhatIsBad(t *testing.T) {
	for name, rule := range rules {
		t.Run(name, func(t *testing.T) {
			want := marks(t, name)
			if len(want) == 0 {
				t.Fatalf("nothing in %s breaks the rule: it isn't known to find anything", bad)
			}
			byPlace := func(a, b finding) int {
				return cmp.Or(cmp.Compare(a.file, b.file), cmp.Compare(a.line, b.line),
					cmp.Compare(a.text, b.text))
			}
			have := rule(t, bad)
			slices.SortFunc(have, byPlace)
			for _, h := range have {
				i := slices.IndexFunc(want, func(w finding) bool {
					return w.file == h.file && w.line == h.line && strings.Contains(h.text, w.text)
				})
				if i < 0 {
					t.Errorf("found what is not marked: %s", h)
					continue
				}
				want = slices.Delete(want, i, i+1)
			}
			for _, w := range want {
				t.Errorf("not found: %s", w)
			}
		})
	}
}

// marks returns what testdata/bad marks for a rule.
func marks(t *testing.T, rule string) (want []finding) {
	t.Helper()
	files(t, bad, func(name string) {
		text, err := os.ReadFile(filepath.Join(bad, filepath.FromSlash(name)))
		if err != nil {
			t.Fatal(err)
		}
		for i, line := range strings.Split(string(text), "\n") {
			for _, m := range mark.FindAllStringSubmatch(line, -1) {
				if rules[m[1]] == nil {
					t.Errorf("%s:%d: there is no rule %q", name, i+1, m[1])
				}
				if m[1] == rule {
					want = append(want, finding{name, i + 1, m[2]})
				}
			}
		}
	})
	return want
}
