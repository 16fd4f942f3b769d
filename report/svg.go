package report

import (
	"errors"
	"fmt"
	"html/template"
	"io"
	"unicode/utf8"

	"example.com/pvlock/result"
)

// A picture is a drawing in a file of its own: its title above, what its colours mean below.
type picture struct {
	Title         string
	Width, Height float64
	// Shown is the width at which it is shown where nothing else is said.
	Shown float64
	Style template.CSS
	// Figure or Timeline is what it shows; the other is nil.
	Figure   *figure
	Timeline *timeline
	Keys     []key
}

// A key says what a look means, and stands at X, Y.
type key struct {
	X, Y  float64
	Look  look
	State *timeState
	Flow  bool
	Text  string
}

const (
	pictureHead = 28.0 // the title's
	keyHeight   = 20.0
	keyMark     = 34.0 // the width of a key's mark
	glyph       = 6.8  // the width of a character of 12 pixels
)

// WritePlotSVG writes a plot of a simulation, one of s.Plots, as a picture that needs nothing but
// itself. It has colours and a background of its own, for light and dark surroundings.
func WritePlotSVG(w io.Writer, s *result.Sim, p *result.Plot) error {
	c := simChart(s, p, newLooks())
	if c.series == nil {
		return fmt.Errorf("plot %q: no run has its values", p.Title)
	}
	f := c.figure("plot")
	out := picture{Title: p.Title, Width: f.Drawing.Width, Height: pictureHead + f.Drawing.Height,
		Shown: 560, Figure: &f}
	for _, l := range f.Legend {
		out.Keys = append(out.Keys, key{Look: l.Look, Text: l.Name})
	}
	return out.write(w)
}

// WriteTimelineSVG does the same for a timeline.
func WriteTimelineSVG(w io.Writer, t *result.Timeline) error {
	if len(t.Tracks) == 0 {
		return errors.New("a timeline of no CPUs")
	}
	d := newTimeline(t, "timeline")
	out := picture{Title: t.Title, Width: d.Width, Height: pictureHead + d.Height, Shown: d.Width,
		Timeline: &d}
	for i := range d.States {
		out.Keys = append(out.Keys, key{State: &d.States[i], Text: d.States[i].About})
	}
	if len(d.Flows) > 0 {
		out.Keys = append(out.Keys, key{Flow: true, Text: "kick, and the wake-up"})
	}
	return out.write(w)
}

// write places the keys in lines below the drawing, and writes the picture.
func (p *picture) write(w io.Writer) error {
	x, y := 12.0, p.Height+keyHeight/2
	for i := range p.Keys {
		width := keyMark + glyph*float64(utf8.RuneCountInString(p.Keys[i].Text)) + 10
		if x+width > p.Width && x > 12 {
			x, y = 12, y+keyHeight
		}
		p.Keys[i].X, p.Keys[i].Y = x, y
		x += width
	}
	p.Height = y + keyHeight
	p.Style = drawStyle
	if err := pageTemplate.ExecuteTemplate(w, "picture", p); err != nil {
		return fmt.Errorf("write picture: %w", err)
	}
	return nil
}
