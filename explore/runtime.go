package explore

import (
	"fmt"
	"strings"
)

// What is known of Go's runtime, by version. Bodies run sync's own code; what that asks of the
// scheduler, and what allocates, is taken over by hooks.

// gM is where a goroutine's descriptor has its thread's.
const gM = 48

// asksForFeatures reports whether a function's loads of single bytes at fixed addresses ask which
// features the processor has: then it moves memory by what every processor has.
func asksForFeatures(name string) bool {
	switch name {
	case "runtime.memmove", "runtime.memclrNoHeapPointers", "memeqbody", "cmpbody":
		return true
	}
	return false
}

// A layout says where the runtime's tables of functions are.
type layout struct {
	pctab   uint64 // in moduledata: the slice of tables by program counter
	gofunc  uint64 // in moduledata: the base of what functions' tables point to
	deferFn uint64 // in a record of runtime.deferprocStack: the closure
}

// A knownRuntime is what is known of a version's runtime.
type knownRuntime struct {
	// hooks are by the linker's names of the functions. A function with a nil hook is interpreted,
	// though it is the runtime's.
	hooks  map[string]*Hook
	layout layout
}

// runtimeOf returns what is known of a Go version.
func runtimeOf(version string) (*knownRuntime, error) {
	known := []struct {
		prefix string
		hooks  func() map[string]*Hook
		layout layout
	}{
		{"go1.26", hooks126, layout{pctab: 80, gofunc: 320, deferFn: 24}},
		{"go1.27", hooks126, layout{pctab: 80, gofunc: 344, deferFn: 24}},
	}
	var names []string
	for _, r := range known {
		for _, next := range []string{"", ".", "rc", "-", " "} {
			if rest, ok := strings.CutPrefix(version, r.prefix); ok &&
				(rest == "" && next == "" || next != "" && strings.HasPrefix(rest, next)) {
				return &knownRuntime{r.hooks(), r.layout}, nil
			}
		}
		names = append(names, r.prefix)
	}
	return nil, fmt.Errorf("explore knows the runtime of %s, and not that of %s",
		strings.Join(names, ", "), version)
}

func hooks126() map[string]*Hook {
	return map[string]*Hook{
		"sync.runtime_Semacquire": {Args: 1, Drain: true, Outcomes: semReady,
			Call: semAcquire},
		"sync.runtime_SemacquireWaitGroup": {Args: 1, Drain: true, Outcomes: semReady,
			Call: semAcquire},
		"sync.runtime_SemacquireRWMutex": {Args: 2, Drain: true, Outcomes: semReady,
			Call: semAcquireLIFO},
		"sync.runtime_SemacquireRWMutexR": {Args: 2, Drain: true, Outcomes: semReady,
			Call: semAcquireLIFO},
		"internal/sync.runtime_SemacquireMutex": {Args: 2, Drain: true, Outcomes: semReady,
			Call: semAcquireLIFO},
		"sync.runtime_Semrelease":          {Args: 2, Drain: true, Call: semRelease},
		"internal/sync.runtime_Semrelease": {Args: 2, Drain: true, Call: semRelease},
		"internal/sync.runtime_canSpin": {Args: 1, Results: 1, Outcomes: spinOutcomes,
			Call: returnOutcome},
		"internal/sync.runtime_doSpin":   {Local: true},
		"internal/sync.runtime_nanotime": {Results: 1, Outcomes: both, Call: starving},
		"sync.runtime_notifyListAdd":     {Args: 1, Results: 1, Drain: true, Call: notifyListAdd},
		"sync.runtime_notifyListWait": {Args: 2, Drain: true, Outcomes: notifyReady,
			Call: notifyListWait},
		"sync.runtime_notifyListNotifyAll": {Args: 1, Drain: true, Call: notifyAll},
		"sync.runtime_notifyListNotifyOne": {Args: 1, Drain: true, Call: notifyOne},
		"sync/atomic.runtime_procPin":      {Results: 1, Local: true, Call: returnZero},
		"sync/atomic.runtime_procUnpin":    {Local: true},
		"sync.runtime_procPin":             {fatal: true, Local: true},
		"runtime.mcall":                    {}, // of Gosched
		"internal/synctest.IsInBubble":     {Results: 1, Local: true, Call: returnZero},
		"runtime.newobject":                {Args: 1, Results: 1, Local: true, Call: newObject},
		"runtime.mallocgc":                 {Args: 3, Results: 1, Local: true, Call: mallocgc},
		"runtime.makeslice":                nil,
		"runtime.gopanic": {Args: 2, Local: true, noReturn: true,
			run: (*worker).goPanic},
		"runtime.gorecover": {Results: 2, Local: true, run: (*worker).recovers},
		"runtime.deferproc": {Args: 1, Results: 1, Local: true,
			run: (*worker).deferProc},
		"runtime.deferprocStack": {Args: 1, Results: 1, Local: true,
			run: (*worker).deferProcStack},
		"runtime.deferreturn":              {Local: true, run: (*worker).deferReturn},
		"runtime.panicCheck1":              {Local: true},
		"runtime.panicCheck2":              {Local: true},
		"runtime.findfunc":                 nil,
		"runtime.findmoduledatap":          nil,
		"runtime.pcdatavalue":              nil,
		"runtime.pcdatastart":              nil,
		"runtime.pcvalue":                  nil,
		"runtime.step":                     nil,
		"runtime.readvarint":               nil,
		"runtime.funcname":                 nil,
		"runtime.findnull":                 nil,
		"runtime.(*moduledata).textAddr":   nil,
		"runtime.(*moduledata).textOff":    nil,
		"runtime.(*moduledata).funcName":   nil,
		"runtime.Gosched":                  {},
		"runtime.KeepAlive":                {Local: true},
		"runtime.duffzero":                 nil,
		"runtime.duffcopy":                 nil,
		"runtime.memmove":                  nil,
		"runtime.typedmemmove":             nil,
		"runtime.wbMove":                   nil,
		"runtime.wbZero":                   nil,
		"runtime.typedmemclr":              nil,
		"runtime.memclrNoHeapPointers":     nil,
		"runtime.memclrHasPointers":        nil,
		"runtime.concatstring2":            nil,
		"runtime.concatstring3":            nil,
		"runtime.concatstring4":            nil,
		"runtime.concatstring5":            nil,
		"runtime.concatstrings":            nil,
		"runtime.rawstringtmp":             nil,
		"runtime.rawstring":                nil,
		"runtime.stringDataOnStack":        nil,
		"runtime.slicebytetostring":        nil,
		"runtime.stringtoslicebyte":        nil,
		"runtime.rawbyteslice":             nil,
		"runtime.memequal":                 nil,
		"runtime.memequal_varlen":          nil,
		"runtime.growslice":                nil,
		"runtime.nextslicecap":             nil,
		"runtime.roundupsize":              nil,
		"runtime.reflect_typedslicecopy":   nil,
		"runtime.typedslicecopy":           nil,
		"runtime.convT":                    nil,
		"runtime.convTnoptr":               nil,
		"runtime.convT16":                  nil,
		"runtime.convT32":                  nil,
		"runtime.convT64":                  nil,
		"runtime.convTstring":              nil,
		"runtime.convTslice":               nil,
		"runtime.assertE2I":                nil,
		"runtime.assertE2I2":               nil,
		"runtime.typeAssert":               nil,
		"runtime.interfaceSwitch":          nil,
		"runtime.getitab":                  {Args: 3, Results: 1, Local: true, Call: getItab},
		"runtime.cheaprand":                {Results: 1, Local: true, Call: returnOne},
		"runtime.(*itabTableType).find":    nil,
		"runtime.itabHashFunc":             nil,
		"runtime.efaceeq":                  nil,
		"runtime.ifaceeq":                  nil,
		"runtime.strequal":                 nil,
		"runtime.interequal":               nil,
		"runtime.nilinterequal":            nil,
		"runtime.f64equal":                 nil,
		"runtime.f32equal":                 nil,
		"runtime.memequal0":                nil,
		"runtime.memequal8":                nil,
		"runtime.memequal16":               nil,
		"runtime.memequal32":               nil,
		"runtime.memequal64":               nil,
		"runtime.memequal128":              nil,
		"runtime.cmpstring":                nil,
		"runtime.unsafeslice":              nil,
		"runtime.unsafestring":             nil,
		"sync.runtime_registerPoolCleanup": {Local: true},
	}
}

// ofRuntime reports whether a function is the runtime's own, or stands for an instruction.
func ofRuntime(name string) bool {
	return strings.HasPrefix(name, "runtime.") || strings.HasPrefix(name, "internal/runtime/") ||
		strings.HasPrefix(name, "sync/atomic.")
}

// runtimeHook returns the hook of a function by its name: nil if its code is interpreted.
func (p *program) runtimeHook(name string) *Hook {
	if h, ok := p.byName[name]; ok {
		return h
	}
	switch {
	case panics(name):
		return nil
	case strings.HasPrefix(name, "runtime.mallocgc"): // of one size class
		return p.byName["runtime.mallocgc"]
	case strings.HasSuffix(name, "sync.fatal"), strings.HasSuffix(name, "sync.throw"):
		return &Hook{fatal: true, Local: true, Args: 2}
	case strings.HasPrefix(name, "internal/runtime/atomic."),
		strings.HasPrefix(name, "internal/runtime/math."),
		strings.HasPrefix(name, "internal/runtime/sys."):
		return nil
	case strings.HasPrefix(name, "sync/atomic."):
		return nil
	case ofRuntime(name), strings.HasPrefix(name, "sync.(*Pool)."),
		strings.HasPrefix(name, "sync.(*Map)."),
		strings.HasPrefix(name, "internal/sync.(*HashTrieMap"), strings.HasPrefix(name, "time."),
		strings.HasPrefix(name, "os."),
		strings.HasPrefix(name, "fmt."), strings.HasPrefix(name, "syscall."),
		strings.HasPrefix(name, "testing."), strings.HasPrefix(name, "reflect."):
		return &Hook{fatal: true, Local: true}
	}
	return nil
}

// panics reports whether a function of the runtime's does nothing but raise a panic. Its code is
// interpreted, so that the panic's value is the runtime's.
func panics(name string) bool {
	return strings.HasPrefix(name, "runtime.panic") && name != "runtime.panicCheck1" &&
		name != "runtime.panicCheck2" ||
		strings.HasPrefix(name, "runtime.goPanic")
}

// what the runtime's functions are for, to those who write bodies.
var refusals = []struct{ prefix, what string }{
	{"runtime.chan", "a channel"}, {"runtime.closechan", "a channel"},
	{"runtime.makechan", "a channel"},
	{"runtime.select", "a channel"}, {"runtime.block", "a channel"},
	{"runtime.map", "a map"}, {"runtime.makemap", "a map"}, {"internal/runtime/maps.", "a map"},
	{"sync.runtime_procPin", "sync.Pool"}, {"sync.(*Pool)", "sync.Pool"},
	{"sync.(*Map)", "sync.Map"},
	{"internal/sync.(*HashTrieMap", "sync.Map"}, {"runtime.newproc", "a go statement"},
	{"runtime.defer", "a defer in a loop over a function"}, {"time.", "time"},
	{"runtime.nanotime", "time"},
	{"fmt.", "formatting"}, {"os.", "the operating system"}, {"syscall.", "the operating system"},
	{"testing.", "the test itself"}, {"reflect.", "reflection"}, {"runtime.print", "printing"},
	{"runtime.GC", "the garbage collector"}, {"runtime.SetFinalizer", "a finalizer"},
	{"runtime.AddCleanup", "a cleanup"}, {"runtime.racefunc", "the race detector"},
}

// reached is a call of a function that can't be modelled or ends the program.
func (w *worker) reached(h *Hook) {
	t := w.t
	if strings.HasSuffix(h.name, ".fatal") || strings.HasSuffix(h.name, ".throw") {
		w.fail("fatal error", "%s at %s", stringAt(t.R[rAX], t.R[rBX]), w.position())
		return
	}
	for _, r := range refusals {
		if strings.HasPrefix(h.name, r.prefix) {
			w.refuse("%s (%s) can't be explored", r.what, h.name)
			return
		}
	}
	w.refuse("%s can't be explored", h.name)
}

func returnZero(t *Thread, _ int)     { t.Return(0, 0) }
func returnOne(t *Thread, _ int)      { t.Return(0, 1) }
func returnOutcome(t *Thread, n int)  { t.Return(0, uint64(n)) }
func both(*Thread) uint32             { return 3 }
func choices(t *Thread) uint32        { return 1<<min(t.Arg(0), 16) - 1 }
func starving(t *Thread, outcome int) { t.Return(0, uint64(outcome)*50e6) }
func freeCall(t *Thread, _ int)       { t.Freed(t.Arg(0), t.Arg(1)) }
func semAcquireLIFO(t *Thread, o int) { semWait(t, t.Arg(1)&1 != 0) }
func semAcquire(t *Thread, o int)     { semWait(t, false) }

// spinOutcomes: sync's spinning changes nothing but the order of steps; to try once is enough.
func spinOutcomes(t *Thread) uint32 {
	if t.Arg(0) < 1 {
		return 3
	}
	return 1
}

func assert(t *Thread, _ int) {
	if t.Arg(0)&0xff == 0 {
		t.w.fail("assertion", "at %s", t.w.position())
	}
}

// newObject allocates a type's size, which is its descriptor's first word.
func newObject(t *Thread, _ int) {
	t.Return(0, t.w.allocate(t.w.load8(t.Arg(0), 8), t.Arg(0)))
}

func mallocgc(t *Thread, _ int) {
	if size := t.Arg(0); size > maxArena {
		t.w.refuse("%d bytes are allocated at once", size)
	} else {
		t.Return(0, t.w.allocate(size, t.Arg(1)))
	}
}

// Semaphores. The sleepers stand in a queue of one byte each, which is a cell like any other; the
// address that each waits on is the argument of its call.
const (
	semQueue  = modelBase         // thread+1 by position
	semStatus = modelBase + 0x100 // + 8*thread
)

// What a sleeper's status may be.
const (
	semAwake   = iota // it does not sleep
	semAsleep         // it waits for a release
	semWoken          // it may try again
	semGranted        // the permit is handed to it
)

func semReady(t *Thread) uint32 {
	if t.status() == semAsleep {
		return 0
	}
	return 1
}

func (t *Thread) status() uint64 { return t.Load(semStatus+8*uint64(t.index), 8) }

func (t *Thread) setStatus(i int, v uint64) { t.Store(semStatus+8*uint64(i), v, 8) }

func semWait(t *Thread, lifo bool) {
	addr := t.Arg(0)
	status := t.status()
	if status == semGranted {
		t.setStatus(t.index, semAwake)
		return
	}
	if n := t.Load(addr, 4); n > 0 {
		t.Store(addr, n-1, 4)
		if status != semAwake {
			t.setStatus(t.index, semAwake)
		}
		return
	}
	q := t.Load(semQueue, 8)
	if me := uint64(t.index) + 1; lifo {
		q = q<<8 | me
	} else {
		k := 0
		for q>>(8*k)&0xff != 0 {
			k++
		}
		q |= me << (8 * k)
	}
	t.Store(semQueue, q, 8)
	t.setStatus(t.index, semAsleep)
	t.Again()
}

func semRelease(t *Thread, _ int) {
	addr, handoff := t.Arg(0), t.Arg(1)&1 != 0
	t.Store(addr, t.Load(addr, 4)+1, 4)
	q := t.Load(semQueue, 8)
	for k := 0; k < 8 && q>>(8*k)&0xff != 0; k++ {
		i := int(q>>(8*k)&0xff) - 1
		if t.w.s.threads[i].R[rAX] != addr {
			continue
		}
		low := uint64(1)<<(8*k) - 1
		t.Store(semQueue, q&low|q>>8&^low, 8)
		if handoff {
			t.Store(addr, t.Load(addr, 4)-1, 4)
			t.setStatus(i, semGranted)
		} else {
			t.setStatus(i, semWoken)
		}
		return
	}
}

// Condition variables: struct notifyList is {wait, notify uint32; …}, tickets by order of arrival.
const (
	// + 8*thread: 0, or ticket+1 while it sleeps, |woken once it may go
	notifyTicket = modelBase + 0x200
	notifyWoken  = 1 << 32
)

func notifyListAdd(t *Thread, _ int) {
	addr := t.Arg(0)
	n := t.Load(addr, 4)
	t.Store(addr, n+1, 4)
	t.Return(0, n)
}

func notifyReady(t *Thread) uint32 {
	v := t.Load(notifyTicket+8*uint64(t.index), 8)
	if v != 0 && v&notifyWoken == 0 {
		return 0
	}
	return 1
}

func notifyListWait(t *Thread, _ int) {
	addr, ticket := t.Arg(0), t.Arg(1)&0xffffffff
	at := notifyTicket + 8*uint64(t.index)
	switch {
	case t.Load(at, 8) != 0: // woken
		t.Store(at, 0, 8)
	case int32(uint32(ticket)-uint32(t.Load(addr+4, 4))) < 0: // notified before it slept
	default:
		t.Store(at, ticket+1, 8)
		t.Again()
	}
}

func (t *Thread) wake(addr, ticket uint64) {
	for i := range t.w.x.n {
		at := notifyTicket + 8*uint64(i)
		if t.Load(at, 8) == ticket+1 && t.w.s.threads[i].R[rAX] == addr {
			t.Store(at, ticket+1|notifyWoken, 8)
		}
	}
}

func notifyOne(t *Thread, _ int) {
	addr := t.Arg(0)
	n := t.Load(addr+4, 4)
	if n == t.Load(addr, 4) {
		return
	}
	t.Store(addr+4, n+1, 4)
	t.wake(addr, n)
}

func notifyAll(t *Thread, _ int) {
	addr := t.Arg(0)
	n, end := t.Load(addr+4, 4), t.Load(addr, 4)
	t.Store(addr+4, end, 4)
	for ; uint32(n) != uint32(end); n++ {
		t.wake(addr, n&0xffffffff)
	}
}

// getItab returns the table of a type's methods for an interface, which the process makes if it has
// not got it.
func getItab(t *Thread, _ int) {
	tab, ok := itabOf(t.Arg(0), t.Arg(1))
	if !ok && t.Arg(2)&1 == 0 {
		v := words(conversion())
		t.Return(0, v[0])
		t.Return(1, v[1])
		t.panics = true
		return
	}
	t.Return(0, tab)
}
