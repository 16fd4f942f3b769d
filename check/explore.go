package check

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"example.com/pvlock/result"
)

// Result is what an exploration found.
type Result struct {
	result.Exploration
	applied bool  // the change made a difference to what was executed
	acts    []int // the way to the finding
}

type explorer struct {
	*model
	seen    visited
	stopped context.Context

	front   [][]byte // the states of the level being expanded, in chunks
	level   uint32
	settled int64 // bytes that the edges and states of earlier levels take

	mu     sync.Mutex
	worst  *badState
	edges  [][2]uint32
	finals []uint32
	trans  int64
	max    struct {
		passed, kicked uint8
		tooDeep        bool
	}

	// Of the level that is being made: what its edges and states take, and what cut it short.
	fresh atomic.Int64
	cut   atomic.Pointer[string]
}

type badState struct {
	v      Violation
	parent uint64
	act    int // -1: the parent itself
}

func (b *badState) before(o *badState) bool {
	return o == nil || b.parent < o.parent || b.parent == o.parent && b.act < o.act
}

// Run explores a client over a lock. It returns an error if the configuration is
// not possible; that ctx ends is a bound.
func Run(ctx context.Context, c Config) (*Result, error) {
	if err := c.complete(); err != nil {
		return nil, err
	}
	began := time.Now()
	x, err := newModel(c)
	if err != nil {
		return nil, err
	}
	defer x.close()
	x.wander()
	for {
		x.dirty.Store(false)
		e := &explorer{model: x, stopped: ctx}
		res := e.run()
		if x.full.Load() {
			return nil, fmt.Errorf("check: %s, %s, on %d CPUs touches more than %d bytes of "+
				"shared memory: want fewer CPUs or locks", c.Lock.Name, c.describe(), c.CPUs,
				c.grains*8)
		}
		if res == nil {
			continue // what was taken for private or constant isn't
		}
		res.Seconds = time.Since(began).Seconds()
		return res, nil
	}
}

// wander takes random ways, so that most of what can be found out about cells is known
// before the exploration begins.
func (x *model) wander() {
	r := &runner{x: x}
	rng := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		if x.full.Load() {
			return
		}
		s := r.initial()
		for range 400 {
			var acts []int
			for i := range x.cfg.CPUs {
				for a, set := 0, r.enabled(s, i); set != 0; a, set = a+1, set>>1 {
					if set&1 != 0 {
						acts = append(acts, i*actsPerCPU+a)
					}
				}
			}
			if r.bad = nil; len(acts) == 0 {
				break
			}
			if r.step(s, acts[rng.IntN(len(acts))]); r.bad != nil {
				r.bad = nil
				break
			}
		}
	}
}

const chunkBytes = 1 << 15

// run explores level by level, so that the first violation found is at the end of a
// shortest way. It returns nil if it has to be done again.
func (e *explorer) run() *Result {
	res := &Result{Exploration: result.Exploration{
		Lock: e.cfg.Lock.Name, Client: e.cfg.describe(), Model: e.cfg.Model.String(),
		Change: e.cfg.weak.String(),
	}}
	if e.cfg.weak.What == NoChange {
		res.Change = ""
	}
	r := &runner{x: e.model}
	s := r.initial()
	fp := e.fingerprint(s)
	id, _ := e.seen.add(fp, 0, 0, 0)
	e.front = [][]byte{e.encode(nil, s, fp, id)}
	if r.bad != nil {
		e.worst = &badState{*r.bad, fp, -1}
	}
	for len(e.front) > 0 && e.worst == nil {
		if e.dirty.Load() || e.full.Load() {
			return nil
		}
		if res.Bound = e.bound(); res.Bound != "" {
			break
		}
		e.expand()
		if cut := e.cut.Load(); cut != nil {
			res.Bound = *cut
			break
		}
	}
	if e.dirty.Load() || e.full.Load() {
		return nil
	}
	res.States, res.Transitions, res.Depth = e.seen.count.Load(), e.trans, int(e.level)
	res.Places = e.numNodes
	res.applied = e.applied.Load()
	res.Counted, res.Passed, res.Kicks = e.cfg.Bypass, int(e.max.passed), int(e.max.kicked)
	res.Complete = res.Bound == "" && e.worst == nil
	if e.max.tooDeep {
		res.Buffer = e.cfg.Buffer
	}
	if res.Complete && !e.cfg.NoProgress {
		res.Progress = true
		e.trapped()
	}
	if e.worst != nil {
		res.Complete = false
		res.Finding, res.acts = e.explain(e.worst)
	}
	return res
}

func (e *explorer) bound() string {
	states := e.seen.count.Load()
	e.settled = int64(len(e.edges)) * edgeBytes
	for _, c := range e.front {
		e.settled += int64(len(c))
	}
	e.fresh.Store(0)
	if e.cfg.States > 0 && states > e.cfg.States {
		return fmt.Sprintf("%d states", e.cfg.States)
	}
	return e.room()
}

// edgeBytes is what an edge costs: itself, and its part of the way back from the ends.
const edgeBytes = 8 + 4 + 4

// room says which room is used up, even in the middle of a level.
func (e *explorer) room() string {
	const nodeBytes = 1 << 10
	e.model.mu.Lock()
	nodes := e.numNodes
	e.model.mu.Unlock()
	bytes := e.seen.count.Load()*visitBytes*3/2 + e.settled + e.fresh.Load() +
		int64(nodes)*nodeBytes
	switch {
	case bytes > e.cfg.Memory:
		return fmt.Sprintf("%d MB of memory", e.cfg.Memory>>20)
	case nodes > maxNodes/2:
		return fmt.Sprintf("%d places in the text", maxNodes/2)
	case e.stopped.Err() != nil:
		return "time"
	}
	return ""
}

// expand makes the next level.
func (e *explorer) expand() {
	e.level++
	var next [][]byte
	var at atomic.Int64
	var wg sync.WaitGroup
	workers := min(e.cfg.Workers, len(e.front))
	for range workers {
		wg.Go(func() {
			w := &worker{runner: runner{x: e.model}, e: e}
			for {
				i := int(at.Add(1)) - 1
				if i >= len(e.front) || e.dirty.Load() || e.full.Load() || e.cut.Load() != nil {
					break
				}
				if what := e.room(); what != "" {
					e.cut.CompareAndSwap(nil, &what)
					break
				}
				for rec := e.front[i]; len(rec) > 0; {
					rec = w.expand(rec)
				}
				e.front[i] = nil
				e.fresh.Add(w.bytes)
				w.bytes = 0
			}
			w.finish()
			e.mu.Lock()
			defer e.mu.Unlock()
			next = append(next, w.out...)
			e.edges = append(e.edges, w.edges...)
			e.finals = append(e.finals, w.finals...)
			e.trans += w.trans
			e.max.passed = max(e.max.passed, w.max.passed)
			e.max.kicked = max(e.max.kicked, w.max.kicked)
			e.max.tooDeep = e.max.tooDeep || w.max.tooDeep
			if w.worst != nil && w.worst.before(e.worst) {
				e.worst = w.worst
			}
		})
	}
	wg.Wait()
	e.front = next
}

// worker expands states.
type worker struct {
	runner
	e      *explorer
	out    [][]byte
	cur    []byte
	edges  [][2]uint32
	finals []uint32
	trans  int64
	bytes  int64 // that edges and states take which the explorer doesn't know of yet
	worst  *badState
	from   state
	to     state
}

// expand takes the first state off a chunk and makes its successors.
func (w *worker) expand(rec []byte) []byte {
	e := w.e
	rec, fp, id := e.decode(rec, &w.from)
	moves := false
	guesser := e.guesser(&w.from)
	for i := range e.cfg.CPUs {
		set := w.enabled(&w.from, i)
		if guesser >= 0 {
			// What only this CPU sees needs no order.
			if set &^= 1 << actFlush; i != guesser {
				continue
			}
		}
		for a := 0; set != 0; a, set = a+1, set>>1 {
			if set&1 == 0 {
				continue
			}
			act := i*actsPerCPU + a
			moves = moves || !environment(act)
			w.to = w.from
			w.bad = nil
			w.step(&w.to, act)
			w.trans++
			if w.bad != nil {
				w.report(badState{*w.bad, fp, act})
				continue
			}
			tofp := e.fingerprint(&w.to)
			toid, fresh := e.seen.add(tofp, fp, e.level, act)
			if !e.cfg.NoProgress && !environment(act) {
				w.edges = append(w.edges, [2]uint32{id, toid})
				w.bytes += edgeBytes
			}
			if fresh {
				before := len(w.cur)
				w.cur = e.encode(w.cur, &w.to, tofp, toid)
				if w.bytes += int64(len(w.cur) - before); len(w.cur) > chunkBytes {
					w.out = append(w.out, w.cur)
					w.cur = make([]byte, 0, chunkBytes+1024)
				}
			}
		}
	}
	if e.cfg.Busy {
		for i := range e.cfg.CPUs {
			if w.busy(&w.from, i) {
				w.report(badState{
					Violation{Kind: BusyWait,
						Text: fmt.Sprintf("CPU %d, left alone, goes round and does not sleep", i)},
					fp, -1})
			}
		}
	}
	if !moves {
		if v := w.stuck(&w.from); v != nil {
			w.report(badState{*v, fp, -1})
		} else {
			w.finals = append(w.finals, id)
		}
	}
	return rec
}

// busy reports whether a CPU that waits, and that could sleep, goes round for ever while
// nobody else does anything.
func (w *worker) busy(from *state, i int) bool {
	s := *from
	var before []uint64
	for {
		n := w.x.node(s.node[i])
		acts := w.enabled(&s, i) & (1<<actStep | 1<<actGiveUp | 1<<actFlush)
		if n.meta.inLock == 0 || s.bound&(1<<i) == 0 || acts == 0 {
			return false
		}
		fp := w.x.fingerprint(&s)
		if slices.Contains(before, fp) {
			return true
		}
		before = append(before, fp)
		// A store reaches memory first, and a spin gives up last.
		act := actStep
		switch {
		case acts&(1<<actFlush) != 0:
			act = actFlush
		case acts&(1<<actStep) == 0:
			act = actGiveUp
		}
		w.bad = nil
		w.step(&s, i*actsPerCPU+act)
		if w.bad != nil {
			return false // found elsewhere
		}
	}
}

func (w *worker) finish() {
	if len(w.cur) > 0 {
		w.out = append(w.out, w.cur)
		w.cur = nil
	}
}

func (w *worker) report(b badState) {
	if b.before(w.worst) {
		w.worst = &b
	}
}

// encode appends a state to a chunk. Most of a state is zero.
func (x *model) encode(b []byte, s *state, fp uint64, id uint32) []byte {
	b = binary.LittleEndian.AppendUint64(b, fp)
	b = binary.LittleEndian.AppendUint32(b, id)
	b = append(b, s.pending, s.bound, s.freed, s.passed, s.refs[0], s.refs[1], s.irqs, s.permits,
		s.sleepBy)
	for i := range x.cfg.CPUs {
		b = binary.AppendUvarint(b, uint64(s.node[i]))
		b = append(b, s.filled[i], s.kicked[i])
		b = binary.AppendUvarint(b, s.parked[i])
		for _, e := range s.buffer[i][:s.filled[i]] {
			b = binary.AppendUvarint(b, uint64(e.node))
			b = binary.AppendUvarint(b, e.v)
		}
	}
	n := int(x.numGrains.Load())
	for n > 0 && s.mem[n-1] == 0 {
		n--
	}
	b = append(b, byte(n))
	for g := range n {
		b = binary.AppendUvarint(b, s.mem[g])
	}
	return b
}

func (x *model) decode(b []byte, s *state) (rest []byte, fp uint64, id uint32) {
	*s = state{}
	fp, id = binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint32(b[8:])
	b = b[12:]
	s.pending, s.bound, s.freed, s.passed, s.refs[0], s.refs[1], s.irqs, s.permits, s.sleepBy =
		b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8]
	b = b[9:]
	number := func() uint64 {
		v, n := binary.Uvarint(b)
		b = b[n:]
		return v
	}
	for i := range x.cfg.CPUs {
		s.node[i] = int32(number())
		s.filled[i], s.kicked[i] = b[0], b[1]
		b = b[2:]
		s.parked[i] = number()
		for j := range s.filled[i] {
			s.buffer[i][j] = entry{int32(number()), number()}
		}
	}
	n := int(b[0])
	b = b[1:]
	for g := range n {
		s.mem[g] = number()
	}
	return b, fp, id
}

// trapped looks for states from which the clients can't come to their end any more, though
// somebody can always do something: it goes back from the ends.
func (e *explorer) trapped() {
	// Numbers have gaps between shards' lengths; they are dense enough.
	size := 0
	for i := range e.seen.shards {
		size = max(size, len(e.seen.shards[i].found)*numShards)
	}
	start := make([]uint32, size+1)
	for _, d := range e.edges {
		start[d[1]+1]++
	}
	for i := range size {
		start[i+1] += start[i]
	}
	into := make([]uint32, len(e.edges))
	fill := append([]uint32(nil), start...)
	for _, d := range e.edges {
		into[fill[d[1]]] = d[0]
		fill[d[1]]++
	}
	ends := make([]bool, size)
	work := append([]uint32(nil), e.finals...)
	for _, id := range work {
		ends[id] = true
	}
	for len(work) > 0 {
		id := work[len(work)-1]
		work = work[:len(work)-1]
		for _, from := range into[start[id]:start[id+1]] {
			if !ends[from] {
				ends[from] = true
				work = append(work, from)
			}
		}
	}
	var first *slot
	for i := range e.seen.shards {
		for j := range e.seen.shards[i].table {
			o := &e.seen.shards[i].table[j]
			if o.index == 0 || ends[int(o.index-1)*numShards+i] {
				continue
			}
			if first == nil || o.level < first.level || o.level == first.level && o.fp < first.fp {
				first = o
			}
		}
	}
	if first != nil {
		e.worst = &badState{
			Violation{Kind: Livelock,
				Text: "from here the clients can't come to their end, whatever happens"}, first.fp,
			-1}
	}
}

// explain replays the way to a violation, and writes down what happens.
func (e *explorer) explain(b *badState) (*result.CheckFinding, []int) {
	f, acts := &result.CheckFinding{Violation: b.v}, e.seen.path(b.parent)
	if b.act >= 0 {
		acts = append(acts, b.act)
	}
	f.Steps = len(acts)
	f.Rows, _ = e.replay(acts)
	return f, acts
}

// replay executes actions from the start, and returns what happens and what is violated
// at the end.
func (x *model) replay(acts []int) ([]result.CheckRow, *Violation) {
	var rows []result.CheckRow
	r := &runner{x: x}
	s := r.initial()
	r.rows = &rows
	for _, a := range acts {
		if r.bad != nil {
			break
		}
		if r.enabled(s, a/actsPerCPU)>>(a%actsPerCPU)&1 == 0 {
			panic("check: a counterexample doesn't replay")
		}
		r.step(s, a)
	}
	if r.bad == nil {
		r.bad = r.stuck2(s)
	}
	return rows, r.bad
}

// stuck2 is stuck, if nobody can do anything.
func (r *runner) stuck2(s *state) *Violation {
	for i := range r.x.cfg.CPUs {
		for a, set := 0, r.enabled(s, i); set != 0; a, set = a+1, set>>1 {
			if set&1 != 0 && !environment(a) {
				return nil
			}
		}
	}
	return r.stuck(s)
}

func defaultWorkers() int { return runtime.GOMAXPROCS(0) }
