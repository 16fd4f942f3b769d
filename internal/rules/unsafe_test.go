package rules

import (
	"go/ast"
	"path"
	"slices"
	"strings"
	"testing"
)

// linknames is the one file that imports unsafe for its directives alone.
const linknames = "internal/arch/runtime_linkname.go"

// unsafeImports finds files that import unsafe and whose names don't say so.
func unsafeImports(t *testing.T, root string) (found []finding) {
	for _, s := range sources(t, root) {
		spec := s.imports()["unsafe"]
		blank := spec != nil && spec.Name != nil && spec.Name.Name == "_"
		stem := strings.TrimSuffix(strings.TrimSuffix(s.base(), ".go"), "_test")
		if spec != nil && !strings.HasSuffix(stem, "_unsafe") && !(blank && s.name == linknames) {
			found = append(found, s.find(spec, "imports unsafe: only files named *_unsafe.go do"))
		}
	}
	return found
}

// generatedDirs are the twin of the lock text, which nobody edits.
var generatedDirs = []string{"internal/twin/spinlock", "internal/twin/paravirt",
	"internal/twin/workload", "internal/twin/mutex"}

// generated finds files of the twin without the mark of a generated file.
func generated(t *testing.T, root string) (found []finding) {
	for _, s := range sources(t, root) {
		below := func(dir string) bool { return strings.HasPrefix(path.Dir(s.name)+"/", dir+"/") }
		if slices.ContainsFunc(generatedDirs, below) && !s.test() && !ast.IsGenerated(s.file) {
			found = append(found,
				s.find(s.file,
					"is not generated: lock text is written in the package that it is the twin of"))
		}
	}
	return found
}
