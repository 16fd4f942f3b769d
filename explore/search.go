package explore

import (
	"fmt"
	"hash/maphash"
	"math"
	"math/bits"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"example.com/pvlock/explore/internal/x86"
)

// An explorer is one exploration, shared by its workers. Rounds share what is known of memory.
type explorer struct {
	cfg       *Config
	bodies    []func()
	n         int
	buffer    int
	sc        bool
	allShared bool
	barrier   uint64 // the address of runtime.writeBarrier

	program *program
	facts   *facts
	canons  canons
	nowhere *canon
	names   []named

	classOf   [maxThreads]uint32 // threads with the same closure, by thread, if they are merged
	symmetric bool

	seed    maphash.Seed
	visited *visitedSet
	began   time.Time

	level struct {
		chunks [][]byte
		next   atomic.Int64
		stop   atomic.Bool
	}
	mu      sync.Mutex
	finding *Finding
	at      uint32 // the state that the finding is in
	how     int    // what leads from there to it, or -1
	cut     string
	limit   int // of a round whose facts are known to be incomplete
}

// search is what a worker needs for it.
type search struct {
	out         [][]byte // states to expand in the next level
	pool        [][]byte
	edges       edgeLog
	enc         []byte
	canonCache  [256]canonEntry
	byID        []*canon
	transitions int
	ends        int
	insns       uint64
	lost        bool // the step led where nothing is known yet
	final       bool // the final body runs
	outside     bool // an event happens
	ids         idBlock
	atomics     map[*instr]bool
	parts       offsets
	spare       []byte
	snap        snapshot
	touched     uint32
}

type canonEntry struct {
	ch chain
	k  *canon
}

func (w *worker) canonByID(id int) *canon {
	if id < len(w.byID) && w.byID[id] != nil {
		return w.byID[id]
	}
	for id >= len(w.byID) {
		w.byID = append(w.byID, nil)
	}
	w.byID[id] = w.x.canons.byID(id)
	return w.byID[id]
}

func run(cfg *Config, bodies []func()) *Result {
	if why := unsupported(cfg, bodies); why != "" {
		return &Result{Refused: why}
	}
	if cfg.Races {
		if why := needsSource(bodies); why != "" {
			return &Result{Refused: why}
		}
	}
	defer keepAlive(cfg, bodies)
	x := &explorer{cfg: cfg, bodies: bodies, n: len(bodies), buffer: cfg.buffer(),
		facts: newFacts(),
		sc:    cfg.Memory == SC || cfg.Races, allShared: cfg.Without&Facts != 0, began: time.Now()}
	x.findSymmetry()
	hooks, err := x.hooks()
	if err != nil {
		return &Result{Refused: err.Error()}
	}
	known, err := runtimeOf(runtime.Version())
	if err != nil {
		return &Result{Refused: err.Error()}
	}
	for round := 1; ; round++ {
		x.facts.renumber()
		x.program = newProgram(hooks, known, cfg.Weaken, x.program)
		if x.barrier, err = x.program.writeBarrier(); err != nil {
			return &Result{Refused: err.Error()}
		}
		if err := x.program.findsDefers(); err != nil {
			return &Result{Refused: err.Error()}
		}
		x.canons = canons{of: make(map[chain]*canon)}
		x.nowhere = &canon{}
		x.seed, x.visited = maphash.MakeSeed(), newVisitedSet()
		x.finding, x.cut, x.limit, x.how, x.at = nil, "", 0, -1, 0
		x.level.stop.Store(false)
		r := x.round()
		r.Rounds = round
		if !x.facts.changed.Load() || x.cut != "" && !strings.HasPrefix(x.cut, "facts") {
			return r
		}
	}
}

// keepAlive keeps what bodies captured from being collected while it is read by address.
func keepAlive(cfg *Config, bodies []func()) {
	runtime.KeepAlive(cfg)
	runtime.KeepAlive(bodies)
}

// unsupported says why nothing can be explored here, or is "".
func unsupported(cfg *Config, bodies []func()) string {
	switch {
	case runtime.GOARCH != "amd64":
		return "explore interprets amd64's machine code, and this is " + runtime.GOARCH
	case raceEnabled:
		return "a binary that is built with -race can't be explored: each access calls the race " +
			"detector"
	case covered():
		return "a binary that is built with -cover can't be explored: its counters are shared " +
			"memory"
	case unoptimised():
		return "a binary that is built with -gcflags=-N can't be explored: what runs is not what " +
			"is shipped"
	case len(bodies) == 0 || len(bodies) > maxThreads:
		return fmt.Sprintf("%d bodies: explore takes 1 to %d", len(bodies), maxThreads)
	case cfg.Buffer < 0 || cfg.Buffer > maxBuffer:
		return fmt.Sprintf("a store buffer of %d: explore takes 1 to %d, or 0 for 4", cfg.Buffer,
			maxBuffer)
	case slices.ContainsFunc(cfg.Events,
		func(e Event) bool { return e.Call == nil || e.Thread < 0 || e.Thread >= len(bodies) }):
		return "an event has no Call, or is a thread's that there is not"
	case len(cfg.Events) > flushAct-eventAct:
		return fmt.Sprintf("%d events: explore takes at most %d", len(cfg.Events),
			flushAct-eventAct)
	case slices.ContainsFunc(bodies, func(f func()) bool { return f == nil }):
		return "a body is nil"
	}
	return ""
}

// hooks collects the hooks that are known by address.
func (x *explorer) hooks() (map[uint64]*Hook, error) {
	hooks := map[uint64]*Hook{
		codeAddress(Assert): {name: "Assert", Args: 1, Local: true, Call: assert},
		codeAddress(Choose): {name: "Choose", Args: 1, Results: 1, Outcomes: choices,
			Call: returnOutcome},
		codeAddress(Yield): {name: "Yield"},
		codeAddress(free):  {name: "Free", Args: 2, Drain: true, Call: freeCall},
	}
	for i := range x.cfg.Hooks {
		h := x.cfg.Hooks[i]
		switch f := h.Func.(type) {
		case uintptr:
			h.code = uint64(f)
		case nil:
			return nil, fmt.Errorf("hook %d has no Func", i)
		default:
			h.code = codeAddress(f)
		}
		if entryOf(h.code) != h.code || h.Args > len(argRegs) || h.Results > len(argRegs) {
			return nil, fmt.Errorf("hook %d: %#x is no function's entry, or it has more than %d "+
				"words", i, h.code, len(argRegs))
		}
		h.name = outermost(h.code)
		hooks[h.code] = &h
	}
	return hooks, nil
}

// writeBarrier finds runtime.writeBarrier: it is what a function that stores a pointer compares.
func (p *program) writeBarrier() (uint64, error) {
	in := p.lookup(codeAddress(storesPointer))
	for range 20 {
		if in == nil {
			break
		}
		if in.Access == x86.Load && in.Mem.Base < 0 && in.Mem.Index < 0 {
			return in.Addr(&x86.Regs{}), nil
		}
		in = in.next
	}
	return 0, fmt.Errorf("the write barrier's flag was not found in the code of a function that " +
		"stores a pointer")
}

//go:noinline
func storesPointer(p **int, q *int) { *p = q }

// start puts a thread at the beginning of a body.
func (w *worker) start(i int, f func()) {
	w.enter(i)
	t := w.t
	*t = thread{}
	t.R[rSP] = stackBase + stackSize - 16
	w.s.setStack(i, stackSize-16, returnAddress, 8)
	closure := closureAddress(f)
	t.R[rDX], t.R[rG] = closure, x86.G
	t.at = w.at(word(closure))
	if t.at == nil {
		w.refuse("body %d is no function", i)
	}
}

// initial is the state before the first step.
func (w *worker) initial() {
	*w.s = state{}
	for g := range int(w.f.n.Load()) {
		w.s.mem[g] = w.f.cells[g].init
	}
	for i, f := range w.x.bodies {
		w.start(i, f)
		w.run(false, 0)
	}
}

// round explores once with what is known of memory.
func (x *explorer) round() *Result {
	workers := make([]*worker, x.workers())
	for i := range workers {
		workers[i] = newWorker(x)
	}
	w := workers[0]
	for i := range x.cfg.Events {
		// What an event touches has to be known before the first private step of a body.
		w.initial()
		if e := &x.cfg.Events[i]; w.bad == nil && w.mayHappen(e) {
			w.happen(e)
		}
	}
	w.initial()
	if w.bad != nil {
		x.found(w.bad, 0, -1)
	} else {
		w.push(0, 0xff)
		if w.bad != nil {
			x.found(w.bad, 0, -1)
		}
	}
	depth := 0
	for x.finding == nil && x.cut == "" {
		x.level.chunks = x.level.chunks[:0]
		for _, w := range workers {
			x.level.chunks = append(x.level.chunks, w.out...)
			w.out = nil
			w.edges.level()
		}
		if len(x.level.chunks) == 0 {
			break
		}
		depth++
		x.level.next.Store(0)
		if len(x.level.chunks) == 1 {
			workers[0].expandLevel()
		} else {
			var wg sync.WaitGroup
			for _, w := range workers {
				wg.Go(w.expandLevel)
			}
			wg.Wait()
		}
		for i, c := range x.level.chunks {
			w := workers[i%len(workers)]
			w.pool = append(w.pool, c[:0])
		}
	}
	if addr := w.disturbed(); addr != 0 {
		x.stop(fmt.Sprintf("another goroutine changed %s, which bodies read", w.name(addr)))
	}
	r := &Result{Depth: depth, States: int(x.visited.n.Load()), Cut: x.cut}
	for _, w := range workers {
		r.States -= int(w.ids.end - w.ids.next)
	}
	for _, w := range workers {
		r.Transitions += w.transitions
		r.Ends += w.ends
	}
	if x.finding == nil && x.cut == "" && !x.facts.changed.Load() {
		x.progress(workers)
	}
	r.Complete = x.cut == ""
	r.Rests = x.rests(r)
	bytes := x.visited.bytes()
	for _, w := range workers {
		bytes += w.edges.bytes()
	}
	r.StateBytes = float64(bytes) / float64(max(r.States, 1))
	if f := x.finding; f != nil {
		r.Finding = f
		if f.Kind == "refused" {
			r.Finding, r.Refused = nil, f.Text
		} else if !x.facts.changed.Load() {
			x.names = append(namesOf(x.cfg.Names), x.captured()...)
			x.trace(f)
		}
	}
	return r
}

func (x *explorer) workers() int {
	if x.cfg.Workers > 0 {
		return x.cfg.Workers
	}
	return runtime.GOMAXPROCS(0)
}

func (x *explorer) found(f *Finding, at uint32, how int) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.finding == nil {
		x.finding, x.at, x.how = f, at, how
	}
	x.level.stop.Store(true)
}

func (x *explorer) stop(why string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.cut == "" {
		x.cut = why
	}
	x.level.stop.Store(true)
}

const chunkSize = 1 << 15

// push adds the worker's state to those that are known.
func (w *worker) push(parent uint32, how uint8) {
	b := w.successor(nil, -1)
	if w.bad == nil {
		w.visit(maphash.Bytes(w.x.seed, b), b, parent, how)
	}
}

// successor encodes the worker's state. mover is the thread that has changed besides memory, and
// from the state before; -1 is all.
func (w *worker) successor(from []byte, mover int) []byte {
	b := w.enc[:0]
	var o offsets
	if mover < 0 {
		b = w.encode(b, &o)
	} else {
		for i := range w.x.n {
			o[i] = len(b)
			if i == mover {
				b = w.encodeThread(b, i)
			} else {
				b = append(b, from[w.parts[i]:w.parts[i+1]]...)
			}
		}
		o[w.x.n] = len(b)
		b = w.encodeMemory(b)
	}
	w.enc = b
	if w.x.symmetric {
		b = w.sorted(b, &o)
	}
	return b
}

// visit looks an encoded state up, and notes it to be expanded if it is new.
func (w *worker) visit(h uint64, b []byte, parent uint32, how uint8) (id uint32, fresh bool) {
	id, fresh = w.x.visited.visit(h, parent, how, &w.ids)
	if fresh {
		k := len(w.out) - 1
		if k < 0 || cap(w.out[k])-len(w.out[k]) < len(b)+8 {
			if p := len(w.pool) - 1; p >= 0 && cap(w.pool[p]) >= len(b)+8 {
				w.out = append(w.out, w.pool[p])
				w.pool = w.pool[:p]
			} else {
				w.out = append(w.out, make([]byte, 0, max(chunkSize, len(b)+8)))
			}
			k++
		}
		c := le.AppendUint32(le.AppendUint32(w.out[k], uint32(len(b))), id)
		w.out[k] = append(c, b...)
	}
	return id, fresh
}

func (w *worker) expandLevel() {
	x := w.x
	for !x.level.stop.Load() {
		k := int(x.level.next.Add(1)) - 1
		if k >= len(x.level.chunks) {
			return
		}
		for b := x.level.chunks[k]; len(b) > 0 && !x.level.stop.Load(); {
			n := le.Uint32(b)
			id := le.Uint32(b[4:])
			w.expand(id, b[8:8+n])
			b = b[8+n:]
			if id&0xff == 0 {
				w.bounds()
			}
		}
	}
}

// bounds ends the exploration, or a round that is known to be useless, when it has gone far enough.
func (w *worker) bounds() {
	x := w.x
	n := int(x.visited.n.Load())
	if x.facts.changed.Load() {
		x.mu.Lock()
		if x.limit == 0 {
			x.limit = 2*n + 3000
		}
		over := n > x.limit
		x.mu.Unlock()
		if over {
			x.stop("facts about memory have changed")
		}
	}
	if x.cfg.MaxStates > 0 && n > x.cfg.MaxStates {
		x.stop(fmt.Sprintf("the bound of %d states", x.cfg.MaxStates))
	}
	if x.cfg.MaxTime > 0 && time.Since(x.began) > x.cfg.MaxTime {
		x.stop(fmt.Sprintf("the bound of %v", x.cfg.MaxTime))
	}
	if n > 1<<30-1<<16 {
		x.stop("the numbers of states")
	}
}

// expand explores all steps from a state.
func (w *worker) expand(id uint32, enc []byte) {
	w.decode(enc, &w.parts)
	s := w.s
	var acts, environment [maxThreads]uint32
	done, can := true, false
	for i := range w.x.n {
		acts[i], environment[i] = w.enabled(i)
		if s.threads[i].at != nil || s.threads[i].nb > 0 {
			done = false
		}
		can = can || acts[i]&^environment[i] != 0
	}
	w.edges.begin()
	switch {
	case w.bad != nil:
		w.x.found(w.bad, id, -1)
		return
	case done:
		w.ends++
		w.edges.end(id, true)
		if w.x.cfg.Final != nil {
			w.runFinal()
			if w.bad != nil {
				w.x.found(w.bad, id, -1)
			}
		}
		return
	case !can:
		if w.x.facts.changed.Load() {
			return
		}
		w.x.found(&Finding{Kind: "deadlock", Text: w.waiting()}, id, -1)
		return
	}
	if w.x.cfg.Races && w.race() {
		w.x.found(w.bad, id, -1)
		return
	}
	alone := -1
	if w.x.cfg.Without&PartialOrder == 0 {
		alone = w.independent(&acts, &environment)
	}
	known := false
	if alone >= 0 {
		known = w.steps(id, enc, alone, acts[alone], environment[alone])
	}
	for i := range w.x.n {
		// A step that leads to what is known may close a circle on which the others never move:
		// then they move here.
		if i != alone && (alone < 0 || known) && !w.x.level.stop.Load() {
			w.steps(id, enc, i, acts[i], environment[i])
		}
	}
	w.edges.end(id, false)
}

// steps carries out a thread's steps. It reports whether one of them led to a known state.
func (w *worker) steps(id uint32, enc []byte, i int, acts, environment uint32) (known bool) {
	if acts != 0 {
		w.snap.take(w.s, i)
	}
	for ; acts != 0; acts &= acts - 1 {
		act := bits.TrailingZeros32(acts)
		w.wide, w.lost = false, false
		w.act(i, act)
		w.transitions++
		how := uint8(i<<5 | act)
		if w.bad != nil {
			w.x.found(w.bad, id, int(how))
			return
		}
		if w.lost {
			w.restore(enc, i)
			continue
		}
		mover := i
		if w.wide {
			mover = -1
		}
		b := w.successor(enc, mover)
		if w.bad != nil {
			w.x.found(w.bad, id, int(how))
			return
		}
		h := maphash.Bytes(w.x.seed, b)
		// The set is larger than caches: what is looked for in it comes while the state is
		// restored.
		w.touched += w.x.visited.touch(h)
		w.restore(enc, i)
		to, fresh := w.visit(h, b, id, how)
		if environment>>act&1 == 0 {
			w.edges.add(to)
		}
		known = known || !fresh
	}
	return known
}

// restore brings the state back to what it was before thread i's step.
func (w *worker) restore(enc []byte, i int) {
	switch {
	case w.wide:
		w.decode(enc, &w.parts)
	case w.x.cfg.Poison != 0:
		w.decodeThread(enc[w.parts[i]:], i)
		w.decodeMemory(enc[w.parts[w.x.n]:])
	default:
		w.snap.restore(w.s, i)
		w.decodeMemory(enc[w.parts[w.x.n]:])
	}
}

// waiting says what the threads wait for.
func (w *worker) waiting() string {
	var who []string
	for i := range w.x.n {
		if t := &w.s.threads[i]; t.at != nil {
			name := ""
			if t.at.hook != nil {
				name = " in " + t.at.hook.name
			}
			line, _ := w.x.program.caller(w.s, i)
			who = append(who, fmt.Sprintf("thread %d waits%s at %s", i, name, line))
		}
	}
	return strings.Join(who, ", ")
}

// runFinal runs the last body, alone.
func (w *worker) runFinal() {
	w.final = true
	w.start(0, w.x.cfg.Final)
	for range 1 << 16 {
		if w.bad != nil || w.t.at == nil {
			break
		}
		w.run(true, 0)
		for w.t.nb > 0 {
			w.s.flush(0)
		}
	}
	if w.bad == nil && w.t.at != nil {
		w.fail("livelock", "Final does not return")
	}
	w.final = false
}

// rests says what a complete result rests on.
func (x *explorer) rests(r *Result) []string {
	n := float64(r.States)
	memory := "memory given back is not handed out again (no ABA by reuse)"
	if x.cfg.Reuse {
		memory = "memory given back is handed out again, the last first"
	}
	return []string{
		x.cfg.model(),
		fmt.Sprintf("hashes of 64 bits: the odds that a state was taken for another are below %.1g",
			n*n/math.Exp2(65)),
		memory,
		fmt.Sprintf("%d events from outside", len(x.cfg.Events)),
	}
}
