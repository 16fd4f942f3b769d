package report

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"

	"example.com/pvlock/result"
)

// A File is a result, and the name of the file that it is from; "" if it is from none.
type File struct {
	Name string
	// Result is what [result.Read] returns.
	Result any
}

//go:embed page.html
var pageText string

//go:embed style.css
var styleText string

// drawText is what drawings need of it, wherever they are.
//
//go:embed draw.css
var drawText string

var drawStyle = template.CSS(drawText)

var pageTemplate = template.Must(template.New("page").Parse(pageText))

// page is what the template is given.
type page struct {
	Title    string
	Style    template.CSS
	Problems []string
	Sections []section
}

// A section is a result.
type section struct {
	ID, Title, File string
	// Words say what was run, where, and what came of it; Warnings what one must not overlook.
	Words, Warnings []string
	Facts           [][2]string
	Parts           []part
}

// A part is a heading, and what belongs under it.
type part struct {
	Title     string
	Words     []string
	Tables    []table
	Figures   []figure
	Timelines []timeline
	Folded    []table
}

type table struct {
	Caption string
	Head    []string
	Rows    [][]string
	// Words says that the cells are words, not numbers.
	Words bool
	// After is what follows the table.
	After string
}

type figure struct {
	ID, Title, About, Desc string
	Notes                  []string
	Legend                 []legend
	Drawing                drawing
	Table                  table
	// Small figures stand more in a row.
	Small bool
	// First is taller.
	First bool
}

type legend struct {
	Name string
	Look look
}

// Write writes the page about some results. Problems are lines about files that could not be read.
func Write(w io.Writer, files []File, problems ...string) error {
	p := page{Title: "pvlock", Style: drawStyle + template.CSS(styleText), Problems: problems}
	l := newLooks()
	for i, f := range files {
		id := fmt.Sprintf("f%d", i+1)
		s, err := sectionOf(f.Result, id, l)
		if err != nil {
			return err
		}
		s.ID, s.File = id, f.Name
		p.Sections = append(p.Sections, s)
	}
	if len(p.Sections) == 1 {
		p.Title = "pvlock: " + p.Sections[0].Title
	}
	if err := pageTemplate.Execute(w, p); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}

func sectionOf(r any, id string, l *looks) (section, error) {
	switch r := r.(type) {
	case *result.Bench:
		return benchSection(r, id, l), nil
	case *result.Sim:
		return simSection(r, id, l), nil
	case *result.Torture:
		return tortureSection(r, id, l), nil
	case *result.Check:
		return checkSection(r), nil
	case *result.Explored:
		return exploredSection(r), nil
	case *result.Mutexes:
		return mutexSection(r, id, l), nil
	case *result.Unlocks:
		return unlockSection(r, id, l), nil
	}
	return section{}, fmt.Errorf("no report is made of a %T", r)
}
