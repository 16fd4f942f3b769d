package rules

import (
	"go/ast"
	"regexp"
	"strings"
	"testing"
)

// testName is the name of a test in prose. Shorter ones are taken to be other words: a lock's
// TestAndSet.
var testName = regexp.MustCompile(`\bTest[A-Z]\w{11,}`)

// namedTests finds comments that name a test which isn't there: what they claim, nobody shows.
func namedTests(t *testing.T, root string) (found []finding) {
	all := sources(t, root)
	there := make(map[string]bool)
	for _, s := range all {
		for _, d := range s.file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && s.test() {
				there[f.Name.Name] = true
			}
		}
	}
	for _, s := range all {
		for _, group := range s.file.Comments {
			for _, comment := range group.List {
				for i, line := range strings.Split(comment.Text, "\n") {
					for _, name := range testName.FindAllString(line, -1) {
						if !there[name] {
							f := s.find(comment, "names %s: there is no such test", name)
							f.line += i
							found = append(found, f)
						}
					}
				}
			}
		}
	}
	return found
}
