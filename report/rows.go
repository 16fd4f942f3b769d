package report

import (
	"fmt"
	"slices"
	"strings"
)

// Rows have their names above them, so that long ones have room on a phone.
const (
	rowTop, rowStep        = 24.0, 32.0
	rowLeft, rowRight      = 12.0, 328.0
	rowNameDown, rowMarker = 11.0, 22.0
)

// drawRows draws a chart with its steps below each other, and the values from left to right.
func (c *chart) drawRows() drawing {
	bottom := rowTop + rowStep*float64(len(c.steps))
	d := drawing{Width: plotWidth, Height: bottom + 40, XTitle: axisTitle(c.y)}
	d.Frame = fmt.Sprintf("M%s %sH%s", pixels(rowLeft), pixels(bottom), pixels(rowRight))
	values := append([]float64{}, c.within...)
	for _, m := range c.y.Marks {
		values = append(values, m.At)
	}
	for _, s := range c.series {
		for _, p := range s.points {
			values = append(values, p.y, p.low, p.high)
		}
	}
	v := newScale(values, c.y.Log, rowLeft, rowRight).onAxis()
	for _, t := range v.ticks(5) {
		at := pixels(v.at(t))
		d.XTicks = append(d.XTicks,
			mark{fmt.Sprintf("M%s %sv5", at, pixels(bottom)), at, pixels(bottom + 17),
				number(t, c.y.Unit), "middle"})
	}
	for _, m := range c.y.Marks {
		at := v.at(m.At)
		d.Marks = append(d.Marks,
			mark{fmt.Sprintf("M%s %sV%s", pixels(at), pixels(rowTop-6), pixels(bottom)), pixels(at),
				pixels(rowTop - 10), m.Label, "middle"})
	}
	for i, name := range c.steps {
		y := rowTop + rowStep*float64(i)
		d.YTicks = append(d.YTicks,
			mark{fmt.Sprintf("M%s %sH%s", pixels(rowLeft), pixels(y+rowMarker), pixels(rowRight)),
				pixels(rowLeft), pixels(y + rowNameDown - 4), name, "start"})
	}
	for i, s := range c.series {
		d.Series = append(d.Series,
			c.dots(s, v, (float64(i)-float64(len(c.series)-1)/2)*min(4, 8/float64(len(c.series)))))
	}
	return d
}

// dots draws a series of a chart of rows.
func (c *chart) dots(s series, v scale, dy float64) drawnSeries {
	d := drawnSeries{Name: s.name, Class: s.look.Class()}
	var bars strings.Builder
	for _, p := range s.points {
		x, y := pixels(v.at(p.y)), pixels(rowTop+rowStep*p.x+rowMarker+dy)
		if p.low != p.high {
			fmt.Fprintf(&bars, "M%s %sH%s", pixels(v.at(p.low)), y, pixels(v.at(p.high)))
		}
		d.Points = append(d.Points, drawnPoint{
			X: x, Y: y, Symbol: s.look.Marker(), Value: c.text(p), Hollow: c.y.Log && p.y <= 0,
			Text: fmt.Sprintf("%s, %s: %s", s.name, c.step(p.x), c.text(p)),
		})
	}
	d.Bars = bars.String()
	return d
}

// row returns the number of a step, which is new if need be.
func (c *chart) row(name string) float64 {
	i := slices.Index(c.steps, name)
	if i < 0 {
		i = len(c.steps)
		c.steps = append(c.steps, name)
	}
	return float64(i)
}
