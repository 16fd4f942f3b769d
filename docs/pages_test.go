package docs

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"example.com/pvlock/check"
	"example.com/pvlock/spinlock"
)

const root = ".."

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.FromSlash(name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// pages returns the documentation's pages, and the README.
func pages(t *testing.T) (names []string) {
	t.Helper()
	err := fs.WalkDir(os.DirFS("."), ".", func(name string, _ fs.DirEntry, err error) error {
		if path.Ext(name) == ".md" {
			names = append(names, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return append(names, root+"/README.md")
}

var reference = regexp.MustCompile("`([a-z0-9_/]+\\.go)#([A-Za-z0-9_.]+)`")

func TestEachReferenceToCodeIsToSomethingThere(t *testing.T) {
	known := make(map[string]map[string]bool)
	n := 0
	for _, page := range pages(t) {
		for _, m := range reference.FindAllStringSubmatch(read(t, page), -1) {
			file, symbol := m[1], m[2]
			if known[file] == nil {
				known[file] = symbols(t, file)
			}
			if !known[file][symbol] {
				t.Errorf("%s: %s has no %s", page, file, symbol)
			}
			n++
		}
	}
	if n < 100 {
		t.Errorf("%d references were found: the test doesn't see them", n)
	}
}

// symbols returns what a file declares: functions, methods as Type.Method, types, fields as
// Type.Field, constants and variables.
func symbols(t *testing.T, file string) map[string]bool {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, filepath.FromSlash(file)),
		nil, parser.SkipObjectResolution)
	if err != nil {
		t.Error(err)
		return map[string]bool{}
	}
	all := make(map[string]bool)
	for _, d := range f.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			name := d.Name.Name
			if d.Recv != nil {
				name = receiver(d.Recv.List[0].Type) + "." + name
			}
			all[name] = true
		case *ast.GenDecl:
			for _, s := range d.Specs {
				specSymbols(s, all)
			}
		}
	}
	return all
}

func receiver(x ast.Expr) string {
	switch x := x.(type) {
	case *ast.StarExpr:
		return receiver(x.X)
	case *ast.IndexExpr:
		return receiver(x.X)
	case *ast.Ident:
		return x.Name
	}
	return ""
}

func specSymbols(s ast.Spec, all map[string]bool) {
	switch s := s.(type) {
	case *ast.ValueSpec:
		for _, id := range s.Names {
			all[id.Name] = true
		}
	case *ast.TypeSpec:
		all[s.Name.Name] = true
		if st, ok := s.Type.(*ast.StructType); ok {
			for _, f := range st.Fields.List {
				for _, id := range f.Names {
					all[s.Name.Name+"."+id.Name] = true
				}
			}
		}
	}
}

var (
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ (.*)$`)
	fenced  = regexp.MustCompile("(?ms)^ *```.*?^ *```$")
)

func TestEachLinkLeadsSomewhere(t *testing.T) {
	for _, page := range pages(t) {
		for _, m := range link.FindAllStringSubmatch(fenced.ReplaceAllString(read(t, page), ""),
			-1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			file, anchor, _ := strings.Cut(m[1], "#")
			to := path.Join(path.Dir(page), file)
			if file == "" {
				to = page
			}
			if _, err := os.Stat(filepath.FromSlash(to)); err != nil {
				t.Errorf("%s: link to %s: %v", page, m[1], err)
			} else if anchor != "" && !slices.Contains(anchors(read(t, to)), anchor) {
				t.Errorf("%s: %s has no heading #%s", page, to, anchor)
			}
		}
	}
}

var notInAnchor = regexp.MustCompile(`[^a-z0-9_ -]`)

// anchors returns the names that GitHub gives to a page's headings.
func anchors(text string) (all []string) {
	for _, m := range heading.FindAllStringSubmatch(fenced.ReplaceAllString(text, ""), -1) {
		name := notInAnchor.ReplaceAllString(strings.ToLower(m[1]), "")
		all = append(all, strings.ReplaceAll(name, " ", "-"))
	}
	return all
}

func TestEachLockHasAPageAndIsInTheIndex(t *testing.T) {
	index := read(t, "README.md")
	names := []string{"mutex", "spinlock"}
	for _, k := range spinlock.Kinds() {
		names = append(names, k.Name)
	}
	for _, name := range names {
		page := "locks/" + name + ".md"
		text := read(t, page)
		for _, want := range []string{"```mermaid\nstateDiagram-v2\n", "\n## Word", "\n## Order\n",
			"\n## Faults\n", "\n## Cost and fairness\n", "\n## Use\n"} {
			if !strings.Contains(text, want) {
				t.Errorf("%s has no %q", page, want)
			}
		}
		if !strings.Contains(index, page) {
			t.Errorf("README.md does not link %s", page)
		}
	}
}

var (
	diagram    = regexp.MustCompile("(?s)```mermaid\nstateDiagram-v2\n(.*?)```")
	transition = regexp.MustCompile(`^    (\w+|\[\*\]) --> (\w+|\[\*\]) : [^:;#<>{}"]+$|^    \w+ ` +
		`: [^:;#<>{}"]+$`)
)

// What Mermaid takes for something else than a label is not in one.
func TestDiagramsAreWhatMermaidUnderstands(t *testing.T) {
	for _, page := range pages(t) {
		for _, m := range diagram.FindAllStringSubmatch(read(t, page), -1) {
			for line := range strings.Lines(m[1]) {
				if !transition.MatchString(strings.TrimSuffix(line, "\n")) {
					t.Errorf("%s: %q", page, line)
				}
			}
		}
	}
}

var scenario = regexp.MustCompile(
	"`((?:xen2008|xen2008text|pvqspin2015|pvqspin|qspin|mutex)-[a-z0-9-]+|patched-late)`" +
		"|--scenario ([a-z0-9,-]+)")

func TestEachScenarioThatIsNamedExistsAndEachIsNamed(t *testing.T) {
	unnamed := make(map[string]bool)
	for _, s := range check.Scenarios() {
		unnamed[s.Name] = true
	}
	exists := func(name string) bool {
		return slices.ContainsFunc(check.Scenarios(), func(s check.Scenario) bool {
			return s.Name == name
		})
	}
	for _, page := range pages(t) {
		for _, m := range scenario.FindAllStringSubmatch(read(t, page), -1) {
			for name := range strings.SplitSeq(m[1]+m[2], ",") {
				if !exists(name) && name != "all" {
					t.Errorf("%s: no scenario %s", page, name)
				}
				delete(unnamed, name)
			}
		}
	}
	for name := range unnamed {
		t.Errorf("no page names the scenario %s", name)
	}
}
