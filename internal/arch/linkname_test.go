package arch

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// The comment in runtime_linkname.go says which symbols the runtime promises to keep.
func TestLinknamesAreAsTheCommentSays(t *testing.T) {
	unpromised := map[string]bool{"fatal": true, "semacquire": true}

	pushed, promised := make(map[string]bool), make(map[string]bool)
	//lint:ignore SA1019 the source of the runtime that this test was built with
	files, _ := filepath.Glob(filepath.Join(runtime.GOROOT(), "src/runtime/*.go"))
	if len(files) == 0 {
		t.Skip("the runtime's source isn't here")
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil,
			parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || f.Doc == nil {
				continue
			}
			for _, c := range f.Doc.List {
				if words := strings.Fields(c.Text); len(words) > 1 && words[0] == "//go:linkname" {
					symbol := "runtime." + f.Name.Name
					if len(words) > 2 {
						symbol = words[2]
					}
					pushed[symbol] = true
					promised[symbol] = promised[symbol] ||
						strings.Contains(f.Doc.Text(), "Do not remove or change")
				}
			}
		}
	}

	var comments []*ast.CommentGroup
	for _, name := range []string{"runtime_linkname.go", "sema_unsafe.go"} {
		ours, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		comments = append(comments, ours.Comments...)
	}
	seen := 0
	for _, group := range comments {
		for _, c := range group.List {
			words := strings.Fields(c.Text)
			if words[0] != "//go:linkname" {
				continue
			}
			seen++
			if !pushed[words[2]] {
				t.Errorf("the runtime doesn't push %s", words[2])
			}
			if promised[words[2]] == unpromised[words[1]] {
				t.Errorf("%s: the comment says the opposite of what the runtime's source promises",
					words[2])
			}
		}
	}
	if seen == 0 {
		t.Error("no linknames found")
	}
}
