package explore

import (
	"errors"
	"fmt"

	"example.com/pvlock/explore/internal/x86"
)

// A worker executes steps on a state of its own.
type worker struct {
	x *explorer
	f *facts
	s *state
	i int     // the thread that runs
	t *thread // it

	// What prepare found of the access of the instruction that is next.
	addr  uint64
	class class
	cell  int32

	bad     *Finding
	refused string
	wide    bool // other threads' private state has changed too
	cache   []factEntry
	pcs     [1024]*instr
	search
	record
}

func newWorker(x *explorer) *worker {
	w := &worker{x: x, f: x.facts, s: new(state), cache: make([]factEntry, factCache)}
	for i := range w.cache {
		w.cache[i].key = ^uint64(0)
	}
	return w
}

func (w *worker) fail(kind, format string, args ...any) {
	if w.bad == nil {
		w.bad = &Finding{Kind: kind, Text: fmt.Sprintf(format, args...)}
	}
}

// refuse says that a body does what can't be modelled.
func (w *worker) refuse(format string, args ...any) {
	if w.refused != "" {
		return
	}
	at := ""
	if w.t != nil && w.t.at != nil {
		line, _ := placeOf(w.x.program.callerOutside(w.s, w.i, allOfLibrary), ofLibrary)
		at = line + ": "
	}
	w.refused = at + fmt.Sprintf(format, args...)
	w.fail("refused", "%s", w.refused)
}

// position is the line that the thread is at: the caller's, in a hook or the runtime.
func (w *worker) position() string {
	line, _ := w.x.program.caller(w.s, w.i)
	return line
}

func (w *worker) enter(i int) {
	w.i, w.t = i, &w.s.threads[i]
}

// at returns the instruction at pc.
func (w *worker) at(pc uint64) *instr {
	e := &w.pcs[(pc^pc>>10)&1023]
	if *e != nil && (*e).PC == pc {
		return *e
	}
	in := w.x.program.lookup(pc)
	if in != nil {
		*e = in
	}
	return in
}

// prepare computes the address of an instruction's access, and what it is to.
func (w *worker) prepare(in *instr) {
	w.addr = in.Addr(&w.t.Regs)
	if in.NilCheck || in.Access == x86.None {
		return
	}
	if w.addr>>32 == stackBase>>32 {
		w.class = stackClass
		return
	}
	if !ofProcess(w.addr) && !synthetic(w.addr) {
		w.class = constantClass // a fault, when it is executed
		return
	}
	addr := w.addr + 8*uint64(w.t.part)
	w.class, w.cell = w.classify(addr, in.Access != x86.Store, in.Access != x86.Load)
	for a := addr&^7 + 8; a < w.addr+uint64(in.Size); a += 8 {
		if c, _ := w.classify(a, in.Access != x86.Store, in.Access != x86.Load); c > w.class {
			w.class = c
		}
	}
}

// split reports whether an access is to several cells, so that it is not one step if others can
// tell.
func (w *worker) split(in *instr) bool { return w.addr&7+uint64(in.Size) > 8 }

// waits reports whether an instruction has to wait for its turn: other threads can see it, or
// change what it does. It leaves what prepare found.
func (w *worker) waits(in *instr) bool {
	t := w.t
	if in.hook != nil {
		return !in.hook.Local
	}
	if in.Fence && in.Access != x86.LockedRMW {
		return t.nb > 0
	}
	if in.Access == x86.None {
		return false
	}
	w.prepare(in)
	if in.NilCheck || w.class == stackClass {
		return false
	}
	if in.Access == x86.LockedRMW { // a full fence, whatever it is of
		return w.class == sharedClass || t.nb > 0 && in.weak != NoFence
	}
	if w.class != sharedClass {
		return false
	}
	if in.Access == x86.Store {
		return w.x.sc || int(t.nb)+w.stores(in) > w.x.buffer
	}
	// A load waits even if the store buffer has all of it: the store may reach memory before, and
	// another thread's after it.
	return true
}

// stores is how many entries of the store buffer a store takes.
func (w *worker) stores(in *instr) int { return int((w.addr&7 + uint64(in.Size) + 7) / 8) }

// holds reports whether the thread's store buffer has a store to what an instruction accesses.
func (w *worker) holds(in *instr) bool {
	w.prepare(in)
	for _, b := range w.t.buffer[:w.t.nb] {
		at := w.f.cells[b.cell].addr
		if at+8 > w.addr && at < w.addr+uint64(in.Size) {
			return true
		}
	}
	return false
}

// Ways to go on. Those from 0 are outcomes of a hook; for all else 0 is the one.
const (
	flushAct = 30
	eventAct = 16 // + the event's number; its outcome is 0
	maxActs  = 31
)

// enabled returns the set of what a thread can do, and which of it is the environment's.
func (w *worker) enabled(i int) (acts, environment uint32) {
	w.enter(i)
	t := w.t
	if t.nb > 0 {
		acts |= 1 << flushAct
		if w.x.sc {
			return acts, 0
		}
	}
	for k := range w.x.cfg.Events {
		e := &w.x.cfg.Events[k]
		if e.Thread == i && w.mayHappen(e) {
			acts |= 1 << (eventAct + k)
			if e.Environment {
				environment |= 1 << (eventAct + k)
			}
		}
	}
	in := t.at
	if in == nil {
		return acts, environment
	}
	switch {
	case in.hook != nil:
		h := in.hook
		if h.Drain && t.nb > 0 {
			break
		}
		if h.Outcomes == nil {
			acts |= 1
			break
		}
		acts |= h.Outcomes(&Thread{w: w, index: i}) & 0xffff
		environment |= h.Environment
	case in.Access == x86.LockedRMW:
		if t.nb == 0 || in.weak == NoFence && !w.holds(in) {
			acts |= 1
		}
	case in.Fence:
		if t.nb == 0 {
			acts |= 1
		}
	case in.Access == x86.Store || in.Access == x86.RMW:
		w.prepare(in)
		if w.class != sharedClass || int(t.nb)+w.stores(in) <= w.x.buffer {
			acts |= 1
		}
	default:
		acts |= 1
	}
	return acts, environment
}

// mayHappen reports whether an event may happen now. What events touch is not their thread's to
// keep to itself.
func (w *worker) mayHappen(e *Event) bool {
	if e.Outcomes == nil {
		return true
	}
	w.outside = true
	defer func() { w.outside = false }()
	return e.Outcomes(&Thread{w: w, index: e.Thread})&1 != 0
}

func (w *worker) happen(e *Event) {
	w.outside = true
	defer func() { w.outside = false }()
	e.Call(&Thread{w: w, index: e.Thread}, 0)
}

// act carries out a step of thread i: what it waits for, and then everything up to the next
// instruction that waits.
func (w *worker) act(i, act int) {
	w.enter(i)
	w.last = nil
	switch {
	case act == flushAct:
		w.s.flush(i)
		return
	case act >= eventAct:
		w.wide = true
		w.happen(&w.x.cfg.Events[act-eventAct])
		return
	}
	w.run(true, act)
}

// maxRun is how many instructions a step may have. A state can be taken anywhere, so a longer run
// is cut in two; a private loop comes back to a state that is known.
const maxRun = 4000

func (w *worker) run(first bool, act int) {
	t := w.t
	for range maxRun {
		in := t.at
		if in == nil || w.bad != nil {
			return
		}
		if w.waits(in) && !first {
			return
		}
		first = false
		w.insns++
		if in.hook != nil {
			if !w.call(in.hook, act) {
				return
			}
			continue
		}
		if !w.execute(in) {
			return
		}
	}
}

// call carries out a hook, and returns to its caller.
func (w *worker) call(h *Hook, act int) bool {
	t := w.t
	if h.fatal {
		w.reached(h)
		return false
	}
	if h.run != nil {
		return h.run(w)
	}
	if h.Call != nil {
		th := Thread{w: w, index: w.i}
		h.Call(&th, act)
		if w.bad != nil {
			return false
		}
		w.enter(th.index)
		if th.again {
			return false
		}
		if th.panics {
			return w.goPanic()
		}
	}
	pc := w.load8(t.R[rSP], 8)
	t.R[rSP] += 8
	t.X[15] = [2]uint64{}
	return w.jump(pc)
}

// jump goes to pc.
func (w *worker) jump(pc uint64) bool {
	t := w.t
	if pc == returnAddress {
		t.at = nil
		return false
	}
	in := w.at(pc)
	if in == nil {
		if !ofProcess(pc) || entryOf(pc) == 0 {
			w.fail("fault", "a jump to %#x at %s", pc, where(t.at.PC))
			return false
		}
		// An indirect jump within a function: a switch. Learn where it leads and begin again.
		w.x.program.addRoot(t.at, pc)
		w.f.changed.Store(true)
		w.lost = true
		t.at = nil
		return false
	}
	t.at = in
	return true
}

// execute carries out an instruction, of which prepare knows the access. It reports whether the
// thread may go on at once.
func (w *worker) execute(in *instr) bool {
	t := w.t
	if in.err != nil {
		w.refuse("%v", in.err)
		return false
	}
	if in.Flow == x86.Undefined {
		w.reachedUndefined(in)
		return false
	}
	var lo, hi uint64
	if in.Access != x86.None {
		if w.addr < 1<<12 {
			return w.raise(words(nilDereference()), in.PC)
		}
		if !w.accessible(in) {
			return false
		}
		if in.Access != x86.Store && !in.NilCheck {
			if in.Size > 16 {
				w.refuse("an access of %d bytes", in.Size)
				return false
			}
			if w.class == sharedClass && w.split(in) && in.Access != x86.LockedRMW {
				if !w.loadPiece(in) {
					return false
				}
				lo, hi = t.pieces[0], t.pieces[1]
				t.pieces = [4]uint64{}
			} else {
				lo = w.load8(w.addr, min(in.Size, 8))
				if in.Size > 8 {
					hi = w.load8(w.addr+8, in.Size-8)
				}
				if in.absent {
					lo = 0
				}
			}
		}
	}
	addr, sp := w.addr, t.R[rSP]
	slo, shi, store, err := in.Exec(&t.Regs, lo, hi)
	if errors.Is(err, x86.ErrDivide) {
		return w.raise(words(divideError()), in.PC)
	}
	if err != nil {
		w.refuse("%v", err)
		return false
	}
	if in.frame && t.R[rSP] < sp {
		if !w.room(t.R[rSP]) {
			return false
		}
		clear(w.s.stacks[w.i][t.R[rSP]&0xfffff : sp&0xfffff])
	}
	if w.recording && w.last == nil && in.Access != x86.None {
		w.last, w.lastAddr, w.lastValue = in, addr, slo
	}
	if store && in.weak != NoStore {
		atOnce := in.Access == x86.LockedRMW || w.x.sc && in.Access == x86.Store && !w.split(in)
		w.store8(addr, slo, min(in.Size, 8), atOnce)
		if in.Size > 8 {
			w.store8(addr+8, shi, in.Size-8, atOnce)
		}
	}
	if w.bad != nil {
		return false
	}
	pc := t.PC
	switch {
	case in.next != nil && pc == in.next.PC:
		t.at = in.next
	case in.target != nil && pc == in.target.PC:
		t.at = in.target
	case pc == in.PC: // a repeated string instruction goes on
	default:
		if in.Flow == x86.CallIndirect && w.x.program.addTarget(in, pc) {
			w.f.changed.Store(true)
		}
		return w.jump(pc)
	}
	return true
}

// accessible finds faults: wild pointers, freed memory.
func (w *worker) accessible(in *instr) bool {
	if !ofProcess(w.addr) && !synthetic(w.addr) {
		w.fail("fault", "access to %#x at %s", w.addr, where(in.PC))
		return false
	}
	if w.s.nfreed > 0 && w.class != stackClass && w.isFreed(w.addr) && !in.NilCheck {
		w.fail("use after free", "%s at %s", w.name(w.addr), where(in.PC))
		return false
	}
	return true
}

// loadPiece reads the next eight bytes of a wide load, which is as many steps as it has pieces: no
// processor promises more. The lower one is read first.
func (w *worker) loadPiece(in *instr) bool {
	t := w.t
	addr := w.addr + 8*uint64(t.part)
	n := min(8, in.Size-8*t.part)
	t.pieces[t.part] = w.load8(addr, n)
	t.part++
	if 8*t.part < in.Size {
		return false
	}
	t.part = 0
	return true
}

// reachedUndefined is the instruction that the compiler puts where nothing comes.
func (w *worker) reachedUndefined(in *instr) {
	w.fail("fault", "an undefined instruction at %s", where(in.PC))
}
