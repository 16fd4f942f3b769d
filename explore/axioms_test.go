package explore

import (
	"slices"
	"strconv"
	"strings"
)

// What x86-TSO and SC allow, by their axioms as herd's x86tso.cat and sc.cat have them (Alglave,
// Maranget, Tautschnig: Herding Cats, 2014): another way to the outcomes of a litmus test than to
// interpret store buffers. A test is written like "x=1 r0=y | y!1 p+ r1=x": plain stores, loads,
// XCHG, and locked additions.

// An axiomEvent is a read or a write. The threads' are in order; those of no thread come before
// all.
type axiomEvent struct {
	thread, loc, value, reg int
	write, locked           bool
}

const axiomLocations = "xyp"

func axiomEvents(text string) (events []axiomEvent) {
	for loc := range axiomLocations {
		events = append(events, axiomEvent{thread: -1, loc: loc, write: true})
	}
	for i, body := range strings.Split(text, "|") {
		for _, op := range strings.Fields(body) {
			e := axiomEvent{thread: i, loc: strings.IndexByte(axiomLocations, op[0]), reg: -1}
			n, _ := strconv.Atoi(op[min(2, len(op)):])
			switch {
			case op[0] == 'r':
				e.reg, e.loc = int(op[1]-'0'), strings.IndexByte(axiomLocations, op[3])
				events = append(events, e)
			case op[1] == '=':
				e.write, e.value = true, n
				events = append(events, e)
			default: // XCHG and XADD read, and write
				e.locked = true
				events = append(events, e)
				e.write, e.value = true, n
				events = append(events, e)
			}
		}
	}
	return events
}

// axiomatic returns all [r0 r1 r2 r3 x y] that a test may end with, in order.
func axiomatic(text string, memory Model) [][6]uint32 {
	c := candidate{events: axiomEvents(text), memory: memory, seen: make(map[[6]uint32]bool)}
	for i, e := range c.events {
		if e.write {
			c.order[e.loc] = append(c.order[e.loc], i)
		} else {
			c.reads = append(c.reads, i)
		}
	}
	c.from = make([]int, len(c.events))
	c.permute(0, 1)
	var all [][6]uint32
	for o := range c.seen {
		all = append(all, o)
	}
	slices.SortFunc(all, func(a, b [6]uint32) int { return slices.Compare(a[:], b[:]) })
	return all
}

// A candidate is an execution: an order of the writes to each location, and which write each read
// is from.
type candidate struct {
	events []axiomEvent
	memory Model
	order  [len(axiomLocations)][]int
	reads  []int
	from   []int
	seen   map[[6]uint32]bool
}

// permute tries all orders of the writes to a location, of which the first k are fixed.
func (c *candidate) permute(loc, k int) {
	switch {
	case loc == len(c.order):
		c.choose(0)
	case k >= len(c.order[loc]):
		c.permute(loc+1, 1)
	default:
		o := c.order[loc]
		for i := k; i < len(o); i++ {
			o[k], o[i] = o[i], o[k]
			c.permute(loc, k+1)
			o[k], o[i] = o[i], o[k]
		}
	}
}

// choose tries all writes for each read from the k'th on.
func (c *candidate) choose(k int) {
	if k == len(c.reads) {
		if c.allowed() {
			c.seen[c.outcome()] = true
		}
		return
	}
	r := c.reads[k]
	for _, w := range c.order[c.events[r].loc] {
		c.from[r] = w
		c.choose(k + 1)
	}
}

func (c *candidate) outcome() (o [6]uint32) {
	for _, r := range c.reads {
		if e := c.events[r]; e.reg >= 0 {
			o[e.reg] = uint32(c.events[c.from[r]].value)
		}
	}
	for loc := range 2 {
		w := c.order[loc]
		o[4+loc] = uint32(c.events[w[len(w)-1]].value)
	}
	return o
}

func (c *candidate) allowed() bool {
	n := len(c.events)
	place := make([]int, n) // in the order of writes
	for _, o := range c.order {
		for k, w := range o {
			place[w] = k
		}
	}
	coherence, happens := make([]uint64, n), make([]uint64, n)
	for i, a := range c.events {
		for j, b := range c.events {
			if i == j {
				continue
			}
			po := a.thread == b.thread && i < j && a.thread >= 0
			same := a.loc == b.loc
			co := same && a.write && b.write && place[i] < place[j]
			rf := same && a.write && !b.write && c.from[j] == i
			fr := same && !a.write && b.write && place[c.from[i]] < place[j]
			if po && same || co || rf || fr {
				coherence[i] |= 1 << j
			}
			if c.memory == SC && (po || co || rf || fr) ||
				co || fr || rf && a.thread != b.thread ||
				po && (!a.write || b.write || a.locked || b.locked) {
				happens[i] |= 1 << j
			}
			// No write comes between the read and the write of a locked instruction.
			if po && j == i+1 && a.locked && b.locked && !a.write && b.write &&
				place[j] != place[c.from[i]]+1 {
				return false
			}
		}
	}
	return acyclic(coherence) && acyclic(happens)
}

// acyclic reports whether a relation has no circle.
func acyclic(r []uint64) bool {
	for k := range r {
		for i := range r {
			if r[i]>>k&1 != 0 {
				r[i] |= r[k]
			}
		}
	}
	for i := range r {
		if r[i]>>i&1 != 0 {
			return false
		}
	}
	return true
}
