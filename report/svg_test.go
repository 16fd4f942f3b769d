package report

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"

	"example.com/pvlock/result"
)

func TestPicturesAreWellFormedAndNeedNothingElse(t *testing.T) {
	s := sampleSim()
	pictures := map[string]func(io.Writer) error{
		"plot":     func(w io.Writer) error { return WritePlotSVG(w, s, &s.Plots[0]) },
		"timeline": func(w io.Writer) error { return WriteTimelineSVG(w, &s.Timelines[0]) },
	}
	for name, write := range pictures {
		t.Run(name, func(t *testing.T) {
			var svg bytes.Buffer
			if err := write(&svg); err != nil {
				t.Fatal(err)
			}
			selfContained(t, svg.String())
		})
	}
}

// selfContained looks at the elements of a picture: each reference is to one of its own, and it has
// what it draws with.
func selfContained(t *testing.T, svg string) {
	t.Helper()
	ids, wanted, elements := map[string]bool{}, []string{}, map[string]int{}
	for d := xml.NewDecoder(strings.NewReader(svg)); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("%v in:\n%s", err, svg)
		}
		start, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		elements[start.Name.Local]++
		for _, a := range start.Attr {
			switch a.Name.Local {
			case "id":
				ids[a.Value] = true
			case "href", "src":
				wanted = append(wanted, a.Value)
			}
		}
	}
	for _, ref := range wanted {
		if id, inside := strings.CutPrefix(ref, "#"); !inside || !ids[id] {
			t.Errorf("refers to %q, which is not in it", ref)
		}
	}
	for _, e := range []string{"style", "rect", "path", "text"} {
		if elements[e] == 0 {
			t.Errorf("has no <%s>", e)
		}
	}
	for _, s := range []string{"--card:", "prefers-color-scheme: dark"} {
		if !strings.Contains(svg, s) {
			t.Errorf("has no %q", s)
		}
	}
}

func TestPlotOfNothingIsAnError(t *testing.T) {
	s := sampleSim()
	if err := WritePlotSVG(io.Discard, s,
		&result.Plot{Title: "Nothing", Y: result.Axis{Value: "no such value"}}); err == nil {
		t.Error("no error")
	}
	if err := WriteTimelineSVG(io.Discard, new(result.Timeline)); err == nil {
		t.Error("no error")
	}
}
