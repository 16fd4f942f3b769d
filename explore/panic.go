package explore

import (
	"fmt"
	"math/bits"

	"example.com/pvlock/explore/internal/x86"
)

// Panics. The runtime's own code for them walks a real goroutine's stack, so this does what it
// does: a panic has a record on the thread's stack, below the frame that panicked. From there
// frames are walked upwards, and the deferred calls that they have left are made, each of which
// returns to the record. A panic that is raised by a deferred call has a record of its own further
// below, and walks over the older one. A deferred call that recovers makes its frame return to its
// caller.

// A record is, from the stack pointer upwards, as long as it is on top, the words below; above
// them, where a call has its return address, is the instruction that panicked.
const (
	panicEntry = uint64(0x5b0000001000) // where a deferred call returns to that a panic has made

	panicType      = 0
	panicData      = 8
	panicOwner     = 16 // where the frame whose deferred call runs has its return address
	panicRecovered = 24
	panicRecord    = 32
)

// maxDefers is how many deferred calls a thread may have that are not in their frames.
const maxDefers = 16

// A deferred call that its frame has no place for, such as one of a loop.
type deferred struct {
	owner uint16 // where its frame has its return address, from the stack's base
	fn    uint64
}

// newPanicking returns the one instruction of the function that deferred calls return to.
func newPanicking() *instr {
	f := &function{entry: panicEntry, name: "a panic", below: (panicRecord + 63) &^ 63,
		live: make(map[context][]liveSet)}
	f.escapes = make([]bool, f.below+above)
	in := &instr{fn: f, sp: -panicRecord,
		hook: &Hook{name: f.name, Local: true, run: (*worker).unwind}}
	in.PC, in.Flow = panicEntry, x86.Return
	f.list, f.at = []*instr{in}, map[uint64]*instr{panicEntry: in}
	return in
}

// raise begins a panic at the instruction at pc. The stack pointer is what it is there.
func (w *worker) raise(value [2]uint64, pc uint64) bool {
	t := w.t
	sp := t.R[rSP] - 8 - panicRecord
	if !w.room(sp) {
		return false
	}
	w.s.setStack(w.i, sp+panicType, value[0], 8)
	w.s.setStack(w.i, sp+panicData, value[1], 8)
	w.s.setStack(w.i, sp+panicOwner, 0, 8)
	w.s.setStack(w.i, sp+panicRecovered, 0, 8)
	w.s.setStack(w.i, sp+panicRecord, pc, 8)
	t.R[rSP] = sp
	t.at = w.x.program.panicking
	return true
}

// goPanic takes the place of runtime.gopanic. Its caller does not come back, so the instruction
// that panics is the call, which has five bytes.
func (w *worker) goPanic() bool {
	t := w.t
	value := [2]uint64{t.R[rAX], t.R[rBX]}
	if value[0] == 0 {
		value = words(panicsNil())
	}
	pc := w.s.stack(w.i, t.R[rSP]) - 5
	t.R[rSP] += 8
	return w.raise(value, pc)
}

// unwind goes on with a panic: it makes the next deferred call, or returns from the function whose
// deferred call has recovered, or the panic is a finding.
func (w *worker) unwind() bool {
	t := w.t
	record := t.R[rSP]
	if w.s.stack(w.i, record+panicRecovered) != 0 {
		return w.resume(w.s.stack(w.i, record+panicOwner))
	}
	in, sp := t.at, record
	for range maxCalls {
		ret := sp - uint64(int64(in.sp))
		pc := w.s.stack(w.i, ret)
		if pc == returnAddress {
			w.fail("panic", "%s at %s", w.panicText(record), w.position())
			return false
		}
		if in = w.at(pc); in == nil {
			break
		}
		sp = ret + 8
		owner := sp - uint64(int64(in.sp))
		if fn, ok := w.nextDeferred(in.fn, owner); ok {
			w.s.setStack(w.i, record+panicOwner, owner, 8)
			return w.callDeferred(fn, panicEntry)
		}
	}
	w.refuse("a panic through more than %d calls, or a stack that is not one of frames", maxCalls)
	return false
}

// nextDeferred takes the next deferred call from a frame that has its return address at owner.
func (w *worker) nextDeferred(f *function, owner uint64) (fn uint64, ok bool) {
	t := w.t
	if k := int(t.ndefers) - 1; k >= 0 && uint64(t.defers[k].owner) == owner-stackBase {
		t.ndefers--
		return t.defers[k].fn, true
	}
	if f.deferBits == 0 {
		return 0, false
	}
	at := owner + uint64(int64(f.deferBits))
	pending := uint8(w.s.stack(w.i, at))
	if pending == 0 {
		return 0, false
	}
	k := bits.Len8(pending) - 1
	w.s.setStack(w.i, at, uint64(pending&^(1<<k)), 1)
	return w.s.stack(w.i, owner+uint64(int64(f.deferSlots+8*k))), true
}

// callDeferred calls a closure, which returns to pc.
func (w *worker) callDeferred(fn, pc uint64) bool {
	t := w.t
	if fn < 1<<12 { // a nil function is called
		return w.raise(words(nilDereference()), pc)
	}
	t.R[rSP] -= 8
	if !w.room(t.R[rSP]) {
		return false
	}
	w.s.setStack(w.i, t.R[rSP], pc, 8)
	t.R[rDX] = fn
	return w.jump(w.load8(fn, 8))
}

// resume returns from a function that has recovered: its remaining deferred calls run, and it
// returns with the results that it has.
func (w *worker) resume(owner uint64) bool {
	t := w.t
	for k := int(t.ndefers) - 1; k >= 0 && uint64(t.defers[k].owner) < owner-stackBase; k-- {
		t.ndefers--
	}
	f := w.frameOf(owner)
	if f == nil || f.resume == nil {
		w.refuse("a function recovers that has no place to go on at")
		return false
	}
	t.R[rSP] = owner + uint64(int64(f.resume.sp))
	t.R[rBP] = owner - 8
	t.at = f.resume
	return true
}

// frameOf returns the function whose frame has its return address at owner.
func (w *worker) frameOf(owner uint64) *function {
	in, sp := w.t.at, w.t.R[rSP]
	for range maxCalls {
		ret := sp - uint64(int64(in.sp))
		if ret == owner {
			return in.fn
		}
		if ret-stackBase > stackSize-8 {
			break
		}
		if in = w.at(w.s.stack(w.i, ret)); in == nil {
			break
		}
		sp = ret + 8
	}
	return nil
}

// recovers takes the place of runtime.gorecover: the function that calls it must have been called
// by a panic, directly or by a wrapper of the compiler's.
func (w *worker) recovers() bool {
	t := w.t
	in, sp := t.at, t.R[rSP]
	calls := 0
	for calls <= 1 {
		ret := sp - uint64(int64(in.sp))
		pc := w.s.stack(w.i, ret)
		sp = ret + 8
		if pc == panicEntry && calls == 1 && w.s.stack(w.i, sp+panicRecovered) == 0 {
			w.s.setStack(w.i, sp+panicRecovered, 1, 8)
			return w.returns(w.s.stack(w.i, sp+panicType), w.s.stack(w.i, sp+panicData))
		}
		if in = w.at(pc); in == nil || in.hook != nil {
			break
		}
		calls += logicalFrames(in.fn, pc-1)
	}
	return w.returns(0, 0)
}

// logicalFrames is how many functions of the source a frame holds at pc: those that are inlined
// count, wrappers don't.
func logicalFrames(f *function, pc uint64) int {
	n := 0
	frames := framesAt(pc)
	for more := true; more; n++ {
		_, more = frames.Next()
	}
	if f.wrapper {
		n--
	}
	return n
}

// returns returns from a hook with two results.
func (w *worker) returns(a, b uint64) bool {
	t := w.t
	t.R[rAX], t.R[rBX] = a, b
	t.X[15] = [2]uint64{}
	pc := w.s.stack(w.i, t.R[rSP])
	t.R[rSP] += 8
	return w.jump(pc)
}

// deferProc takes the place of runtime.deferproc, and deferProcStack of runtime.deferprocStack,
// whose argument is a record of the compiler's.
func (w *worker) deferProc() bool { return w.deferCall(w.t.R[rAX]) }

func (w *worker) deferProcStack() bool {
	return w.deferCall(w.load8(w.t.R[rAX]+w.x.program.layout.deferFn, 8))
}

func (w *worker) deferCall(fn uint64) bool {
	t := w.t
	in := w.at(w.s.stack(w.i, t.R[rSP]))
	if in == nil || t.ndefers == maxDefers {
		w.refuse("more than %d deferred calls at a time", maxDefers)
		return false
	}
	owner := t.R[rSP] + 8 - uint64(int64(in.sp)) - stackBase
	t.defers[t.ndefers] = deferred{uint16(owner), fn}
	t.ndefers++
	return w.returns(0, t.R[rBX])
}

// deferReturn takes the place of runtime.deferreturn: it makes its caller's deferred calls, which
// return to it.
func (w *worker) deferReturn() bool {
	t := w.t
	in := w.at(w.s.stack(w.i, t.R[rSP]))
	if in == nil {
		w.refuse("deferred calls of a function that is not known")
		return false
	}
	if fn, ok := w.nextDeferred(in.fn, t.R[rSP]+8-uint64(int64(in.sp))); ok {
		return w.callDeferred(fn, t.at.PC)
	}
	return w.returns(t.R[rAX], t.R[rBX])
}

// room reports whether the stack reaches down to sp.
func (w *worker) room(sp uint64) bool {
	if sp>>32 != stackBase>>32 || sp&0xfffff < stackSize/8 {
		w.refuse("the stack of %d bytes is too small", stackSize)
		return false
	}
	return true
}

// panicText writes down the value of a panic, if all of it lies in the process's memory or can be
// copied there.
func (w *worker) panicText(record uint64) string {
	typ, data := w.s.stack(w.i, record+panicType), w.s.stack(w.i, record+panicData)
	v, ok := w.native(typ, data)
	if !ok {
		return fmt.Sprintf("a value of type %v", typeAt(typ))
	}
	return fmt.Sprint(v)
}
