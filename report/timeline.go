package report

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"example.com/pvlock/result"
)

// The picture of a timeline. It is wide, and scrolls where there is no room.
const (
	timeWidth, timeRight       = 900.0, 870.0
	rowHeight, rowGap, timeTop = 16.0, 6.0, 8.0
	// finest is the shortest stretch that is drawn as long as it is.
	finest = 0.3
)

// states are what a CPU can be in, the ones that hold the lock or wait for it first. Each is a
// class of the page, and has a height of its own for readers who can't tell the colours: running
// fills its row, the rest is a line.
var states = []struct {
	name, about string
	height      float64
}{
	{"holding", "holds the lock", 1},
	{"spinning", "spins", 0.75},
	{"running", "runs", 0.45},
	{"preempted", "has no CPU", 0.18},
	{"blocked", "sleeps", 0.06},
	{"idle", "idle", 0.06},
}

// A timeline is what each CPU did in a stretch of time.
type timeline struct {
	ID, Title, Desc string
	Width, Height   float64
	Rows            []timeRow
	Ticks           []mark
	// Flows are arrows from the kicker to the woken vCPU, Tip where each ends.
	Flows  []string
	States []timeState
	Table  table
	Note   string
}

type timeRow struct {
	Name, X, Y string
	// Paths are a path for each state; Cuts parts the spans of a physical CPU, Names say which vCPU
	// it runs.
	Paths []timeState
	Cuts  string
	Names []mark
}

type timeState struct {
	Class, About, Path string
}

func newTimeline(t *result.Timeline, id string) timeline {
	d := timeline{ID: id, Title: t.Title, Width: timeWidth,
		Height: timeTop + float64(len(t.Tracks))*(rowHeight+rowGap) + 34}
	longest := 8
	for i := range t.Tracks {
		longest = max(longest, min(40, utf8.RuneCountInString(t.Tracks[i].Name)))
	}
	x := scale{float64(t.FromNanos), float64(t.ToNanos), 14 + 6.4*float64(longest), timeRight,
		false}
	if x.high <= x.low {
		x.low, x.high = 0, 1
	}
	d.Table = table{Caption: t.Title +
		": share of the time in each state, and how often it was entered", Head: []string{""}}
	used := usedStates(t)
	for _, s := range used {
		d.Table.Head = append(d.Table.Head, states[s].about)
		d.States = append(d.States,
			timeState{Class: states[s].name, About: states[s].about,
				Path: bar(0, 22, 6, states[s].height)})
	}
	for i := range t.Tracks {
		d.row(&t.Tracks[i], i, x, used)
	}
	for _, f := range t.Flows {
		if in(f.From, t.Tracks) && in(f.To, t.Tracks) {
			d.Flows = append(d.Flows, flow(&f, x))
		}
	}
	base := d.Height - 28
	for _, v := range (scale{high: x.high - x.low}).ticks(6) {
		at := pixels(x.at(x.low + v))
		d.Ticks = append(d.Ticks,
			mark{fmt.Sprintf("M%s %sV%s", at, pixels(timeTop), pixels(base)), at, pixels(base + 14),
				nanos(v), "middle"})
	}
	d.Desc = fmt.Sprintf("%s, from %s to %s of virtual time: a row for each CPU, the physical "+
		"ones first; %s. The table below has each state's share.",
		t.Title, nanos(x.low), nanos(x.high), plural(len(d.Flows), "kick"))
	return d
}

func in(i int, tracks []result.Track) bool { return i >= 0 && i < len(tracks) }

// usedStates are those of states that occur; what isn't known counts as running.
func usedStates(t *result.Timeline) (used []int) {
	for _, track := range t.Tracks {
		for _, s := range track.Spans {
			used = append(used, stateOf(s.State))
		}
	}
	slices.Sort(used)
	return slices.Compact(used)
}

func stateOf(name string) int {
	for i, s := range states {
		if s.name == name {
			return i
		}
	}
	return 2
}

func (d *timeline) row(t *result.Track, i int, x scale, used []int) {
	middle := timeTop + float64(i)*(rowHeight+rowGap) + rowHeight/2
	row := timeRow{Name: t.Name, X: pixels(x.from - 8), Y: pixels(middle)}
	cells := []string{t.Name}
	for _, state := range used {
		height := states[state].height
		if t.Kind == "pcpu" && states[state].name == "running" {
			height = 1
		}
		var path strings.Builder
		total, entered := 0.0, 0
		// Spans with less between them than can be drawn are one.
		from, to := math.Inf(-1), math.Inf(-1)
		for _, s := range t.Spans {
			if stateOf(s.State) != state || s.ToNanos <= s.FromNanos {
				continue
			}
			total += min(float64(s.ToNanos), x.high) - max(float64(s.FromNanos), x.low)
			entered++
			a, b := x.at(float64(s.FromNanos)), x.at(float64(s.ToNanos))
			if b-a < finest {
				d.coarse(x)
			}
			if a-to < finest {
				to = max(b, to)
				continue
			}
			path.WriteString(bar(from, to, middle, height))
			from, to = a, b
		}
		path.WriteString(bar(from, to, middle, height))
		row.Paths = append(row.Paths,
			timeState{states[state].name, fmt.Sprintf("%s %s", t.Name, states[state].about),
				path.String()})
		cells = append(cells,
			fmt.Sprintf("%s (%d)", number(100*max(0, total)/(x.high-x.low), "%"), entered))
	}
	if t.Kind == "pcpu" {
		row.name(t, middle, x)
	}
	d.Rows = append(d.Rows, row)
	d.Table.Rows = append(d.Table.Rows, cells)
}

// coarse says that not everything could be drawn as it is.
func (d *timeline) coarse(x scale) {
	d.Note = fmt.Sprintf("What took less than %s is drawn as if it had, or together with what is "+
		"beside it: a shorter timeline shows more, and the table has the true shares.",
		nanos(finest/(x.to-x.from)*(x.high-x.low)))
}

// name says which vCPU a physical one runs, where there is room.
func (r *timeRow) name(t *result.Track, middle float64, x scale) {
	var cuts strings.Builder
	last := math.Inf(-1)
	for _, s := range t.Spans {
		a, b := x.at(float64(s.FromNanos)), x.at(float64(s.ToNanos))
		if s.Who == "" || b-last < 1 {
			continue
		}
		last = b
		fmt.Fprintf(&cuts, "M%s %sv%s", fine(b), fine(middle-rowHeight/2), fine(rowHeight))
		if b-a > 6.5*float64(len(s.Who)) {
			r.Names = append(r.Names,
				mark{X: fine((a + b) / 2), Y: fine(middle), Text: s.Who, Anchor: "middle"})
		}
	}
	r.Cuts = cuts.String()
}

// bar is the path of a box around the middle of a row.
func bar(from, to, middle, height float64) string {
	if math.IsInf(from, 0) {
		return ""
	}
	h := height * rowHeight
	return fmt.Sprintf("M%s %sH%sv%sH%sz", fine(from), fine(middle-h/2), fine(max(to, from+finest)),
		fine(h), fine(from))
}

func flow(f *result.Flow, x scale) string {
	y := func(track int) float64 {
		return timeTop + float64(track)*(rowHeight+rowGap) + rowHeight/2
	}
	fromX, toX, fromY, toY := x.at(float64(f.AtNanos)), x.at(float64(f.WokenNanos)), y(f.From),
		y(f.To)
	// An arrow's tip, along the line.
	length := math.Hypot(toX-fromX, toY-fromY)
	if length < 1 {
		return ""
	}
	ux, uy := (toX-fromX)/length*5, (toY-fromY)/length*5
	return fmt.Sprintf("M%s %sL%s %sM%s %sL%s %sL%s %s", fine(fromX), fine(fromY), fine(toX),
		fine(toY),
		fine(toX-ux-uy*0.6), fine(toY-uy+ux*0.6), fine(toX), fine(toY), fine(toX-ux+uy*0.6),
		fine(toY-uy-ux*0.6))
}
