package rules

import (
	"strings"
	"testing"
)

// examples finds examples that import what a program elsewhere can't: they, and their tests, would
// show what nobody can do.
func examples(t *testing.T, root string) (found []finding) {
	for _, s := range sources(t, root) {
		if !strings.HasPrefix(s.name, "examples/") {
			continue
		}
		for imported, spec := range s.imports() {
			if dir := dirOf(imported); strings.Contains("/"+dir+"/", "/internal/") {
				found = append(found,
					s.find(spec, "imports %s: an example has what a program elsewhere has", dir))
			}
		}
	}
	return found
}
