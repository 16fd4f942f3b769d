package report

import (
	"bytes"
	"io"
	"math"
	"reflect"
	"regexp"
	"strings"
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

// Whatever a result says, there is a page about it. Run with -fuzzminimizetime 50x: otherwise most
// of the time goes into making inputs shorter.
func FuzzPage(f *testing.F) {
	for kind := range smallSamples() {
		f.Add(kind, []byte{})
		f.Add(kind, bytes.Repeat([]byte{0, 0, 0, 130, 0, 0, 140, 0, 0, 0, 0, 150}, 50))
		f.Add(kind, bytes.Repeat([]byte{200, 170, 130, 141, 152, 163, 174}, 200))
	}
	f.Fuzz(func(t *testing.T, kind int, changes []byte) {
		kinds := smallSamples()
		if kind < 0 || kind >= len(kinds) {
			return
		}
		change(reflect.ValueOf(kinds[kind]).Elem(), &changes)
		// By way of a file: what reading refuses needs no page.
		var file bytes.Buffer
		if err := kinds[kind].Write(&file); err != nil {
			return
		}
		r, err := result.Read(&file)
		if err != nil {
			return
		}
		page := render(t, File{"x.json", r})
		inPicture(t, page)
		if len(all(parse(t, page), element("script"))) > 0 {
			t.Error("a result put a script on the page")
		}
		if c, err := result.Compare(r, r); err == nil {
			if err := WriteComparison(io.Discard, c); err != nil {
				t.Error(err)
			}
		}
	})
}

type written interface{ Write(io.Writer) error }

// smallSamples are results of every kind, with little in each, so that a change is soon made.
func smallSamples() (all []written) {
	for _, file := range samples() {
		switch r := file.Result.(type) {
		case *result.Bench:
			r.Runs = r.Runs[:40]
		case *result.Mutexes:
			r.Cells = r.Cells[:2]
		}
		all = append(all, file.Result.(written))
	}
	return all
}

// change changes fields of v in their order: each takes a byte of what is left, and small ones
// leave it as it is.
func change(v reflect.Value, changes *[]byte) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			change(v.Elem(), changes)
		}
		return
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				change(v.Field(i), changes)
			}
		}
		return
	case reflect.Slice:
		for i := range v.Len() {
			change(v.Index(i), changes)
		}
	}
	if len(*changes) == 0 {
		return
	}
	b := int((*changes)[0])
	*changes = (*changes)[1:]
	if b < 128 {
		return
	}
	floats := []float64{0, -1, 1e-320, 1e308, -1e308, 0.5, 1e30, 3, math.Nextafter(1, 2)}
	ints := []int64{0, -1, 1, 2, math.MaxInt64, math.MinInt64, 1 << 53, 1<<53 + 1, 1000}
	switch v.Kind() {
	case reflect.Float64:
		v.SetFloat(floats[b%len(floats)])
	case reflect.Int, reflect.Int64:
		v.SetInt(ints[b%len(ints)])
	case reflect.Uint64:
		v.SetUint(uint64(ints[b%len(ints)]))
	case reflect.Bool:
		v.SetBool(!v.Bool())
	case reflect.String:
		v.SetString(
			[]string{"", "</svg><script>", "xen", "\x00\n\"'`", strings.Repeat("w", 300),
				"--spin=2^99"}[b%6])
	case reflect.Slice:
		v.Set([]reflect.Value{reflect.Zero(v.Type()), v.Slice(0, min(1, v.Len())),
			reflect.AppendSlice(v.Slice(0, v.Len()), v)}[b%3])
	case reflect.Map:
		for i, key := range v.MapKeys() {
			e := reflect.New(v.Type().Elem()).Elem()
			e.Set(v.MapIndex(key))
			more := []byte{byte(b + i)}
			change(e, &more)
			v.SetMapIndex(key, e)
		}
	}
}
