package report

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"example.com/pvlock/result"
)

func exploredSection(x *result.Explored) section {
	s := section{Title: "Every interleaving of a test",
		Facts: [][2]string{{"Test", x.Name}, {"Memory model", x.Model}}}
	if x.Refused != "" {
		s.Warnings = []string{"Refused: " + x.Refused + "."}
		return s
	}
	s.Words = []string{
		fmt.Sprintf("The machine code of a test's closures was explored, in every order in which "+
			"their steps and their "+
			"store buffers can take effect: %s states, %s transitions, %s deep, in %s, %.0f "+
			"bytes a state.",
			number(float64(x.States), ""), number(float64(x.Transitions), ""),
			plural(x.Depth, "step"), nanos(float64(x.Elapsed)), x.StateBytes)}
	switch f := x.Finding; {
	case f != nil:
		s.Warnings = append(s.Warnings, "Found: "+strings.TrimSuffix(f.Kind+": "+f.Text, ": ")+".")
		s.Parts = append(s.Parts,
			part{Title: "The shortest way there", Words: slices.Concat(f.Objects, f.At),
				Tables: []table{wayTo(f)}})
	case !x.Complete:
		s.Warnings = append(s.Warnings, "Nothing was found before the bound: "+x.Cut+".")
	default:
		s.Words = append(s.Words, "Nothing was found, and it was complete.")
	}
	s.Parts = append(s.Parts, part{Title: "What that rests on", Words: x.Rests})
	return s
}

// wayTo is a table with a column for each thread and a row for each step.
func wayTo(f *result.ExploredFinding) table {
	t := table{Words: true, Caption: f.Kind, Head: []string{""}, After: f.Text}
	for i := range f.At {
		t.Head = append(t.Head, fmt.Sprintf("thread %d", i))
	}
	t.Head = append(t.Head, "store buffers", "at")
	for k, s := range f.Steps {
		row := make([]string, len(f.At)+3)
		row[0], row[1+s.Thread] = strconv.Itoa(k+1), s.What
		var held []string
		for i, b := range s.Buffers {
			if b != "" {
				held = append(held, fmt.Sprintf("%d: %s", i, b))
			}
		}
		row[len(row)-2] = strings.Join(held, "; ")
		row[len(row)-1] = strings.TrimSpace(path.Base(s.Where) + " " + path.Base(s.Func))
		t.Rows = append(t.Rows, row)
	}
	return t
}
