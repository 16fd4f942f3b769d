package check

import (
	"fmt"
	"sync"
	"sync/atomic"

	"example.com/pvlock/internal/twin/arch"
	"example.com/pvlock/result"
)

const (
	maxCPUs   = 4
	maxLocks  = 2
	maxGrains = 96
	maxBuffer = 8
	maxNodes  = 1 << 22
)

// model is the machine: N CPUs that run a client's text under x86-TSO, or under sequential
// consistency.
type model struct {
	cfg  Config
	auto []*automaton

	mu       sync.Mutex
	nodes    [maxNodes / nodeChunk]atomic.Pointer[[nodeChunk]*node]
	numNodes int
	rebuilt  atomic.Int64

	// Grains are the aligned eight bytes of shared memory that the text accesses.
	grainMu   sync.Mutex
	grainOf   map[uint64]int
	grainKey  [maxGrains]atomic.Uint64
	numGrains atomic.Int32
	facts     [maxGrains * 8]atomic.Uint32
	dirty     atomic.Bool
	full      atomic.Bool // the client touches more grains than there are
	applied   atomic.Bool // Config.Change has changed something

	hashRegion int
	hashCells  []uint64
	hashGrains atomic.Pointer[[]int]

	w *world // for names
}

func newModel(c Config) (*model, error) {
	x := &model{cfg: c, grainOf: make(map[uint64]int)}
	x.hashGrains.Store(new([]int))
	w, err := newWorld(&x.cfg)
	if err != nil {
		return nil, err
	}
	x.w = w
	for i, r := range w.bases {
		if r.name == "hash" {
			x.hashRegion = i
		}
	}
	for i := range c.CPUs {
		x.auto = append(x.auto, x.automaton(i))
	}
	return x, nil
}

func (x *model) close() {
	for _, a := range x.auto {
		a.stop()
	}
}

// grain returns the number of the grain that an address lies in.
func (x *model) grain(addr uint64) int {
	x.grainMu.Lock()
	defer x.grainMu.Unlock()
	g, ok := x.grainOf[addr>>3]
	if !ok {
		g = len(x.grainOf)
		if g == x.cfg.grains {
			// Run gives up; until it looks, any grain will do.
			x.full.Store(true)
			return 0
		}
		x.grainOf[addr>>3] = g
		x.grainKey[g].Store(mix(0x5eed, addr>>3))
		x.numGrains.Store(int32(g + 1))
	}
	return g
}

// state is the whole machine at a moment.
type state struct {
	node    [maxCPUs]int32
	buffer  [maxCPUs][maxBuffer]entry
	filled  [maxCPUs]uint8
	irqs    uint8           // interrupts that have come
	parked  [maxCPUs]uint64 // the cell that it sleeps on
	kicked  [maxCPUs]uint8  // notifications since it last took a lock
	mem     [maxGrains]uint64
	pending uint8 // event channels, a bit for each CPU
	bound   uint8
	refs    [maxLocks]uint8 // CPUs that are done with a lock
	freed   uint8           // locks whose memory is gone
	passed  uint8           // see Config.Bypass
	// goroutines whose sleep, or next sleep, is ended: a bit for each and for each way to sleep
	permits uint8
	sleepBy uint8 // the way in which each is roused
}

// entry is a store on its way to memory: the node that stored, and what.
type entry struct {
	node int32
	v    uint64
}

func (x *model) fingerprint(s *state) uint64 {
	h := mix(uint64(s.pending)|uint64(s.bound)<<8|uint64(s.freed)<<16|uint64(s.passed)<<24|
		uint64(s.refs[0])<<32|uint64(s.refs[1])<<40|uint64(s.irqs)<<48|uint64(s.permits)<<56,
		0xfeed|uint64(s.sleepBy)<<16)
	for g := range int(x.numGrains.Load()) {
		if v := s.mem[g]; v != 0 {
			h += mix(x.grainKey[g].Load(), v)
		}
	}
	for i := range x.cfg.CPUs {
		h = mix(h, x.node(s.node[i]).hist)
		h = mix(h, uint64(s.filled[i])|uint64(s.kicked[i])<<16|s.parked[i]<<24)
		for _, e := range s.buffer[i][:s.filled[i]] {
			ev := &x.node(e.node).ev
			h = mix(h, ev.addr<<4|uint64(ev.width))
			h = mix(h, e.v)
		}
	}
	return h
}

// permit is the bit of state.permits for waiter i, from 1, and one of the two ways to sleep.
func permit(i uint64, by uint8) uint8 { return 1 << (uint8(i-1) + by*maxCPUs) }

// Violation is what must not happen.
type Violation = result.Violation

// ViolationKind is a kind of violation.
type ViolationKind = result.ViolationKind

// The kinds of violations.
const (
	TwoHolders ViolationKind = "two holders"
	LostWakeup ViolationKind = "lost wake-up"
	// a lost wake-up of a CPU that announced itself before it could be found
	NotFound     ViolationKind = "waiter not online"
	EndlessAwait ViolationKind = "await without end"
	Livelock     ViolationKind = "livelock"
	Freed        ViolationKind = "freed lock touched"
	NodeTouched  ViolationKind = "released node touched"
	DoubleHash   ViolationKind = "two hash entries"
	Misuse       ViolationKind = "fatal" // among them a slow value without an entry
	KickUnbound  ViolationKind = "kick of an unbound CPU"
	WrongPlace   ViolationKind = "access outside the lock"
	DoubleFree   ViolationKind = "lock freed twice"
	BusyWait     ViolationKind = "waiter does not sleep" // with Config.Busy
	WokenTwice   ViolationKind = "woken twice"
	LeftOver     ViolationKind = "trace left behind" // in a mutex that nobody uses any more
)

// What a CPU can do.
const (
	actStep    = iota // its event
	actGiveUp         // a bounded spin ends without what it waits for
	actFlush          // the oldest store reaches memory
	actIRQ            // an interrupt comes
	actWake           // a sleep ends for no reason
	actDrain          // + j: CPU j's buffer is found empty
	actsPerCPU = 16
)

// environment says whether an action is one that nobody can count on.
func environment(act int) bool { return act%actsPerCPU == actIRQ || act%actsPerCPU == actWake }

// runner executes steps, for one goroutine.
type runner struct {
	x    *model
	bad  *Violation
	rows *[]result.CheckRow // if not nil, what happens is written down
	max  struct {
		passed, kicked uint8
		tooDeep        bool
	}
}

func (r *runner) violated(kind ViolationKind, format string, args ...any) {
	if r.bad == nil {
		r.bad = &Violation{Kind: kind, Text: fmt.Sprintf(format, args...)}
	}
}

func (r *runner) read(s *state, i int, ev *event) uint64 {
	v := s.mem[ev.grain]
	for _, e := range s.buffer[i][:s.filled[i]] {
		if b := &r.x.node(e.node).ev; b.grain == ev.grain {
			m := b.mask() << b.shift
			v = v&^m | e.v<<b.shift&m
		}
	}
	return v >> ev.shift & ev.mask()
}

func (ev *event) mask() uint64 { return ^uint64(0) >> (64 - 8*uint(ev.width)) }

// write changes memory, and looks at what must hold of it.
func (r *runner) write(s *state, i int, ev *event, v uint64) {
	m := ev.mask() << ev.shift
	old := s.mem[ev.grain]
	s.mem[ev.grain] = old&^m | v<<ev.shift&m
	switch {
	case ev.region == regionLocks:
		r.alive(s, i, ev)
		if r.x.cfg.Bypass && i == 0 && s.passed == 0 && s.mem[ev.grain] != old {
			if n := r.x.node(s.node[0]); n.meta.inLock > 0 && n.meta.crit[0] == 0 {
				s.passed = 1
			}
		}
	case ev.owner >= 0 && int(ev.owner) != i:
		if o := r.x.node(s.node[ev.owner]); o.meta.inLock <= ev.slot {
			r.violated(NodeTouched, "CPU %d writes %s, and CPU %d isn't waiting there any more", i,
				r.x.w.name(ev.addr, ev.width), ev.owner)
		}
	case ev.region == r.x.hashRegion && ev.width == 8 && v != 0:
		entries := 0
		for _, g := range *r.x.hashGrains.Load() {
			if s.mem[g] == v {
				entries++
			}
		}
		if entries > 1 {
			r.violated(DoubleHash, "lock %s has %d entries in the table", r.x.value(v), entries)
		}
	}
}

// alive checks that the lock that an event accesses is still there.
func (r *runner) alive(s *state, i int, ev *event) {
	if ev.region != regionLocks || s.freed == 0 {
		return
	}
	_, l, _ := r.x.w.regionOf(ev.addr)
	if s.freed&(1<<l) != 0 {
		r.violated(Freed, "CPU %d accesses %s after its last user was done with it", i,
			r.x.w.name(ev.addr, ev.width))
	}
}

// step lets a CPU do something, and then whatever needs no choice.
func (r *runner) step(s *state, act int) {
	i := act / actsPerCPU
	n := r.x.node(s.node[i])
	switch a := act % actsPerCPU; a {
	case actFlush:
		r.flush(s, i)
	case actIRQ:
		s.irqs++
		s.parked[i] = 0 // a sleeper finds itself awake afterwards: a system call interrupted
		r.row(s, i, n, "interrupt", true)
		r.move(s, i, n, input{irq: true})
	case actWake:
		s.parked[i] = 0
		switch n.ev.kind {
		case arch.Sleep:
			r.row(s, i, n, "gives up", false)
			r.move(s, i, n, input{})
		case arch.IsDone:
			r.row(s, i, n, "is to give up", false)
			r.move(s, i, n, input{v: 1})
		default:
			r.row(s, i, n, "wakes for no reason", true)
			r.move(s, i, n, input{})
		}
	case actGiveUp:
		r.execute(s, i, n, true)
	case actStep:
		r.execute(s, i, n, false)
	default:
		switch n.ev.kind {
		case arch.Clock, arch.Guess:
			r.row(s, i, n, guessed(&n.ev, a-actDrain), false)
		default:
			r.row(s, i, n, fmt.Sprintf("CPU %d's buffer is empty", a-actDrain), true)
		}
		r.move(s, i, n, input{v: uint64(a - actDrain)})
	}
	r.settle(s)
}

func (r *runner) flush(s *state, i int) {
	b := &s.buffer[i]
	e := b[0]
	copy(b[:], b[1:s.filled[i]])
	s.filled[i]--
	b[s.filled[i]] = entry{}
	n := r.x.node(e.node)
	r.write(s, i, &n.ev, e.v)
	if r.rows != nil {
		r.row(s, i, n,
			fmt.Sprintf("  %s = %s reaches memory", r.x.w.name(n.ev.addr, n.ev.width),
				r.x.value(e.v)), true)
	}
}

// enabled returns what CPU i can do, a bit for each action.
func (r *runner) enabled(s *state, i int) (acts uint32) {
	n := r.x.node(s.node[i])
	ev := &n.ev
	drained := s.filled[i] == 0
	if !drained {
		acts |= 1 << actFlush
	}
	if r.interruptible(s, i, n) {
		acts |= 1 << actIRQ
	}
	can := true
	switch ev.kind {
	case arch.Store:
		can = int(s.filled[i]) < r.x.cfg.Buffer
		if !can {
			r.max.tooDeep = true
		}
	case arch.Spin:
		if r.read(s, i, ev)&ev.a == ev.b && ev.n != 1 {
			can = false
			if ev.n != arch.Forever {
				acts |= 1 << actGiveUp
			}
		}
	case arch.Poll:
		can = drained && s.pending&(1<<i) != 0
		if drained && !can && r.x.cfg.Spurious {
			acts |= 1 << actWake
		}
	case evParked:
		can = s.parked[i] == 0
		if !can && r.x.cfg.Spurious {
			acts |= 1 << actWake
		}
	case evDrain:
		can = false
		for j := range r.x.cfg.CPUs {
			if ev.a&(1<<j) != 0 && s.filled[j] == 0 {
				acts |= 1 << (actDrain + j)
			}
		}
	case arch.Clock, arch.Guess:
		can = false
		acts |= (1<<ev.n - 1) << actDrain
	case arch.IsDone:
		acts |= 1 << actWake
	case arch.Sleep:
		can = drained && s.permits&permit(ev.a, uint8(ev.b)) != 0
		if drained && ev.n != 0 {
			acts |= 1 << actWake
		}
	case evDone, evHang:
		can = false
	case arch.Load, arch.Test, arch.SleepBy, evSection:
	default:
		can = drained
	}
	if can {
		acts |= 1 << actStep
	}
	return acts
}

// interruptible says whether an interrupt may come to a CPU at a node.
func (r *runner) interruptible(s *state, i int, n *node) bool {
	if !n.meta.irq || int(s.irqs) >= r.x.cfg.Interrupts ||
		int(n.meta.depth) >= max(1, r.x.cfg.Nesting) || n.ev.kind == evHang {
		return false
	}
	if r.x.cfg.Client.OnlyAsleep {
		return n.ev.kind == arch.Poll || n.ev.kind == evParked || n.ev.kind == arch.Spin
	}
	return true
}

// move takes a CPU's text on.
func (r *runner) move(s *state, i int, n *node, in input) {
	to := r.x.auto[i].next(n, in)
	s.node[i] = to.id
	if to.meta.crit != n.meta.crit {
		r.entered(s, i, n, to)
	}
	if to.ev.kind == arch.Fatal {
		r.violated(Misuse, "CPU %d: %s", i, to.ev.msg)
	}
}

func (r *runner) entered(s *state, i int, n, to *node) {
	for l := range to.meta.crit {
		if to.meta.crit[l] <= n.meta.crit[l] {
			continue
		}
		s.kicked[i] = 0
		if r.x.cfg.Bypass && l == 0 {
			switch {
			case i == 0:
				s.passed = 0
			case s.passed > 0:
				s.passed++
				r.max.passed = max(r.max.passed, s.passed-1)
			}
		}
		for j := range r.x.cfg.CPUs {
			held := to.meta.crit[l]
			if j != i {
				held = r.x.node(s.node[j]).meta.crit[l] + 1
			}
			if held > 1 {
				r.violated(TwoHolders, "CPUs %d and %d hold lock %s", j, i, lockName(l))
			}
		}
	}
}

// execute executes a CPU's event.
func (r *runner) execute(s *state, i int, n *node, giveUp bool) {
	ev := &n.ev
	var v, rounds uint64
	if ev.place {
		r.violated(WrongPlace, "CPU %d accesses %s, of %d bytes, outside what is the lock's", i,
			r.x.w.name(ev.addr, ev.width), ev.width)
		return
	}
	switch ev.kind {
	case arch.Load:
		v = r.read(s, i, ev)
		if ev.a != 0 {
			v &= ev.a
		}
		r.alive(s, i, ev)
	case arch.Spin:
		v, rounds = r.read(s, i, ev), 1
		if giveUp {
			rounds = uint64(ev.n)
		}
		r.alive(s, i, ev)
	case arch.Store:
		if r.x.cfg.Model == SC {
			r.write(s, i, ev, ev.a)
			break
		}
		s.buffer[i][s.filled[i]] = entry{n.id, ev.a}
		s.filled[i]++
	case arch.Xchg, arch.Cmpxchg, arch.Cas, arch.Add, arch.Or, arch.And:
		r.alive(s, i, ev)
		var new uint64
		var stores bool
		v, new, stores = update(ev, r.read(s, i, ev))
		if stores {
			r.write(s, i, ev, new)
		} else if ev.owner >= 0 {
			r.write(s, i, ev, r.read(s, i, ev)) // a failed one is a write all the same
		}
	case arch.Clear:
		s.pending &^= 1 << i
	case arch.Set:
		s.pending |= 1 << i
	case arch.Test:
		v = uint64(s.pending >> i & 1)
	case arch.Notify:
		if s.bound&(1<<ev.a) == 0 {
			r.violated(KickUnbound, "CPU %d kicks CPU %d, whose event channel isn't bound", i, ev.a)
		}
		s.pending |= 1 << ev.a
		if r.x.cfg.Kicks {
			s.kicked[ev.a] = min(s.kicked[ev.a]+1, 9)
			r.max.kicked = max(r.max.kicked, s.kicked[ev.a])
		}
	case arch.Bind:
		s.bound |= 1 << i
		s.pending &^= 1 << i
	case arch.Unbind:
		s.bound &^= 1 << i
	case arch.Park:
		if r.read(s, i, ev) == ev.a {
			s.parked[i] = ev.addr
			v = 1
		}
	case arch.Unpark:
		for j, woken := 0, uint32(0); j < r.x.cfg.CPUs && woken < ev.n; j++ {
			if s.parked[j] == ev.addr {
				s.parked[j] = 0
				woken++
			}
		}
	case arch.IsDone:
	case arch.Sleep:
		s.permits &^= permit(ev.a, uint8(ev.b))
		v = 1
	case arch.Rouse:
		p := permit(ev.a, s.sleepBy>>(ev.a-1)&1)
		if s.permits&p != 0 {
			r.violated(WokenTwice, "CPU %d wakes CPU %d, which has been woken and doesn't know yet",
				i, ev.a-1)
		}
		s.permits |= p
	case arch.SleepBy:
		s.sleepBy = s.sleepBy&^(1<<(ev.a-1)) | uint8(ev.b)<<(ev.a-1)
	case evDrop:
		l := ev.a
		if s.refs[l]++; int(s.refs[l]) == int(ev.b) {
			v = 1
		}
	case evFree:
		if s.freed&(1<<ev.a) != 0 {
			r.violated(DoubleFree, "lock %s is freed twice", lockName(int(ev.a)))
		}
		s.freed |= 1 << ev.a
	case arch.Fence, arch.Poll, evParked, evSection:
	default:
		panic(fmt.Sprintf("check: event %d can't be executed", ev.kind))
	}
	if r.rows != nil {
		r.row(s, i, n, r.x.describe(ev, v, giveUp), false)
	}
	r.move(s, i, n, input{v: ev.used(v), n: uint32(rounds)})
}

// settle executes what needs no choice: steps that no other CPU can see, nor
// change. It doesn't matter when they happen; so they happen now.
//
// None of them can go round for ever: a store makes the buffer longer, and a
// loop that looks only at what nobody changes is the text's own fault, and found.
func (r *runner) settle(s *state) {
	for steps, again := 0, true; again && r.bad == nil; {
		again = false
		for i := range r.x.cfg.CPUs {
			for r.bad == nil && r.local(s, i) {
				again = true
				if steps++; steps > 100_000 {
					r.violated(Livelock,
						"CPU %d runs on without looking at anything that another CPU writes", i)
				}
			}
		}
	}
}

// local executes the next step of a CPU if it is one that needs no choice.
func (r *runner) local(s *state, i int) bool {
	if s.filled[i] > 0 {
		if e := &r.x.node(s.buffer[i][0].node).ev; e.region != regionLocks && r.x.private(e, i) {
			r.flush(s, i)
			return true
		}
	}
	n := r.x.node(s.node[i])
	ev := &n.ev
	if ev.place {
		return false
	}
	switch ev.kind {
	case evDrop, evFree:
		if ev.kind == evFree && s.filled[i] > 0 {
			return false
		}
		r.execute(s, i, n, false)
		return true
	case arch.Load:
		if ev.region != regionLocks && r.x.constant(ev) {
			r.execute(s, i, n, false)
			return true
		}
	}
	if r.interruptible(s, i, n) {
		return false
	}
	ok := false
	switch ev.kind {
	case arch.Store:
		ok = int(s.filled[i]) < r.x.cfg.Buffer &&
			(r.x.cfg.Model == TSO || ev.region != regionLocks && r.x.private(ev, i))
	case arch.Load:
		ok = ev.region != regionLocks && r.x.private(ev, i)
	case arch.Xchg, arch.Cmpxchg, arch.Cas, arch.Add, arch.Or, arch.And:
		ok = s.filled[i] == 0 && ev.region != regionLocks && r.x.private(ev, i)
	case arch.Fence:
		ok = s.filled[i] == 0
	}
	if ok {
		r.execute(s, i, n, false)
	}
	return ok
}

// initial returns the machine after boot: the client's CPUs have come up one after the other.
func (r *runner) initial() *state {
	s := new(state)
	for i := range r.x.cfg.CPUs {
		s.node[i] = r.x.auto[i].root.id
		for r.x.node(s.node[i]).meta.boot {
			r.execute(s, i, r.x.node(s.node[i]), false)
			for s.filled[i] > 0 {
				r.flush(s, i)
			}
		}
	}
	r.settle(s)
	return s
}

// stuck looks at a state in which nobody can do anything that can be counted on.
func (r *runner) stuck(s *state) *Violation {
	asleep, waits, offline := "", "", ""
	for i := range r.x.cfg.CPUs {
		n := r.x.node(s.node[i])
		switch n.ev.kind {
		case evDone:
		case arch.Poll, evParked, arch.Sleep:
			asleep += fmt.Sprintf(", CPU %d sleeps", i)
			if !r.online(s, i) && r.announced(s, i) {
				offline = fmt.Sprintf("CPU %d has said what it waits for, and nobody looks for "+
					"it: it isn't online", i)
			}
		case evHang:
			waits += fmt.Sprintf(", CPU %d runs without looking", i)
		default:
			waits += fmt.Sprintf(", CPU %d waits at %s", i, n.ev.site.pos())
		}
	}
	switch {
	case offline != "":
		return &Violation{Kind: NotFound, Text: offline}
	case asleep != "":
		return &Violation{Kind: LostWakeup, Text: "nobody wakes anybody any more" + asleep + waits}
	case waits != "":
		return &Violation{Kind: EndlessAwait, Text: "nothing changes any more" + waits}
	}
	return r.left(s)
}

func (r *runner) online(s *state, i int) bool {
	return r.peek(s, "online", uint64(i/32*4), 4)>>(i%32)&1 != 0
}

func (r *runner) announced(s *state, i int) bool { return r.peek(s, "slots", uint64(i*64), 8) != 0 }

// peek returns what is in memory at an offset of a region.
func (r *runner) peek(s *state, name string, off uint64, width uint) uint64 {
	for j := range r.x.w.bases {
		if r.x.w.bases[j].name == name {
			addr := canonical(j, uintptr(off))
			r.x.grainMu.Lock()
			g, ok := r.x.grainOf[addr>>3]
			r.x.grainMu.Unlock()
			if ok {
				return s.mem[g] >> (addr & 7 * 8) & (^uint64(0) >> (64 - 8*width))
			}
		}
	}
	return 0
}
