package mutex

import (
	"fmt"
	"runtime"
	"time"

	"example.com/pvlock/result"
)

// The groups of cells, in the order in which they are run.
const (
	Alone     = "alone"     // one goroutine
	Contended = "contended" // several
	Go        = "go"        // Go's own benchmarks
	Parking   = "parking"   // the holder blocks, so that everybody parks
	Hogs      = "hogs"      // beside busy processes
	Procs     = "procs"     // other values of GOMAXPROCS, and a hundred mutexes

	// Garbage collections while many goroutines sleep for a mutex whose stacks were deep once.
	// Their time takes the place of an acquisition's.
	Collections = "collections"
)

// Groups returns the names of the groups.
func Groups() []string { return []string{Alone, Contended, Go, Parking, Hogs, Procs, Collections} }

var (
	criticals = []time.Duration{10, 100, 1000, 10000}
	thinks    = []int{0, 1, 5, 100}
)

// Cells returns the cells of a group: all of them, or a sensible choice.
func Cells(group string, all bool) []result.MutexCell {
	procs := runtime.GOMAXPROCS(0)
	base := result.MutexCell{Group: group, Procs: procs, Goroutines: 1, Mutexes: 1}
	var cells []result.MutexCell
	add := func(change func(c *result.MutexCell)) {
		c := base
		change(&c)
		if c.Name == "" {
			c.Name = fmt.Sprintf("g=%d cs=%v ncs=%v", c.Goroutines, c.Critical, c.Think)
		}
		cells = append(cells, c)
	}
	contended := func(gs []int, css []time.Duration, ncss []int, change func(c *result.MutexCell)) {
		for _, g := range gs {
			for _, cs := range css {
				for _, ncs := range ncss {
					add(func(c *result.MutexCell) {
						c.Goroutines, c.Critical, c.Think = g, cs, cs*time.Duration(ncs)
						change(c)
					})
				}
			}
		}
	}
	same := func(*result.MutexCell) {}
	switch group {
	case Alone:
		add(func(c *result.MutexCell) { c.Name, c.Empty = "empty", true })
		add(func(c *result.MutexCell) { c.Name = "two lines" })
		add(func(c *result.MutexCell) { c.Name, c.Mutexes = "1000 in turn", 1000 })
	case Contended:
		if all {
			contended([]int{2, 8, 100, 1000}, criticals, thinks, same)
		} else {
			contended([]int{2, 8, 100}, criticals, []int{0, 1}, same)
		}
	case Go:
		for _, b := range []struct {
			name string
			perP int
		}{{"MutexUncontended", 1}, {"Mutex", 1}, {"MutexSlack", 10}, {"MutexWork", 1},
			{"MutexWorkSlack", 10}, {"MutexNoSpin", 4}, {"MutexSpin", 1}} {
			add(func(c *result.MutexCell) {
				c.Name, c.Bench, c.Goroutines = b.name, b.name, b.perP*procs
			})
		}
	case Parking:
		for _, what := range []string{"gosched", "sleep", "channel"} {
			for _, g := range []int{8, 100} {
				add(func(c *result.MutexCell) {
					c.Name, c.Block, c.Goroutines = fmt.Sprintf("%s g=%d", what, g), what, g
				})
			}
		}
	case Hogs:
		hogs, ncss := []int{4}, []int{0, 1}
		if all {
			hogs = []int{2, 4, 8}
		}
		for _, h := range hogs {
			contended([]int{2, 8, 100}, criticals[:3], ncss, func(c *result.MutexCell) {
				c.Hogs = h
				c.Name = fmt.Sprintf("hogs=%d g=%d cs=%v ncs=%v", h, c.Goroutines, c.Critical,
					c.Think)
			})
		}
	case Collections:
		sleepers := []int{5000}
		if all {
			sleepers = []int{5000, 20000, 50000}
		}
		for _, n := range sleepers {
			add(func(c *result.MutexCell) { c.Name, c.Goroutines = fmt.Sprintf("%d asleep", n), n })
		}
	case Procs:
		for _, p := range []int{1, 2, 4, 16} {
			for _, n := range []int{1, 100} {
				contended([]int{8, 100}, []time.Duration{100, 1000}, []int{1, 5},
					func(c *result.MutexCell) {
						c.Procs, c.Mutexes = p, n
						c.Name = fmt.Sprintf("P=%d m=%d g=%d cs=%v ncs=%v", p, n, c.Goroutines,
							c.Critical, c.Think)
					})
			}
		}
		if !all {
			some := cells[:0]
			for i, c := range cells {
				if i%4 == 0 {
					some = append(some, c)
				}
			}
			cells = some
		}
	}
	return cells
}
