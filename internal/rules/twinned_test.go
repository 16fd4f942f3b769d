package rules

import (
	"go/ast"
	"go/token"
	"path"
	"slices"
	"strings"
	"testing"
)

// twinnedDirs hold the text that also runs on models: the simulator and the checker
// compile a copy of it against a modelled arch.
var twinnedDirs = []string{".", "spinlock", "paravirt", "workload"}

// inert are the imports of twinned text that don't act.
var inert = []string{"errors", "math", "math/bits", "strconv"}

// isTwinned reports whether a file is twinned text. The front doors, which only programs
// use, are not; nor is what of the root package is the process's: all but the mutex.
func isTwinned(name string) bool {
	if path.Dir(name) == "." && !strings.HasPrefix(name, "mutex") {
		return false
	}
	return slices.Contains(twinnedDirs, path.Dir(name)) &&
		!strings.HasSuffix(name, "_test.go") && !strings.HasPrefix(path.Base(name), "door")
}

// twinned finds what twinned text must not have: imports that act, assembly, linkname, goroutines,
// channels, select, maps, package variables, init functions and cgo.
func twinned(t *testing.T, root string) (found []finding) {
	files(t, root, func(name string) {
		// What the go command compiles or links besides Go.
		foreign := []string{".s", ".S", ".c", ".cc", ".cpp", ".cxx", ".m", ".f", ".F", ".for",
			".f90", ".h", ".hh", ".hpp", ".hxx", ".swig", ".swigcxx", ".syso"}
		if isTwinned(name) && slices.Contains(foreign, path.Ext(name)) {
			found = append(found, finding{name, 1, "twinned text is Go alone"})
		}
	})
	for _, s := range sources(t, root) {
		if isTwinned(s.name) {
			found = append(found, twinnedImports(s)...)
			found = append(found, twinnedDirectives(s)...)
			found = append(found, twinnedDecls(s)...)
			found = append(found, twinnedSyntax(s)...)
		}
	}
	return found
}

func twinnedImports(s *source) (found []finding) {
	for imported, spec := range s.imports() {
		switch {
		case slices.Contains(inert, imported):
		case imported == module+"/internal/arch":
		case imported == module+"/spinlock", imported == module+"/paravirt",
			imported == module+"/workload":
		case imported == "unsafe" && strings.HasSuffix(s.name, "_unsafe.go"):
		default:
			found = append(found,
				s.find(spec,
					"twinned text imports %s: it may import internal/arch, other twinned "+
						"packages, %s, and unsafe in _unsafe.go files",
					imported, strings.Join(inert, ", ")))
		}
	}
	return found
}

func twinnedDirectives(s *source) (found []finding) {
	for _, group := range s.file.Comments {
		for _, c := range group.List {
			if strings.HasPrefix(c.Text, "//go:linkname") ||
				strings.HasPrefix(c.Text, "//go:cgo_") {
				found = append(found, s.find(c, "twinned text has a linkname or cgo directive"))
			}
		}
	}
	return found
}

func twinnedDecls(s *source) (found []finding) {
	for _, d := range s.file.Decls {
		switch d := d.(type) {
		case *ast.GenDecl:
			if d.Tok == token.VAR {
				for _, spec := range d.Specs {
					found = append(found,
						s.find(spec,
							"twinned text has a package variable: all state hangs off a Machine"))
				}
			}
		case *ast.FuncDecl:
			if d.Body == nil {
				found = append(found, s.find(d, "twinned text has a function without a body"))
			}
			if d.Recv == nil && d.Name.Name == "init" {
				found = append(found, s.find(d, "twinned text has an init function"))
			}
		}
	}
	return found
}

func twinnedSyntax(s *source) (found []finding) {
	ast.Inspect(s.file, func(n ast.Node) bool {
		what := ""
		switch n := n.(type) {
		case *ast.GoStmt:
			what = "go statement"
		case *ast.SelectStmt:
			what = "select"
		case *ast.ChanType:
			what = "channel"
		case *ast.SendStmt:
			what = "send"
		case *ast.UnaryExpr:
			if n.Op == token.ARROW {
				what = "receive"
			}
		case *ast.MapType:
			what = "map"
		}
		if what != "" {
			found = append(found, s.find(n, "twinned text has a %s", what))
		}
		return true
	})
	return found
}
