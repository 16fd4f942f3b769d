package rules

import (
	"fmt"
	"go/ast"
	"go/scanner"
	"go/token"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

// widest is how many columns a line has at most; a tab counts as four.
const widest = 100

// tooWide is a line that may be wider: a table, a picture or a link of a page, a build constraint.
var tooWide = regexp.MustCompile(`^\s*(\||!?\[[^\]]*\]\([^)]*\)$|//go:build )|https?://\S{40}`)

// lines finds lines of Go and of pages that have more than 100 columns.
func lines(t *testing.T, root string) (found []finding) {
	files(t, root, func(name string) {
		ext := path.Ext(name)
		if ext != ".go" && ext != ".md" {
			return
		}
		text := read(t, root, name)
		if ext == ".go" && strings.Contains(text, "\n// Code generated ") ||
			strings.HasPrefix(text, "// Code generated ") {
			return
		}
		for i, line := range strings.Split(text, "\n") {
			line, _, _ = strings.Cut(line, " // want ") // a mark of testdata
			columns := utf8.RuneCountInString(line) + 3*strings.Count(line, "\t")
			if columns > widest && !tooWide.MatchString(line) {
				found = append(found, finding{name, i + 1, fmt.Sprintf("has %d columns", columns)})
			}
		}
	})
	return found
}

// read returns the text of a file of the tree.
func read(t *testing.T, root, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

const theActor = "the one who acts: the unlocker, a waiter, the caller"

// unwritten is the words that comments, messages and pages do without, and what to write.
var unwritten = []struct {
	words   *regexp.Regexp
	instead string
}{
	{regexp.MustCompile(`(^|[.:;(] )Who [^?]*$|\b[Ww]hoever\b`), theActor},
	{regexp.MustCompile(`(^|[,;:|] |and )who (un)?(has|holds|kick|lock|run|sleep|spin|wait)\w*`),
		theActor},
	{regexp.MustCompile(`\b(all|of|for|from|to|by|if|when|[Kk]icks?|[Ww]akes?|unparks|costs|` +
		`finds) who\b`),
		theActor},
	{regexp.MustCompile(`\b(is|are) no (bound|chance|detail|error|failure|fault|limit|matter|` +
		`part|number|numbers|object|share|text)\b`), "is not, or what it means"},
	{regexp.MustCompile(`(?i)\b(in vain|of no use|(is|are) nothing but|be it|lest|anew|needs be|` +
		`so it is|is through with|a toy|to be had)\b`), "a plain word"},
	{regexp.MustCompile(`(?i)\b(basically|blazing(ly)?|comprehensive|in order to|leverag\w+|` +
		`obvious(ly)?|robust(ly)?|seamless(ly)?|simply|state[- ]of[- ]the[- ]art|utili[sz]\w+)\b`),
		"nothing, or a figure"},
}

// allowed is lines that hold such words and mean something else.
var allowed = []string{
	"Who names the vCPU", // a field of JSON
}

// words finds words that are not written here, in comments, strings and pages.
func words(t *testing.T, root string) (found []finding) {
	judge := func(name string, line int, text string) {
		for _, allow := range allowed {
			text = strings.ReplaceAll(text, allow, "")
		}
		for _, u := range unwritten {
			if word := u.words.FindString(text); word != "" {
				found = append(found, finding{name, line,
					fmt.Sprintf("%q: write %s", strings.TrimSpace(word), u.instead)})
			}
		}
	}
	files(t, root, func(name string) {
		if path.Ext(name) != ".md" {
			return
		}
		code := false
		for i, line := range strings.Split(read(t, root, name), "\n") {
			if strings.HasPrefix(strings.TrimSpace(line), "```") {
				code = !code
			} else if !code {
				judge(name, i+1, strings.TrimSpace(line))
			}
		}
	})
	for _, s := range sources(t, root) {
		if ast.IsGenerated(s.file) || s.name == "internal/rules/prose_test.go" {
			continue
		}
		var in scanner.Scanner
		file := token.NewFileSet().AddFile(s.name, -1, len(s.text))
		in.Init(file, s.text, nil, scanner.ScanComments)
		for at, tok, text := in.Scan(); tok != token.EOF; at, tok, text = in.Scan() {
			if tok == token.COMMENT || tok == token.STRING {
				for i, line := range strings.Split(text, "\n") {
					line = strings.TrimSpace(strings.TrimPrefix(line, "//"))
					judge(s.name, file.Line(at)+i, strings.Trim(line, "\"`"))
				}
			}
		}
	}
	return found
}
