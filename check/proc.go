package check

import (
	"iter"
	"runtime"
	"strconv"
	"strings"
	"sync"

	"example.com/pvlock/internal/twin"
	"example.com/pvlock/internal/twin/arch"
	gen "example.com/pvlock/internal/twin/gen/twin"
	"example.com/pvlock/internal/twin/paravirt"
)

// The checker's own events, beside arch's.
const (
	evSection = arch.NumKinds + iota // a moment inside a critical section
	// gives up the CPU's reference to a lock; V = 1 if it was the last
	evDrop
	evFree   // frees a lock's memory
	evDrain  // waits for one of the CPUs of mask A to have an empty buffer; V = which
	evParked // sleeps in Park
	evDone   // the client has ended
	evHang   // runs for ever without looking at shared memory
)

// An event is one operation of a CPU in canonical terms.
type event struct {
	kind  arch.Kind
	width uint8
	shift uint8 // of the cell in its grain, in bits
	n     uint32
	grain int
	addr  uint64
	a, b  uint64
	msg   string
	site  *site

	region int
	use    twin.Use // how much of the result is used
	place  bool     // the cell isn't the lock's, or nobody's
	write  bool
	cells  bool // it accesses a cell
	owner  int8 // of the queue node that it accesses, or -1
	slot   uint8
}

// same says whether two events are the same operation.
func (e *event) same(o *event) bool {
	return e.kind == o.kind && e.addr == o.addr && e.width == o.width && e.a == o.a && e.b == o.b &&
		e.n == o.n
}

// meta is what the client knows of where its CPU is.
type meta struct {
	crit   [maxLocks]uint8 // how often it holds each lock
	inLock uint8           // calls of Lock that are under way, in all contexts
	depth  uint8           // interrupts that are under way
	boot   bool
	irq    bool // an interrupt may come here
	same   bool // the interrupted context waits for the lock, and doesn't hold it
}

func (m *meta) hash() uint64 {
	h := uint64(m.inLock)<<8 | uint64(m.depth)
	for _, c := range m.crit {
		h = h<<4 | uint64(c)
	}
	return h
}

// A site is a place in the text.
type site struct {
	id   int
	Pos  string // file:line of the original
	Func string
	hash uint64
}

// A trail is the calls that led to an event: places of the lock text and of the
// client, innermost first.
type trail struct {
	sites []*site
	place uint64 // of all but the innermost
}

// sites are the places that have been seen. They are facts of the program, and
// shared by all explorations.
var sites = struct {
	sync.Mutex
	trails map[uint64]*trail // by a hash of the program counters
	byPos  map[string]*site
	uses   map[string]twin.Use
}{trails: make(map[uint64]*trail), byPos: make(map[string]*site)}

// here returns how the caller's caller came where it is.
func here() *trail {
	var pcs [48]uintptr
	stack := pcs[:runtime.Callers(2, pcs[:])]
	key := uint64(len(stack))
	for _, pc := range stack {
		key = mix(key, uint64(pc))
	}
	sites.Lock()
	defer sites.Unlock()
	if t, ok := sites.trails[key]; ok {
		return t
	}
	t := &trail{}
	for fs := runtime.CallersFrames(stack); ; {
		f, more := fs.Next()
		if s := siteOf(f); s != nil {
			if t.sites = append(t.sites, s); len(t.sites) > 1 {
				t.place = mix(t.place, s.hash)
			}
		}
		if !more {
			break
		}
	}
	sites.trails[key] = t
	return t
}

func (t *trail) at() *site {
	if len(t.sites) == 0 {
		return nil
	}
	return t.sites[0]
}

// caller returns the place that uses the event channel: not the channel's own text.
func (t *trail) caller() *site {
	for _, s := range t.sites {
		if !strings.HasPrefix(s.Pos, "check/") && !strings.HasPrefix(s.Pos, "paravirt/channel.go") {
			return s
		}
	}
	return t.at()
}

func siteOf(f runtime.Frame) *site {
	const in = "/internal/twin/"
	i := strings.LastIndex(f.File, in)
	name := f.Function[strings.LastIndex(f.Function, "/")+1:]
	pos := ""
	switch {
	case i >= 0 && strings.HasPrefix(f.File[i+len(in):], "arch/"):
		return nil
	case i >= 0:
		pos = f.File[i+len(in):] + ":" + strconv.Itoa(f.Line-gen.HeaderLines)
	case strings.Contains(f.File, "/check/") && !strings.HasSuffix(f.File, "/proc.go"):
		pos = f.File[strings.LastIndex(f.File, "/check/")+1:] + ":" + strconv.Itoa(f.Line)
	default:
		return nil
	}
	if s := sites.byPos[pos]; s != nil {
		return s
	}
	s := &site{id: len(sites.byPos), Pos: pos, Func: name, hash: mixString(0, pos)}
	sites.byPos[pos] = s
	return s
}

// input is what a CPU is told when it goes on: the result of its event, or that an
// interrupt comes first.
type input struct {
	irq bool
	n   uint32
	v   uint64
}

// request is where a CPU stands: the event that it is about to execute.
type request struct {
	hist uint64
	ev   event
	meta meta
}

// A Proc is a CPU that runs a client. Its methods are what clients are written in.
type Proc struct {
	CPU *paravirt.CPU
	// ID is the CPU's number.
	ID int

	x     *model
	w     *world
	yield func(*request) bool
	in    input

	frame
	// lost counts what was skipped without an event since the last one: a weakened loop may have
	// nothing left to stop at.
	lost int
}

// frame is what belongs to a CPU's code in one context: task or interrupt.
type frame struct {
	hist  uint64 // of all results that this code's future depends on
	outer uint64 // the interrupted code's
	at    uint64 // the client's place
	meta  meta
	rel   []invocation
	held  []event // stores that a weakening holds back
	until string  // the site that they wait for; "" is the next event
	seen  map[uint64]uint64
	hour  hour
}

// invocation is a call of a function of paravirt with a loop in it. What its caller
// knows the function can't tell: at its loop's head only what has happened since the call is
// forgotten.
type invocation struct {
	site  *site
	depth int
	stack uint64
	hist  uint64
}

type stopped struct{}

// start runs a client's part on a CPU, and returns where it stands first.
func (x *model) start(cpu int) *coroutine {
	w, err := newWorld(&x.cfg)
	if err != nil {
		panic(err)
	}
	p := &Proc{CPU: w.m.CPU(cpu), ID: cpu, x: x, w: w}
	p.CPU.Core = arch.Core{Engine: p}
	for i := range w.mutexes {
		w.mutexes[i].Core = p.CPU.Core
	}
	co := &coroutine{p: p}
	co.next, co.stop = iter.Pull(func(yield func(*request) bool) {
		defer func() {
			if r := recover(); r != nil && r != any(stopped{}) {
				panic(r)
			}
		}()
		defer func() {
			r := recover()
			if err, ok := r.(runtime.Error); ok {
				// Text that has been weakened, or is wrong, may take a wrong value for an index.
				p.hist = mix(p.hist, 0xc7a5)
				p.do(event{kind: arch.Fatal, msg: "the text crashes: " + err.Error(), owner: -1})
			} else if r != nil {
				panic(r)
			}
		}()
		p.yield = yield
		p.hist = mix(uint64(cpu), 1)
		x.cfg.Client.run(p)
		p.settle()
		p.do(event{kind: evDone, owner: -1})
	})
	co.advance()
	return co
}

// coroutine is a client's part that has run up to an event.
type coroutine struct {
	p    *Proc
	next func() (*request, bool)
	stop func()
	req  *request
}

func (co *coroutine) advance() {
	r, ok := co.next()
	if !ok {
		panic("check: a client ended without its last event")
	}
	co.req = r
}

func (co *coroutine) feed(in input) {
	co.p.in = in
	co.advance()
}

// do hands an event over and returns its result.
func (p *Proc) do(ev event) (v uint64, n uint32) {
	p.lost = 0
	for {
		if !p.yield(&request{hist: p.hist, ev: ev, meta: p.meta}) {
			panic(stopped{})
		}
		if !p.in.irq {
			break
		}
		p.interrupt()
	}
	v, n = p.in.v, p.in.n
	p.hist = mix(mix(p.hist, v), uint64(n))
	if ev.cells && p.x.cfg.weak.stale() {
		p.notice(&ev, v)
	}
	return v, n
}

// interrupt runs the client's handler on this CPU, and leaves everything as it was.
func (p *Proc) interrupt() {
	outer := p.frame
	p.frame = frame{hist: mix(outer.hist, 0x1729), outer: outer.hist, meta: outer.meta}
	p.meta.depth++
	p.meta.irq, p.meta.same = false, false
	i := p.CPU.EnterInterrupt()
	p.x.cfg.Client.Handler(p)
	p.CPU.ExitInterrupt(i)
	p.settle()
	p.frame = outer
}

// Exec executes an event of the lock text.
func (p *Proc) Exec(e arch.Event) (v uint64, rounds uint32) {
	switch e.Kind {
	case arch.Pause, arch.Pin, arch.Unpin, arch.Seal, arch.Ticks, arch.Now, arch.Work:
		// Of one CPU alone, and time isn't modelled.
		return 0, 0
	case arch.TakeWaiter:
		// Each goroutine has one of its own.
		return uint64(p.ID) + 1, 0
	case arch.DropWaiter:
		return 0, 0
	}
	t := here()
	at := t.at()
	if e.Kind >= arch.Poll {
		at = t.caller()
	}
	if e.Kind == arch.Head {
		p.head(e.A, t)
		return 0, 0
	}
	for len(p.rel) > 0 && len(t.sites) < p.rel[len(p.rel)-1].depth {
		p.rel = p.rel[:len(p.rel)-1]
	}
	switch e.Kind {
	case arch.Membarrier:
		if w := &p.x.cfg.weak; w.What == Drop && w.At == at.Pos {
			p.x.applied.Store(true)
			return 0, 0
		}
		p.settle()
		for mask := uint64(1)<<p.x.cfg.CPUs - 1; mask != 0; {
			j, _ := p.do(event{kind: evDrain, a: mask, site: at, owner: -1})
			mask &^= 1 << j
		}
		return 0, 0
	case arch.Park:
		ev := p.resolve(e, at)
		if slept, _ := p.weakly(ev); slept != 0 {
			p.do(event{kind: evParked, site: at, owner: -1})
		}
		return 0, 0
	case arch.Sleep:
		// Asleep, a goroutine has forgotten how it came there; and a moment is a moment again.
		p.hour.at &^= 1
		p.head(e.A, t)
		return p.weakly(p.resolve(e, at))
	case arch.Clock:
		return p.nanotime(at), 0
	case arch.Guess:
		if e.A == 0 && p.x.cfg.Spin != AnySpin {
			return uint64(p.x.cfg.Spin), 0
		}
		return p.do(event{kind: arch.Guess, n: 2, site: at, owner: -1})
	}
	return p.weakly(p.resolve(e, at))
}

// Addr returns the number that stands for a lock's address.
func (p *Proc) Addr(w *arch.Word) arch.Addr {
	return arch.Addr(p.w.address(w))
}

// head forgets how the CPU came here.
func (p *Proc) head(live uint64, t *trail) {
	at := t.at()
	p.skipped(at)
	if p.x.cfg.noHeads || len(p.held) > 0 {
		return
	}
	from := mix(p.outer, mix(p.at, p.meta.hash()))
	if strings.HasPrefix(at.Pos, "paravirt/") {
		top := len(p.rel) - 1
		if top < 0 || p.rel[top].site != at || p.rel[top].stack != t.place {
			p.rel = append(p.rel, invocation{at, len(t.sites), t.place, p.hist})
			top = len(p.rel) - 1
		}
		from = p.rel[top].hist
	}
	h := mix(mix(mix(from, t.place), at.hash), live) + p.hour.hash()
	for addr, v := range p.seen {
		h += mix(mix(1, addr), v)
	}
	p.hist = h
}

// resolve puts an event in canonical terms.
func (p *Proc) resolve(e arch.Event, at *site) event {
	ev := event{kind: e.Kind, width: e.Width, n: e.N, a: e.A, b: e.B, msg: e.Msg, site: at,
		owner: -1}
	if !p.x.cfg.weak.stale() { // which puts the whole of a result elsewhere
		ev.use = useOf(at, e.Kind, e.Width)
	}
	if e.Cell == nil {
		return ev
	}
	ev.cells = true
	ev.write = e.Kind == arch.Store || e.Kind.Locked()
	addr, ok := p.w.resolve(e.Cell)
	if !ok {
		ev.cells, ev.place = false, true
		return ev
	}
	ev.addr = addr
	ev.region = regionNumber(addr)
	ev.grain = p.x.grain(addr)
	ev.shift = uint8(addr&7) * 8
	r, index, off := p.w.regionOf(addr)
	switch r.name {
	case "lock":
		ev.place = off+uintptr(e.Width) > uintptr(p.x.cfg.size())
	case "waiters":
		ev.owner = int8(index) - 1
	case "nodes":
		ev.owner = int8(index)
		ev.slot = uint8(off / (r.elem.Size() / paravirt.Contexts))
	}
	return ev
}

var methods = [arch.NumKinds]string{arch.Load: "Load", arch.Xchg: "Xchg", arch.Cmpxchg: "Cmpxchg",
	arch.Cas: "Cas", arch.Add: "Add"}

// useOf returns how much of the result of an operation is used at a place.
func useOf(at *site, k arch.Kind, width uint8) twin.Use {
	if at == nil || methods[k] == "" {
		return twin.Use{}
	}
	sites.Lock()
	defer sites.Unlock()
	if sites.uses == nil {
		sites.uses = make(map[string]twin.Use)
		for _, u := range twin.Uses() {
			sites.uses[u.At] = u
		}
	}
	return sites.uses[at.Pos+":"+methods[k]+[...]string{1: "8", 2: "16", 4: "32", 8: "Ptr"}[width]]
}

// used returns a result as far as it is used: what differs without making a difference
// becomes the same.
func (ev *event) used(v uint64) uint64 {
	is := ev.use.Value
	switch ev.use.How {
	case twin.Unused:
		return 0
	case twin.ComparedToOld:
		is = ev.a
	case twin.Compared:
	default:
		return v
	}
	if v != is {
		return is ^ 1
	}
	return v
}
