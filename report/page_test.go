package report

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"example.com/pvlock/result"
)

func render(t testing.TB, files ...File) []byte {
	t.Helper()
	var page bytes.Buffer
	if err := Write(&page, files); err != nil {
		t.Fatal(err)
	}
	return page.Bytes()
}

func parse(t testing.TB, page []byte) *html.Node {
	t.Helper()
	doc, err := html.Parse(bytes.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// all returns the elements below n that is says, in the order of the page.
func all(n *html.Node, is func(*html.Node) bool) (found []*html.Node) {
	for d := range n.Descendants() {
		if d.Type == html.ElementNode && is(d) {
			found = append(found, d)
		}
	}
	return found
}

func element(name string) func(*html.Node) bool {
	return func(n *html.Node) bool { return n.Data == name }
}

func attr(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}

func class(name string) func(*html.Node) bool {
	return func(n *html.Node) bool {
		return slices.Contains(strings.Fields(attr(n, "class")), name)
	}
}

func text(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			b.WriteString(d.Data)
		}
	}
	return strings.TrimSpace(b.String())
}

// drawn returns each series of the page and the number of its points, as "figure/series: n".
func drawn(t testing.TB, page []byte) (series []string) {
	for _, f := range all(parse(t, page), element("figure")) {
		for _, s := range all(f, class("series")) {
			series = append(series,
				fmt.Sprintf("%s/%s: %d", attr(f, "id"), attr(s, "data-series"),
					len(all(s, class("point")))))
		}
	}
	return series
}

func TestAPageOfEveryKindIsWellFormed(t *testing.T) {
	page := render(t, samples()...)
	// The tokenizer, unlike a parser, repairs nothing.
	var open []string
	void := []string{"meta", "br", "link", "hr", "img"}
	z := html.NewTokenizer(bytes.NewReader(page))
	for {
		kind := z.Next()
		if kind == html.ErrorToken {
			if !errors.Is(z.Err(), io.EOF) {
				t.Fatal(z.Err())
			}
			break
		}
		name, _ := z.TagName()
		switch {
		case kind == html.StartTagToken && !slices.Contains(void, string(name)):
			open = append(open, string(name))
		case kind == html.EndTagToken:
			if len(open) == 0 || open[len(open)-1] != string(name) {
				t.Fatalf("</%s> closes %v", name, open)
			}
			open = open[:len(open)-1]
		}
	}
	if len(open) > 0 {
		t.Errorf("left open: %v", open)
	}
}

func TestThePageNeedsNothingElse(t *testing.T) {
	page := render(t, samples()...)
	for _, bad := range []string{"http:", "https:", "//cdn", "@import", "url(", "<script",
		"<iframe", "<link", "javascript:", "onload="} {
		if bytes.Contains(bytes.ToLower(page), []byte(bad)) {
			t.Errorf("the page has %q", bad)
		}
	}
	for _, n := range all(parse(t, page), func(n *html.Node) bool { return true }) {
		for _, key := range []string{"href", "src", "srcset", "data", "action"} {
			if v := attr(n, key); v != "" && !strings.HasPrefix(v, "#") {
				t.Errorf("<%s %s=%q> leads out of the page", n.Data, key, v)
			}
		}
	}
}

func TestIdsAreUniqueAndWhatIsReferredToIsThere(t *testing.T) {
	doc := parse(t, render(t, append(samples(), samples()...)...))
	ids := make(map[string]bool)
	everything := all(doc, func(*html.Node) bool { return true })
	for _, n := range everything {
		if id := attr(n, "id"); id != "" {
			if ids[id] {
				t.Errorf("two elements have the id %q", id)
			}
			ids[id] = true
		}
	}
	for _, n := range everything {
		refs := strings.Fields(attr(n, "aria-labelledby"))
		if h := attr(n, "href"); h != "" {
			refs = append(refs, strings.TrimPrefix(h, "#"))
		}
		for _, ref := range refs {
			if !ids[ref] {
				t.Errorf("<%s> refers to #%s, which isn't there", n.Data, ref)
			}
		}
	}
}

func TestEachPlotHasATitleAnAxisWithItsUnitAndATable(t *testing.T) {
	doc := parse(t, render(t, samples()...))
	figures := all(doc, element("figure"))
	if len(figures) < 20 {
		t.Errorf("%d figures: there ought to be more", len(figures))
	}
	units := regexp.MustCompile(`1/s|ns|µs|ms| s|%|index|2\^|ratio`)
	for _, f := range figures {
		id := attr(f, "id")
		svg := all(f, func(n *html.Node) bool {
			return n.Data == "svg" && attr(n, "role") == "img"
		})
		if len(svg) != 1 {
			t.Fatalf("%s has %d pictures with a role", id, len(svg))
		}
		for _, what := range []string{"title", "desc"} {
			if e := all(svg[0], element(what)); len(e) == 0 || text(e[0]) == "" {
				t.Errorf("%s has no <%s>", id, what)
			}
		}
		if len(all(f, element("table"))) != 1 || text(all(f, element("strong"))[0]) == "" {
			t.Errorf("%s has not a title and a table", id)
		}
		var axes []string
		for _, n := range all(svg[0], element("text")) {
			axes = append(axes, text(n))
		}
		if said := strings.Join(axes, " "); !units.MatchString(said) {
			t.Errorf("%s says no unit: %s", id, said)
		}
	}
}

// The values of a plot's points are those of its table, in the same order.
func TestTableAndPlotHoldTheSame(t *testing.T) {
	for _, f := range all(parse(t, render(t, samples()...)), element("figure")) {
		series := all(f, class("series"))
		if len(series) == 0 {
			continue
		}
		var cells [][]string
		for _, tr := range all(f, element("tr")) {
			var row []string
			for _, c := range all(tr,
				func(n *html.Node) bool { return n.Data == "th" || n.Data == "td" }) {
				row = append(row, text(c))
			}
			cells = append(cells, row)
		}
		inTable := make(map[string][]string)
		for i, row := range cells {
			for j, c := range row {
				if i > 0 && j > 0 && c != "–" {
					inTable[row[0]] = append(inTable[row[0]], c)
					inTable[cells[0][j]] = append(inTable[cells[0][j]], c)
				}
			}
		}
		for _, s := range series {
			var plot []string
			for _, p := range all(s, class("point")) {
				plot = append(plot, attr(p, "data-value"))
			}
			if name := attr(s, "data-series"); !slices.Equal(plot, inTable[name]) {
				t.Errorf("%s: %s is drawn as %v, and stands in the table as %v", attr(f, "id"),
					name, plot, inTable[name])
			}
		}
	}
}

func TestEachSeriesHasAllItsPoints(t *testing.T) {
	have := drawn(t, render(t, File{"", sampleBench()}))
	for _, want := range []string{"f1-1-over-1/xen: 3", "f1-1-over-1/futex: 3",
		"f1-1-over-4/tas: 3", "f1-1-wait-8/sync.Mutex: 4", "f1-1-spin-8/pvqspin: 18",
		"f1-1-hist-5/xen: 18"} {
		if !slices.Contains(have, want) {
			t.Errorf("no %s in %v", want, have)
		}
	}
	if slices.ContainsFunc(have,
		func(s string) bool { return strings.HasPrefix(s, "f1-1-over-4/sync.Mutex") }) {
		t.Error("sync.Mutex, which has no counters, is drawn as never contended")
	}
}

func TestALockLooksTheSameEverywhereAndNoTwoInAPlotDo(t *testing.T) {
	lookOf := make(map[string]string)
	plots := 0
	for _, f := range all(parse(t, render(t, samples()...)), element("figure")) {
		inPlot := make(map[string]string)
		for _, s := range all(f, class("series")) {
			use := all(s, element("use"))
			if len(use) == 0 {
				continue
			}
			plots++
			name, have := attr(s, "data-series"), attr(s, "class")+" "+attr(use[0], "href")
			if lookOf[name] == "" {
				lookOf[name] = have
			}
			if lookOf[name] != have {
				t.Errorf("%s is %s in %s, and %s before", name, have, attr(f, "id"), lookOf[name])
			}
			if inPlot[have] != "" {
				t.Errorf("%s: %s and %s look the same", attr(f, "id"), name, inPlot[have])
			}
			inPlot[have] = name
		}
	}
	if plots < 100 {
		t.Errorf("%d series: there ought to be more", plots)
	}
}

func TestTheDefaultBenchIsLessThanTwoMegabytes(t *testing.T) {
	if n := len(render(t, File{"", sampleBench()})); n > 2<<20 {
		t.Errorf("%d bytes", n)
	}
}

func TestWhatMustNotBeOverlookedIsSaid(t *testing.T) {
	b := sampleBench()
	b.Host.Emulated = true
	b.Runs[0].Violations, b.Runs[1].TimedOut, b.Runs[2].Interrupted = 3, true, true
	m := sampleMutexes()
	m.Cells[0].Runs[0].Violations = 1
	to := sampleTorture()
	to.Runs[0].Missed = true
	to.Runs[7].Findings = []result.TortureFinding{{Kind: "sum", Text: "the sums differ"}}
	s := sampleSim()
	s.Cells = 100
	page := string(
		render(t, File{"", b}, File{"", m}, File{"", to}, File{"", sampleCheck()}, File{"", s}))
	for _, want := range []string{
		"The CPUs are emulated", "3 times two vCPUs held it at once", "did not come to its end",
		"Interrupted: ", "a mutex did not exclude", "is a control, and nothing was found",
		"Found in pvqspin on goroutines: the sums differ", "xen2008: lost wake-up",
		"20 of the 100 cells",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page doesn't say %q", want)
		}
	}
	var out bytes.Buffer
	if err := Write(&out, samples()[:1], "x.json: cut short <here>"); err != nil ||
		!strings.Contains(out.String(), "Not read: x.json: cut short &lt;here&gt;") {
		t.Errorf("%v: what could not be read is not said", err)
	}
}

// Whatever numbers a file has, what is drawn is in its picture.
func TestExtremeNumbersStayInThePicture(t *testing.T) {
	b := sampleBench()
	for i, v := range []float64{0, math.MaxFloat64, -math.MaxFloat64, math.SmallestNonzeroFloat64,
		-1} {
		b.Runs[i].OpsPerSecond, b.Runs[i].Jain, b.Runs[i].CPUSeconds, b.Runs[i].Latency.Max = v, v,
			v, math.MaxUint64
	}
	b.Runs[7].AcquisitionsTotal, b.Runs[8].SpinRounds, b.Runs[9].VCPUs = 0, nil, math.MaxInt
	s := sampleSim()
	s.Timelines[0].FromNanos, s.Timelines[0].ToNanos = math.MaxInt64, math.MinInt64
	s.Timelines[0].Flows = append(s.Timelines[0].Flows, result.Flow{From: -1, To: 99})
	page := render(t, File{"", b}, File{"", s})
	inPicture(t, page)
	for _, f := range all(parse(t, page), element("figure")) {
		for _, p := range all(f, element("use")) {
			x, _ := strconv.ParseFloat(attr(p, "x"), 64)
			y, _ := strconv.ParseFloat(attr(p, "y"), 64)
			if x < 0 || x > plotWidth || y < 0 {
				t.Errorf("%s: a point at %v, %v", attr(f, "id"), x, y)
			}
		}
	}
}

func TestErrorsOfTheFileAreKept(t *testing.T) {
	broken := errors.New("broken disk")
	r, w := io.Pipe()
	r.CloseWithError(broken)
	if err := Write(w, samples()); !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
	if err := Write(io.Discard, []File{{"", 1}}); err == nil {
		t.Error("a page was made of a number")
	}
}
