package explore

// Hook takes the place of a function: when a body calls it, Call runs and its code does not.
// Registers hold arguments and results as Go's internal ABI has them: the first nine integer words.
type Hook struct {
	// Func is the function, or its entry as a uintptr.
	Func any
	// Args is how many argument words Call reads, and Results how many it returns.
	Args, Results int
	// Local says that the call is no scheduling point: no other thread can tell when it happens.
	Local bool
	// Drain says that the call waits until the thread's store buffer is empty.
	Drain bool
	// Outcomes returns the set of ways, by number from 0 to 15, in which the call may end now; none
	// is a thread that waits. It must change nothing. Nil is way 0 alone.
	Outcomes func(t *Thread) uint32
	// Environment is the set of outcomes that are not to be relied on for progress, such as a
	// wake-up for no reason.
	Environment uint32
	// Call carries an outcome out. Nil does nothing.
	Call func(t *Thread, outcome int)

	name     string
	fatal    bool // it can't be modelled, or ends the program
	noReturn bool // its caller is not come back to
	code     uint64
	// run takes the place of Call: it says where the thread goes on, and whether at once.
	run func(*worker) bool
}

// Event is something that happens from outside of all bodies, such as an interrupt or a CPU that
// goes away.
type Event struct {
	Name string
	// Thread is whose step it is shown as.
	Thread int
	// Outcomes returns 1 if it may happen now; nil is always. Environment says that nobody may rely
	// on it.
	Outcomes    func(t *Thread) uint32
	Environment bool
	// Call carries it out.
	Call func(t *Thread, outcome int)
}

// Weakening is how an instruction is made weaker than it is.
type Weakening uint8

const (
	// PlainRMW takes the lock away, with a prefix or without one as XCHG has it: the read and the
	// write are two steps, and the write is left in the store buffer.
	PlainRMW Weakening = 1 + iota
	// NoFence makes a fence do nothing. A locked instruction stays one step, which no longer waits
	// for older stores to other memory: it overtakes them.
	NoFence
	// NoStore drops a store.
	NoStore
)

// Thread is what a hook sees of the thread that calls it.
type Thread struct {
	w      *worker
	index  int
	again  bool
	panics bool // with the value in the result registers
}

// Index is the body's number.
func (t *Thread) Index() int { return t.index }

// Arg returns an argument word of the hooked call.
func (t *Thread) Arg(i int) uint64 { return t.w.s.threads[t.index].R[argRegs[i]] }

// Return sets a result word.
func (t *Thread) Return(i int, v uint64) { t.w.s.threads[t.index].R[argRegs[i]] = v }

// Again makes the thread stay at the call: its outcomes are asked for again.
func (t *Thread) Again() { t.again = true }

// Load reads size bytes, 1 to 8, as the thread sees them: its own buffered stores first.
func (t *Thread) Load(addr uint64, size uint8) uint64 {
	w := t.w
	w.enter(t.index)
	return w.load8(addr, size)
}

// Store writes size bytes, 1 to 8, at once to memory, as a locked instruction does.
func (t *Thread) Store(addr uint64, v uint64, size uint8) {
	w := t.w
	w.enter(t.index)
	w.store8(addr, v, size, true)
}

// Done reports whether a body has returned.
func (t *Thread) Done(i int) bool { return t.w.s.threads[i].at == nil }

// Buffered returns how many stores are in a thread's buffer.
func (t *Thread) Buffered(i int) int { return int(t.w.s.threads[i].nb) }

// Freed says that memory is given back, from now on: an access to it is a finding.
func (t *Thread) Freed(addr, size uint64) { t.w.giveBack(addr, size) }

// Fail is a finding.
func (t *Thread) Fail(kind, text string) { t.w.fail(kind, "%s", text) }
