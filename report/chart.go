package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"example.com/pvlock/result"
)

// A chart is values over values, a line for each series.
type chart struct {
	title, about string
	x, y         result.Axis
	// steps are the names of x's values 0, 1, 2, …; nil for numbers.
	steps []string
	// rows draws the steps below each other, and y from left to right.
	rows bool
	// bars draws each point as a bar from 0, in a smaller picture.
	bars bool
	// first has more height.
	first bool
	// within are bounds of y that are drawn whatever the values are.
	within []float64
	series []series
}

type series struct {
	name   string
	look   look
	points []point
}

// A point is a value of y at x: the median, and the least and the most of the rounds.
type point struct {
	x, y, low, high float64
}

// over makes a point of the values of rounds. NaNs are left out; without a value there is no point.
func over(x float64, values []float64) (p point, ok bool) {
	values = slices.DeleteFunc(values, func(v float64) bool {
		return math.IsNaN(v) || math.IsInf(v, 0)
	})
	if len(values) == 0 || math.IsNaN(x) || math.IsInf(x, 0) {
		return p, false
	}
	return point{x, result.Median(values), slices.Min(values), slices.Max(values)}, true
}

func (c *chart) add(name string, l look, points []point) {
	if len(points) == 0 {
		return
	}
	slices.SortStableFunc(points, func(a, b point) int { return cmp.Compare(a.x, b.x) })
	c.series = append(c.series, series{name, l, points})
}

// step is x as text.
func (c *chart) step(x float64) string {
	if c.steps != nil {
		return c.steps[int(x)]
	}
	return number(x, c.x.Unit)
}

// xs are the values of x that some series has, in order.
func (c *chart) xs() []float64 {
	var all []float64
	for _, s := range c.series {
		for _, p := range s.points {
			all = append(all, p.x)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// hollow says whether there is a zero that a logarithmic scale can't show.
func (c *chart) hollow() bool {
	return c.y.Log && slices.ContainsFunc(c.series, func(s series) bool {
		return slices.ContainsFunc(s.points, func(p point) bool { return p.y <= 0 })
	})
}

// text is a point's value for people.
func (c *chart) text(p point) string {
	text := number(p.y, c.y.Unit)
	if p.low != p.high {
		text += fmt.Sprintf(" (%s to %s)", number(p.low, c.y.Unit), number(p.high, c.y.Unit))
	}
	return text
}

// table is what the chart draws, as a table: a row for each series and a column for each x; if that
// would be too wide for paper, the other way round.
func (c *chart) table() table {
	xs := c.xs()
	t := table{Head: []string{""}}
	for _, x := range xs {
		t.Head = append(t.Head, c.step(x))
	}
	for _, s := range c.series {
		row := []string{s.name}
		for _, x := range xs {
			i := slices.IndexFunc(s.points, func(p point) bool { return p.x == x })
			if i < 0 {
				row = append(row, "–")
				continue
			}
			row = append(row, c.text(s.points[i]))
		}
		t.Rows = append(t.Rows, row)
	}
	t.Caption = c.title + ": " + axisTitle(c.y)
	if c.x.Label != "" {
		t.Caption += ", by " + axisTitle(c.x)
	}
	if len(xs) > 8 && len(xs) > len(c.series) {
		t.turn()
	}
	return t
}

// turn makes the columns of a table its rows.
func (t *table) turn() {
	all := append([][]string{t.Head}, t.Rows...)
	var turned [][]string
	for i := range t.Head {
		var row []string
		for _, r := range all {
			row = append(row, r[i])
		}
		turned = append(turned, row)
	}
	t.Head, t.Rows = turned[0], turned[1:]
}

func axisTitle(a result.Axis) string {
	if a.Unit == "" || a.Unit == "ns" { // which each value has beside it
		return a.Label
	}
	return a.Label + " (" + a.Unit + ")"
}

func (c *chart) drawing() drawing {
	switch {
	case c.rows:
		return c.drawRows()
	case c.bars:
		return c.draw(small)
	case c.first:
		return c.draw(tall)
	}
	return c.draw(large)
}

// figure makes the chart into what the page shows.
func (c *chart) figure(id string) figure {
	f := figure{ID: id, Title: c.title, About: c.about, Table: c.table(), Drawing: c.drawing(),
		Small: c.bars, First: c.first}
	var names []string
	for _, s := range c.series {
		names = append(names, s.name)
		f.Legend = append(f.Legend, legend{s.name, s.look})
	}
	f.Desc = fmt.Sprintf("%s over %s, for %s. The table below has the values.", axisTitle(c.y),
		cmp.Or(axisTitle(c.x), "what was measured"), strings.Join(names, ", "))
	if c.hollow() {
		f.Notes = append(f.Notes,
			"A hollow point at the lower edge is a zero, which a logarithmic scale can't show.")
	}
	return f
}
