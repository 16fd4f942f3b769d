package report

import (
	"fmt"
	"math"
	"strings"

	"example.com/pvlock/result"
)

// A frame is where a picture has its axes, in its own units: about what it has as CSS pixels, on a
// phone a little less.
type frame struct{ width, height, left, right, top, bottom float64 }

const plotWidth = 340

var (
	large = frame{plotWidth, 270, 50, 330, 24, 228}
	tall  = frame{plotWidth, 500, 50, 330, 24, 458}
	small = frame{260, 190, 42, 252, 24, 148}
)

// A drawing is a picture, ready for the template.
type drawing struct {
	Width, Height float64
	YTitle        string
	XTitle        string
	XTicks        []mark
	YTicks        []mark
	Marks         []mark
	Series        []drawnSeries
	// Frame is the path of the two axes.
	Frame string
}

// A mark is a line, and a word at a place.
type mark struct {
	Path, X, Y, Text, Anchor string
}

type drawnSeries struct {
	Name, Class string
	// Line is a path through all points, Bars one of the error bars; "" for none.
	Line, Bars string
	Points     []drawnPoint
}

type drawnPoint struct {
	X, Y, Symbol, Text, Value string
	// Path is a bar, in place of a symbol.
	Path   string
	Hollow bool
}

func (c *chart) draw(f frame) drawing {
	d := drawing{Width: f.width, Height: f.height, YTitle: axisTitle(c.y), XTitle: axisTitle(c.x)}
	d.Frame = fmt.Sprintf("M%s %sV%sH%s", pixels(f.left), pixels(f.top), pixels(f.bottom),
		pixels(f.right))
	x, y := c.scales(f)
	c.ticks(&d, f, x, y)
	c.marks(&d, f, x, y)
	for i, s := range c.series {
		if c.bars {
			d.Series = append(d.Series, c.columns(s, x, y))
			continue
		}
		d.Series = append(d.Series, c.line(s, x, y, c.dodge(i)))
	}
	return d
}

func (c *chart) scales(f frame) (x, y scale) {
	xs := c.xs()
	ys := append([]float64{}, c.within...)
	for _, s := range c.series {
		for _, p := range s.points {
			ys = append(ys, p.y, p.low, p.high)
		}
	}
	for _, m := range c.x.Marks {
		xs = append(xs, m.At)
	}
	for _, m := range c.y.Marks {
		ys = append(ys, m.At)
	}
	x = newScale(xs, c.x.Log, f.left, f.right).roomy(0.06)
	y = newScale(ys, c.y.Log, f.bottom, f.top).onAxis()
	return x, y
}

func (c *chart) ticks(d *drawing, f frame, x, y scale) {
	for _, v := range y.ticks(6) {
		at := pixels(y.at(v))
		d.YTicks = append(d.YTicks,
			mark{fmt.Sprintf("M%s %sH%s", pixels(f.left), at, pixels(f.right)), pixels(f.left - 5),
				at, number(v, c.y.Unit), "end"})
	}
	// The values themselves, if they are few.
	at := c.xs()
	switch {
	case c.x.Unit == powers:
		at = x.powersOf2(6)
	case len(at) > 7 && c.steps == nil:
		at = x.ticks(6)
	}
	last := math.Inf(-1)
	for _, v := range at {
		// The names of steps need more room than numbers do.
		room := 32.0
		if c.steps != nil {
			room = 7 * float64(len(c.step(v)))
		}
		if x.at(v)-last < room {
			continue
		}
		last = x.at(v)
		d.XTicks = append(d.XTicks,
			mark{fmt.Sprintf("M%s %sv5", pixels(x.at(v)), pixels(f.bottom)), pixels(x.at(v)),
				pixels(f.bottom + 18), c.step(v), "middle"})
	}
}

func (c *chart) marks(d *drawing, f frame, x, y scale) {
	for i, m := range c.x.Marks {
		at := x.at(m.At)
		// Words of marks that are close are below each other: at the top, but for shares, which
		// have their lines there.
		word := f.top + 11 + 13*float64(i%4)
		if !c.y.Log && !c.bars {
			word = f.bottom - 45 + 13*float64(i%4)
		}
		t := mark{fmt.Sprintf("M%s %sV%s", pixels(at), pixels(f.top), pixels(f.bottom)),
			pixels(at - 4), pixels(word), m.Label, "end"}
		if at < (f.left+f.right)/2 {
			t.X, t.Anchor = pixels(at+4), "start"
		}
		d.Marks = append(d.Marks, t)
	}
	for _, m := range c.y.Marks {
		at := y.at(m.At)
		d.Marks = append(d.Marks,
			mark{fmt.Sprintf("M%s %sH%s", pixels(f.left), pixels(at), pixels(f.right)),
				pixels(f.left + 4), pixels(at - 4), m.Label, "start"})
	}
}

// dodge moves series apart, so that bars and markers of equal values can be seen.
func (c *chart) dodge(i int) float64 {
	n := float64(len(c.series))
	if len(c.xs()) > 8 || n < 2 {
		return 0
	}
	return (float64(i) - (n-1)/2) * min(3, 22/n)
}

func (c *chart) line(s series, x, y scale, dx float64) drawnSeries {
	d := drawnSeries{Name: s.name, Class: s.look.Class()}
	var line, bars strings.Builder
	for i, p := range s.points {
		px, py := pixels(x.at(p.x)+dx), pixels(y.at(p.y))
		fmt.Fprintf(&line, "%c%s %s", "ML"[min(i, 1)], px, py)
		if p.low != p.high {
			fmt.Fprintf(&bars, "M%s %sV%s", px, pixels(y.at(p.low)), pixels(y.at(p.high)))
		}
		d.Points = append(d.Points, drawnPoint{
			X: px, Y: py, Symbol: s.look.Marker(), Value: c.text(p), Hollow: c.y.Log && p.y <= 0,
			Text: fmt.Sprintf("%s, %s: %s", s.name, strings.TrimSpace(c.x.Label+" "+c.step(p.x)),
				c.text(p)),
		})
	}
	if len(s.points) > 1 {
		d.Line = line.String()
	}
	d.Bars = bars.String()
	return d
}

// columns draws a series as bars from the lower edge, one for each power of two.
func (c *chart) columns(s series, x, y scale) drawnSeries {
	d := drawnSeries{Name: s.name, Class: s.look.Class()}
	width := x.at(2) - x.at(1)
	for _, p := range s.points {
		// One that is not 0 is at least a line above the axis.
		top := min(y.at(p.y), y.from-1.5)
		if p.y <= 0 {
			top = y.from - 0.3
		}
		d.Points = append(d.Points, drawnPoint{
			Path: fmt.Sprintf("M%s %sh%sV%sh-%sz", pixels(x.at(p.x)-width*0.4), pixels(y.from),
				pixels(width*0.8), pixels(top), pixels(width*0.8)),
			Text: fmt.Sprintf("%s, %s: %s", s.name, c.step(p.x), c.text(p)), Value: c.text(p),
		})
	}
	return d
}

// axis is short for an axis.
func axis(label, unit string, log bool) result.Axis {
	return result.Axis{Label: label, Unit: unit, Log: log}
}
