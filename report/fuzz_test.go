package report

import (
	"bytes"
	"io"
	"regexp"
	"testing"

	"golang.org/x/net/html"

	"example.com/pvlock/result"
)

var numeric = regexp.MustCompile(`^[-0-9. MLHVhlmvz]*$`)

// inPicture says whether all that a page's pictures are made of are numbers.
func inPicture(t *testing.T, page []byte) {
	t.Helper()
	for _, f := range all(parse(t, page), element("svg")) {
		for _, n := range all(f, func(*html.Node) bool { return true }) {
			for _, key := range []string{"d", "x", "y"} {
				if !numeric.MatchString(attr(n, key)) {
					t.Fatalf("<%s %s=%q>", n.Data, key, attr(n, key))
				}
			}
		}
	}
}

// Whatever a result says, there is a page about it.
func FuzzPage(f *testing.F) {
	for _, file := range samples() {
		// Little of each, so that what is fuzzed is soon done.
		switch r := file.Result.(type) {
		case *result.Bench:
			r.Runs = r.Runs[:40]
		case *result.Mutexes:
			r.Cells = r.Cells[:2]
		}
		var out bytes.Buffer
		if err := file.Result.(interface{ Write(io.Writer) error }).Write(&out); err != nil {
			f.Fatal(err)
		}
		f.Add(out.Bytes())
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := result.Read(bytes.NewReader(text))
		if err != nil {
			return
		}
		inPicture(t, render(t, File{"x.json", r}))
		if c, err := result.Compare(r, r); err == nil {
			if err := WriteComparison(io.Discard, c); err != nil {
				t.Error(err)
			}
		}
	})
}
