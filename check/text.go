package check

import (
	"fmt"
	"path"
	"strconv"
	"strings"

	"example.com/pvlock/internal/twin"
	gen "example.com/pvlock/internal/twin/gen/twin"
)

// line returns the text of a place, file:line.
func line(pos string) string {
	file, n, ok := strings.Cut(pos, ":")
	i, err := strconv.Atoi(n)
	if !ok || err != nil {
		return ""
	}
	text, err := twin.Text.ReadFile(file)
	if err != nil {
		return ""
	}
	lines := strings.Split(string(text), "\n")
	if i += gen.HeaderLines - 1; i >= len(lines) {
		return ""
	}
	return strings.TrimSpace(lines[i])
}

// place returns the place, file:line, of a piece of text in a function: the only one there. It
// panics if it isn't there, because the list of scenarios is then out of step with the text.
func place(file, function, piece string) string {
	text, err := twin.Text.ReadFile(file)
	if err != nil {
		panic(err)
	}
	in, found := false, ""
	for i, l := range strings.Split(string(text), "\n") {
		if strings.HasPrefix(l, "func ") {
			in = strings.Contains(l, function+"(")
		}
		if in && strings.Contains(l, piece) {
			if found != "" {
				panic(fmt.Sprintf("check: %q is in %s of %s more than once", piece, function,
					path.Base(file)))
			}
			found = fmt.Sprintf("%s:%d", file, i+1-gen.HeaderLines)
		}
	}
	if found == "" {
		panic(fmt.Sprintf("check: %q is not in %s of %s", piece, function, path.Base(file)))
	}
	return found
}
