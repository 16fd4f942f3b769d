package check

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
)

// A CPU's text is run as rarely as possible. What a CPU does next is a function of the results that
// its events have returned since it last forgot, so its text is an automaton: a node is a place
// where it waits for a result, an edge is a result. The automaton is made while it is explored;
// only an edge that was never taken before runs the text, in a coroutine that is brought to the
// node by feeding it the results on the way there. States hold node numbers, and exploring them is
// table look-up.

// node is a place in a CPU's text, with all that its future depends on.
type node struct {
	request
	id    int32
	cpu   int
	from  *node // how it was first reached
	in    input
	edges atomic.Pointer[[]edge]
	live  *coroutine // stands here, if it hasn't been used since
}

type edge struct {
	in input
	to *node
}

// automaton is the text of a CPU.
type automaton struct {
	mu   sync.Mutex
	x    *model
	cpu  int
	root *node
	by   map[uint64]*node
	live []*node
}

const (
	nodeChunk = 1 << 10
	liveMax   = 128 // coroutines kept for the edge that is probably taken next
)

func (x *model) automaton(cpu int) *automaton {
	a := &automaton{x: x, cpu: cpu, by: make(map[uint64]*node)}
	a.root = a.arrive(x.start(cpu), nil, input{})
	return a
}

// arrive returns the node where a coroutine stands.
func (a *automaton) arrive(co *coroutine, from *node, in input) *node {
	if n := a.by[co.req.hist]; n != nil {
		if !n.ev.same(&co.req.ev) {
			panic(fmt.Sprintf("check: %s or %s: reached in two ways from one head, and it isn't "+
				"the same: a Head forgets too much",
				n.ev.site.pos(), co.req.ev.site.pos()))
		}
		co.stop()
		return n
	}
	n := &node{request: *co.req, cpu: a.cpu, from: from, in: in, live: co}
	n.edges.Store(new([]edge))
	a.by[n.hist] = n
	a.x.register(n)
	a.live = append(a.live, n)
	if len(a.live) > liveMax {
		if old := a.live[0]; old.live != nil {
			old.live.stop()
			old.live = nil
		}
		a.live = a.live[1:]
	}
	return n
}

// next returns the node that an input leads to.
func (a *automaton) next(n *node, in input) *node {
	for _, e := range *n.edges.Load() {
		if e.in == in {
			return e.to
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, e := range *n.edges.Load() {
		if e.in == in {
			return e.to
		}
	}
	co := n.live
	n.live = nil
	if co == nil {
		co = a.rebuild(n)
	}
	co.feed(in)
	to := a.arrive(co, n, in)
	edges := append(slices.Clip(*n.edges.Load()), edge{in, to})
	n.edges.Store(&edges)
	return to
}

func (a *automaton) rebuild(n *node) *coroutine {
	var path []input
	for m := n; m.from != nil; m = m.from {
		path = append(path, m.in)
	}
	co := a.x.start(a.cpu)
	for _, in := range slices.Backward(path) {
		co.feed(in)
	}
	a.x.rebuilt.Add(1)
	if co.req.hist != n.hist || !co.req.ev.same(&n.ev) {
		panic("check: a CPU's text isn't a function of its events' results")
	}
	return co
}

// audit goes, from every place that was reached in more than one way, the way by which it was not
// first reached, and on along known edges at random: the text must do the same as it does from
// there otherwise, or a Head forgets too much.
func (a *automaton) audit(steps int) error {
	rng := rand.New(rand.NewPCG(3, 4))
	for _, hist := range slices.Sorted(maps.Keys(a.by)) {
		m := a.by[hist]
		for _, e := range *m.edges.Load() {
			if e.to.from == m {
				continue
			}
			co := a.rebuild(m)
			co.feed(e.in)
			n := e.to
			for range steps {
				if !co.req.ev.same(&n.ev) {
					co.stop()
					return fmt.Errorf("CPU %d by way of %s: %s, and otherwise %s", a.cpu,
						e.to.ev.site.pos(), co.req.ev.site.pos(), n.ev.site.pos())
				}
				on := *n.edges.Load()
				if len(on) == 0 {
					break
				}
				next := on[rng.IntN(len(on))]
				co.feed(next.in)
				n = next.to
			}
			co.stop()
		}
	}
	return nil
}

func (a *automaton) stop() {
	for _, n := range a.live {
		if n.live != nil {
			n.live.stop()
			n.live = nil
		}
	}
	a.live = nil
}

func (s *site) pos() string {
	if s == nil {
		return "?"
	}
	return s.Pos
}

// register gives a node its number, and notes which cells its CPU accesses.
func (x *model) register(n *node) {
	x.mu.Lock()
	defer x.mu.Unlock()
	n.id = int32(x.numNodes)
	x.numNodes++
	chunk := x.nodes[n.id/nodeChunk].Load()
	if chunk == nil {
		chunk = new([nodeChunk]*node)
		x.nodes[n.id/nodeChunk].Store(chunk)
	}
	chunk[n.id%nodeChunk] = n
	x.note(n)
}

func (x *model) node(id int32) *node { return x.nodes[id/nodeChunk].Load()[id%nodeChunk] }

// Facts about a cell's bytes: a bit for each CPU that accesses it, and whether it is written after
// boot. What only one CPU accesses is private, and what nobody writes is constant: such steps
// commute with all others'. Facts are found out on the way; an exploration that has used one which
// turns out to be wrong begins again.
const factWritten = 1 << 8

func (x *model) note(n *node) {
	ev := &n.ev
	if !ev.cells || n.meta.boot {
		return
	}
	if ev.region >= regionMachine && x.hashRegion == ev.region && ev.width == 8 &&
		!slices.Contains(x.hashCells, ev.addr) {
		x.hashCells = append(x.hashCells, ev.addr)
		grains := slices.Clone(*x.hashGrains.Load())
		grains = append(grains, ev.grain)
		x.hashGrains.Store(&grains)
	}
	set := uint32(1) << n.cpu
	if ev.write {
		set |= factWritten
	}
	for i := range int(ev.width) {
		f := &x.facts[ev.grain*8+int(ev.shift)/8+i]
		old := f.Load()
		if old|set != old {
			f.Store(old | set)
			if old != 0 {
				x.dirty.Store(true)
			}
		}
	}
}

// private reports whether only this CPU ever accesses the event's cell.
func (x *model) private(ev *event, cpu int) bool {
	at := ev.grain*8 + int(ev.shift)/8
	for i := range int(ev.width) {
		if x.facts[at+i].Load()&^factWritten != 1<<cpu {
			return false
		}
	}
	return true
}

// constant reports whether nobody writes the event's cell after boot.
func (x *model) constant(ev *event) bool {
	at := ev.grain*8 + int(ev.shift)/8
	for i := range int(ev.width) {
		if x.facts[at+i].Load()&factWritten != 0 {
			return false
		}
	}
	return true
}
