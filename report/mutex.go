package report

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"example.com/pvlock/result"
)

// What of a run of a mutex is shown.
var mutexMetrics = []mutexMetric{
	{"time", func(r *result.MutexRun) float64 { return r.NanosPerOp }},
	{"CPU time", func(r *result.MutexRun) float64 { return r.CPUPerOp }},
	{"wait p99.9", func(r *result.MutexRun) float64 { return float64(r.Waits.P999) }},
	{longestWait, func(r *result.MutexRun) float64 { return float64(r.Waits.Max) }},
}

type mutexMetric struct {
	name string
	of   func(*result.MutexRun) float64
}

const longestWait = "longest wait"

// ratio is a mutex's median over sync.Mutex's; of the longest wait it is the longest over the
// longest.
func (x mutexMetric) ratio(m *result.MutexMeasured, mutex string) float64 {
	if x.name == longestWait {
		return m.MaxRatio(mutex, x.of)
	}
	return m.Ratio(mutex, x.of)
}

func mutexSection(m *result.Mutexes, id string, l *looks) section {
	s := section{Title: "pvlock.Mutex beside sync.Mutex",
		Facts: hostFacts(&m.Host, m.Command, m.Started)}
	if m.Host.Emulated {
		s.Warnings = append(s.Warnings, emulated)
	}
	if m.Violated() {
		s.Warnings = append(s.Warnings, "Violation: a mutex did not exclude: updates were lost.")
	}
	s.Warnings = append(s.Warnings, warnEnding(m.Ending)...)
	rounds := 0
	for i := range m.Cells {
		for _, r := range m.Cells[i].Runs {
			rounds = max(rounds, r.Round)
		}
	}
	s.Words = []string{
		fmt.Sprintf("%s, each with both mutexes and with sync.Mutex once more, the control, "+
			"whose distance from 1 is the noise; medians of %s. "+
			"Measured on %s. Shown is what a mutex takes over what sync.Mutex takes: below 1 is "+
			"better than it.", plural(len(m.Cells), "cell"), plural(rounds, "round"),
			place(&m.Host))}
	var groups []string
	for i := range m.Cells {
		if g := m.Cells[i].Group; !slices.Contains(groups, g) {
			groups = append(groups, g)
		}
	}
	p := part{Title: "Time per acquisition", Tables: []table{mutexMeans(m, groups)}}
	for i, g := range groups {
		if c := mutexRatios(m, g, l); c.series != nil {
			p.Figures = append(p.Figures, c.figure(fmt.Sprintf("%s-%d", id, i+1)))
		}
	}
	p.Folded = []table{mutexTable(m)}
	s.Parts = []part{p}
	return s
}

// mutexMeans is the geometric means of the groups' ratios.
func mutexMeans(m *result.Mutexes, groups []string) table {
	t := table{Caption: "Geometric means of the ratios to sync.Mutex, by group",
		Head: []string{"", "cells"}}
	for _, x := range mutexMetrics {
		t.Head = append(t.Head, x.name, "control")
	}
	for _, g := range groups {
		row := []string{g, ""}
		n := 0
		for _, x := range mutexMetrics {
			for _, mutex := range []string{result.MutexPvlock, result.MutexControl} {
				log, count := 0.0, 0
				for i := range m.Cells {
					if r := x.ratio(&m.Cells[i], mutex); m.Cells[i].Group == g && r > 0 &&
						!math.IsInf(r, 0) {
						log += math.Log(r)
						count++
					}
				}
				n = max(n, count)
				row = append(row, ratio(math.Exp(log/float64(count))))
			}
		}
		row[1] = fmt.Sprint(n)
		t.Rows = append(t.Rows, row)
	}
	return t
}

func ratio(r float64) string {
	if math.IsNaN(r) || math.IsInf(r, 0) {
		return "–"
	}
	return short(r)
}

func mutexRatios(m *result.Mutexes, group string, l *looks) chart {
	c := chart{title: "Time per acquisition, over sync.Mutex's: " + group,
		about: "Left of 1 is faster.", y: axis("ratio to sync.Mutex", "", true), rows: true}
	c.y.Marks = []result.Mark{{At: 1, Label: "as sync.Mutex"}}
	points := make(map[string][]point)
	for i := range m.Cells {
		cell := &m.Cells[i]
		if cell.Group != group {
			continue
		}
		base := cell.Median(result.MutexSync, mutexMetrics[0].of)
		for _, mutex := range []string{result.MutexPvlock, result.MutexControl} {
			var ratios []float64
			for j := range cell.Runs {
				if r := &cell.Runs[j]; r.Mutex == mutex && base > 0 && r.NanosPerOp > 0 {
					ratios = append(ratios, r.NanosPerOp/base)
				}
			}
			if p, ok := over(0, ratios); ok {
				p.x = c.row(cell.Name)
				points[mutex] = append(points[mutex], p)
			}
		}
	}
	c.add("pvlock.Mutex", l.of("pvlock.Mutex"), points[result.MutexPvlock])
	c.add("sync.Mutex once more", l.of("sync.Mutex"), points[result.MutexControl])
	return c
}

// mutexTable is all of it.
func mutexTable(m *result.Mutexes) table {
	t := table{Caption: "Every cell: what sync.Mutex takes, and the ratios to it",
		Head: []string{"", "sync, ns"}}
	for _, x := range mutexMetrics {
		t.Head = append(t.Head, x.name, "control")
	}
	for i := range m.Cells {
		c := &m.Cells[i]
		base := c.Median(result.MutexSync, mutexMetrics[0].of)
		if math.IsNaN(base) {
			continue
		}
		row := []string{strings.TrimSpace(c.Group + "  " + c.Name), short(base)}
		for _, x := range mutexMetrics {
			row = append(row, ratio(x.ratio(c, result.MutexPvlock)),
				ratio(x.ratio(c, result.MutexControl)))
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

func unlockSection(u *result.Unlocks, id string, l *looks) section {
	s := section{Title: "What an unlock costs", Words: []string{fmt.Sprintf(
		"A lock that nobody else wants, taken and released on one thread: medians of %s, "+
			"interleaved. Built with %s.", plural(u.Rounds, "round"), u.Go)}}
	s.Warnings = warnEnding(u.Ending)
	if u.NoPatch != "" {
		s.Words = append(s.Words, "Not patched: "+u.NoPatch)
	}
	if u.NoCounts != "" {
		s.Words = append(s.Words, "Instructions are not counted: "+u.NoCounts)
	}
	t := table{Caption: "The unlock, way by way",
		Head: []string{"", "lock and unlock", "to the first", "unlock alone", "instructions",
			"bytes of a caller", "its stack moves"}}
	c := chart{title: "Lock and unlock, and unlock alone", about: "Lower is better.",
		y: axis("time", "ns", false), within: []float64{0}, rows: true}
	var pair, alone []point
	for _, w := range u.Ways {
		count := "–"
		if w.Instructions > 0 {
			count = short(w.Instructions)
		}
		t.Rows = append(t.Rows,
			[]string{w.Name, nanos(w.PairNS), ratio(w.PairToDirect), nanos(w.UnlockNS), count,
				fmt.Sprint(w.CallerBytes), fmt.Sprint(w.CallerStack)})
		row := c.row(w.Name)
		pair = append(pair, point{row, w.PairNS, w.PairNS, w.PairNS})
		alone = append(alone, point{row, w.UnlockNS, w.UnlockNS, w.UnlockNS})
	}
	c.add("lock and unlock", l.of("lock and unlock"), pair)
	c.add("unlock alone", l.of("unlock alone"), alone)
	p := part{Tables: []table{t}}
	if c.series != nil {
		p.Figures = []figure{c.figure(id + "-1")}
	}
	s.Parts = []part{p}
	return s
}
