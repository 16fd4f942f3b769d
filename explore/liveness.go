package explore

import (
	"fmt"
	"slices"

	"example.com/pvlock/explore/internal/x86"
)

// Liveness: which registers, flags and bytes of the stack an instruction, and all that can follow
// it, may still read. Everything else is left out of a state, so a loop comes back to the state
// that it left from, without any mark in the source.

// above is how many bytes over its return address a function may touch: its caller's spill area and
// arguments on the stack.
const above = 256

// maxFrame is the largest frame of a function.
const maxFrame = stackSize / 2

// A liveSet is what is live at an instruction: registers, and bytes of the stack from the
// function's lowest to those above its return address.
type liveSet struct {
	regs x86.Set
	stk  []uint64
}

// context is what is live after a function's return.
type context struct {
	regs x86.Set
	stk  [above / 64]uint64 // bytes from 8 above the return address
}

// A function is the code that is reached from an entry without calls.
type function struct {
	entry   uint64
	name    string
	list    []*instr
	at      map[uint64]*instr
	roots   []uint64 // where its indirect jumps lead, as far as is known
	below   int      // bytes of its frame, a multiple of 64
	escapes []bool   // by byte of frame and caller's area: its address is taken
	live    map[context][]liveSet
	in      *liveSet // what it may read of its caller's, whatever the context
	busy    bool
	tables
	resume   *instr   // where it goes on when a deferred call of its has recovered, or nil
	deferred []uint64 // the bytes of its frame that hold deferred calls
}

func (f *function) words() int { return (f.below + above) / 64 }

// mark adds n bytes from o, relative to the return address.
func (f *function) mark(stk []uint64, o, n int) {
	for i := max(o+f.below, 0); i < o+f.below+n && i < f.below+above; i++ {
		stk[i>>6] |= 1 << (i & 63)
	}
}

func (f *function) has(stk []uint64, o int) bool {
	i := o + f.below
	return i >= 0 && i < f.below+above && stk[i>>6]>>(i&63)&1 != 0
}

// anything is what a callee of which nothing is known may read or return.
var anything = func() (s x86.Set) {
	for _, r := range argRegs {
		s |= x86.GPR(r)
	}
	for i := range uint8(15) {
		s |= x86.XMM(i)
	}
	return s | x86.GPR(rDX)
}()

// clobbered is what a call overwrites: the internal ABI saves nothing but the frame pointer.
var clobbered = func() (s x86.Set) {
	for r := range uint8(16) {
		if r != rSP && r != rBP && r != rG {
			s |= x86.GPR(r)
		}
	}
	for i := range uint8(15) {
		s |= x86.XMM(i)
	}
	return s | x86.Flags
}()

const allRegisters = ^x86.Set(0)

// fixed are registers whose values follow from the place.
var fixed = x86.GPR(rSP) | x86.GPR(rG) | x86.XMM(15)

// decoding finds a function's instructions.
type decoding struct {
	p      *program
	f      *function
	lowest int32 // where the stack pointer comes to
	taken  []int // stack offsets whose addresses are taken
}

// A codePlace is an instruction to be decoded.
type codePlace struct {
	pc    uint64
	sp    int32
	guard bool // what comes before compares the stack pointer with the goroutine's limit
}

// follow decodes everything that can be reached from work.
func (d *decoding) follow(work []codePlace) {
	f := d.f
	for len(work) > 0 {
		t := work[len(work)-1]
		work = work[:len(work)-1]
		if f.at[t.pc] != nil {
			continue
		}
		in := d.p.decode(t.pc)
		d.add(in, t)
		if in.err != nil || in.hook != nil {
			continue
		}
		sp := t.sp + in.StackDelta()
		in.frame = sp < t.sp && in.Access == x86.None
		if in.Flow == x86.CallDirect || in.Flow == x86.CallIndirect {
			sp = t.sp
		}
		d.lowest = min(d.lowest, sp, t.sp-8)
		guard := in.Access == x86.Load && in.Mem.Base == rG && in.Mem.Disp == 16
		if o, ok := in.TakesStackAddress(); ok {
			d.taken = append(d.taken, int(t.sp)+int(o))
		}
		if in.Flow == x86.CondJump && t.guard {
			in.guard = true
		}
		if in.Flow.FallsThrough() && !d.p.noReturn(in) {
			work = append(work, codePlace{in.PC + uint64(in.Len), sp, guard})
		}
		if (in.Flow == x86.Jump || in.Flow == x86.CondJump) && !in.guard &&
			entryOf(in.Target) == f.entry {
			work = append(work, codePlace{in.Target, sp, false})
		}
	}
}

func (d *decoding) add(in *instr, at codePlace) {
	f := d.f
	in.fn, in.pos, in.sp = f, len(f.list), at.sp
	f.at[at.pc] = in
	f.list = append(f.list, in)
	if d.p.instrs[at.pc] == nil {
		d.p.instrs[at.pc] = in
	}
}

// findResume finds where the function goes on after a recovery. Nothing else may lead there. The
// frame is as it is everywhere but at the function's ends.
func (d *decoding) findResume() {
	f := d.f
	f.tables = d.p.tablesOf(f)
	if f.tables.deferReturn == 0 {
		return
	}
	body := int32(0)
	for _, in := range f.list {
		body = min(body, in.sp)
	}
	d.follow([]codePlace{{f.tables.deferReturn, body, false}})
	f.resume = f.at[f.tables.deferReturn]
}

// addLandings adds what follows calls that don't come back: nothing gets there, but it is where the
// callee's return address says that the caller is.
func (d *decoding) addLandings() {
	for _, in := range d.f.list {
		pc := in.PC + uint64(in.Len)
		if in.hook != nil || in.err != nil || !d.p.noReturn(in) || d.f.at[pc] != nil {
			continue
		}
		landing := new(instr)
		landing.PC, landing.Flow = pc, x86.Undefined
		d.add(landing, codePlace{pc, in.sp, false})
	}
}

// markDeferred marks the bytes of the frame that hold deferred calls. How many closures there are
// follows from what the function stores.
func (f *function) markDeferred() {
	if f.deferBits == 0 {
		return
	}
	f.deferred = make([]uint64, f.words())
	f.mark(f.deferred, f.deferBits, 1)
	stored := func(o int) bool {
		return slices.ContainsFunc(f.list, func(in *instr) bool {
			at, n, exact, ok := in.stackAccess()
			return ok && exact && in.Access == x86.Store && at == o && n == 8
		})
	}
	for k := 0; k < 8 && stored(f.deferSlots+8*k); k++ {
		f.mark(f.deferred, f.deferSlots+8*k, 8)
	}
}

// function analyses the function at entry. The caller holds the lock.
func (p *program) function(entry uint64) *function {
	if f := p.functions[entry]; f != nil {
		return f
	}
	f := &function{entry: entry, at: make(map[uint64]*instr), live: make(map[context][]liveSet)}
	f.name = outermost(entry)
	p.functions[entry] = f
	d := decoding{p: p, f: f}
	work := []codePlace{{entry, 0, false}}
	for pc, sp := range p.roots[entry] {
		f.roots = append(f.roots, pc)
		work = append(work, codePlace{pc, sp, false})
	}
	slices.Sort(f.roots)
	d.follow(work)
	d.findResume()
	d.addLandings()
	f.below = (int(-d.lowest) + 63) &^ 63
	if f.below > maxFrame {
		for _, in := range f.list {
			in.err = fmt.Errorf("the frame of %s has %d bytes: more than the stack of an "+
				"explored thread", f.name, f.below)
		}
		f.below = maxFrame
	}
	for _, in := range f.list {
		if in.err != nil || in.hook != nil {
			continue
		}
		if in.Flow.FallsThrough() {
			in.next = f.at[in.PC+uint64(in.Len)]
		}
		if (in.Flow == x86.Jump || in.Flow == x86.CondJump) && !in.guard {
			in.target = f.at[in.Target]
		}
	}
	f.markDeferred()
	f.escapes = make([]bool, f.below+above)
	for _, o := range d.taken {
		// A variable's size is unknown: all from its start to the end of the frame, or of the
		// caller's area, may be reached through the address.
		end := 0
		if o >= 0 {
			end = above
		}
		for b := o; b < end; b++ {
			if i := b + f.below; i >= 0 && i < len(f.escapes) {
				f.escapes[i] = true
			}
		}
	}
	// Flags that nobody reads need not be computed, and a test of a load that nobody looks at is
	// a nil check.
	all := p.analyse(f, context{regs: anything, stk: everything})
	for _, in := range f.list {
		flags := false
		for _, s := range f.successors(in) {
			flags = flags || all[s.pos].regs&x86.Flags != 0
		}
		in.FlagsDead = !flags
		in.NilCheck = in.NilCheck && !flags
	}
	return f
}

var everything = func() (s [above / 64]uint64) {
	for i := range s {
		s[i] = ^uint64(0)
	}
	return s
}()

// nothing is no byte of any frame.
var nothing [(maxFrame + above) / 64]uint64

// noReturn reports whether an instruction is a call of a function that does not come back.
func (p *program) noReturn(in *instr) bool {
	if in.Flow != x86.CallDirect {
		return false
	}
	h := p.hookAt(in.Target)
	return h != nil && (h.fatal || h.noReturn) || panics(outermost(in.Target))
}

func (f *function) successors(in *instr) (out []*instr) {
	if in.next != nil {
		out = append(out, in.next)
	}
	if in.target != nil {
		out = append(out, in.target)
	}
	if in.Flow == x86.JumpIndirect {
		for _, pc := range f.roots {
			out = append(out, f.at[pc])
		}
	}
	return out
}

// reads returns what an instruction reads, and what it overwrites wholly.
func (p *program) reads(f *function, in *instr, c *context, use, def []uint64) (r, d x86.Set) {
	after := func() { // what is live when the function returns
		for k := range above - 8 {
			if c.stk[k>>6]>>(k&63)&1 != 0 {
				f.mark(use, 8+k, 1)
			}
		}
	}
	if in.hook != nil {
		f.mark(use, 0, 8)
		after()
		if f.entry == panicEntry {
			f.mark(use, -panicRecord, panicRecord)
			return 0, 0
		}
		for _, a := range argRegs[:in.hook.Args] {
			r |= x86.GPR(a)
		}
		for _, a := range argRegs[:in.hook.Results] {
			d |= x86.GPR(a)
		}
		return r | c.regs&^d, 0
	}
	if in.err != nil {
		return 0, 0
	}
	r, d = in.Reads, in.Writes
	if in.Access != x86.None {
		if o, n, exact, ok := in.stackAccess(); ok {
			switch {
			case !exact:
				f.mark(use, o, above-o)
			case in.Access == x86.Load && in.NilCheck:
			case in.Access == x86.Load:
				f.mark(use, o, n)
			case in.Access == x86.Store:
				f.mark(def, o, n)
			default:
				f.mark(use, o, n)
			}
		}
	}
	switch in.Flow {
	case x86.Return:
		f.mark(use, 0, 8)
		after()
		r |= c.regs
	case x86.CallDirect, x86.CallIndirect:
		d |= clobbered
		for _, target := range p.calls(in) {
			callee, ok := p.needs(target)
			regs := callee.regs
			if p.functions[target].name == "runtime.panicBounds" { // it saves all, and looks at two
				regs &= p.boundsOf(f, in)
			}
			r |= regs &^ (x86.GPR(rBP) | fixed)
			for o := 8; o < above; o++ {
				if !ok || p.functions[target].has(callee.stk, o) {
					f.mark(use, int(in.sp)-8+o, 1)
				}
			}
		}
	case x86.JumpIndirect:
		r |= anything | x86.GPR(rBP) | c.regs
		f.mark(use, -f.below, f.below+above)
	case x86.Jump:
		if in.target == nil { // a tail call
			callee, ok := p.needs(in.Target)
			r |= callee.regs&^x86.GPR(rBP) | c.regs
			after()
			for o := range above {
				if !ok || p.functions[in.Target].has(callee.stk, o) {
					f.mark(use, int(in.sp)+o, 1)
				}
			}
		}
	}
	return r, d
}

// calls returns what an instruction calls, as far as is known. A call by a pointer that leads
// elsewhere is noted, and the exploration begins again.
func (p *program) calls(in *instr) []uint64 {
	if in.Flow == x86.CallDirect {
		return []uint64{in.Target}
	}
	return p.targets[in.PC]
}

// needs is what a function may read of its caller's. It is not known while the function is being
// analysed: then it is everything.
func (p *program) needs(entry uint64) (s *liveSet, known bool) {
	f := p.function(entry)
	if f.busy {
		return &liveSet{regs: anything | x86.GPR(rBP)}, false
	}
	if f.in == nil {
		l := p.analyse(f, context{})[0]
		f.in = &l
	}
	return f.in, true
}

// analyse computes what is live at each instruction of a function, in a context.
func (p *program) analyse(f *function, c context) []liveSet {
	if l := f.live[c]; l != nil {
		return l
	}
	was := f.busy
	f.busy = true
	n, words := len(f.list), f.words()
	live := make([]liveSet, n)
	uses, defs := make([]liveSet, n), make([]liveSet, n)
	succ := make([][]*instr, n)
	for k, in := range f.list {
		live[k].stk = make([]uint64, words)
		uses[k].stk, defs[k].stk = make([]uint64, words), make([]uint64, words)
		uses[k].regs, defs[k].regs = p.reads(f, in, &c, uses[k].stk, defs[k].stk)
		succ[k] = f.successors(in)
	}
	out := make([]uint64, words)
	for changed := true; changed; {
		changed = false
		for k := n - 1; k >= 0; k-- {
			var regs x86.Set
			clear(out)
			for _, s := range succ[k] {
				l := &live[s.pos]
				regs |= l.regs
				for w := range out {
					out[w] |= l.stk[w]
				}
			}
			use, in := &uses[k], f.list[k]
			saved := use.stk
			if in.Op == x86.Pop && regs&in.Writes == 0 {
				// A register is restored that nobody reads again: so is what was saved of it.
				saved = nothing[:words]
			}
			regs = use.regs | regs&^defs[k].regs
			if regs != live[k].regs {
				live[k].regs, changed = regs, true
			}
			for w := range out {
				v := saved[w] | out[w]&^defs[k].stk[w]
				if v != live[k].stk[w] {
					live[k].stk[w], changed = v, true
				}
			}
		}
	}
	f.busy = was
	f.live[c] = live
	return live
}

// unwound is what is live in a function in which a panic was raised, but for what it needs if it
// recovers: what its callers need.
func (f *function) unwound(c context) liveSet {
	l := liveSet{stk: make([]uint64, f.words())}
	for k := range above - 8 {
		if c.stk[k>>6]>>(k&63)&1 != 0 {
			f.mark(l.stk, 8+k, 1)
		}
	}
	return l
}

// recovered is what a function reads of the stack if a deferred call of its recovers, which may be
// while any of its calls is under way.
func (p *program) recovered(f *function, c context) func(o int) bool {
	stk := p.analyse(f, c)[f.resume.pos].stk
	return func(o int) bool {
		return f.has(stk, o) || f.deferred != nil && f.has(f.deferred, o) || f.escapes[o+f.below]
	}
}

// stackAccess returns where an access to the stack is, from the function's return address. It is
// not exact if an index is added to it.
func (in *instr) stackAccess() (o, n int, exact, ok bool) {
	switch {
	case in.Implicit():
		if in.Access == x86.Store {
			return int(in.sp) - 8, 8, true, true
		}
		return int(in.sp), 8, true, true
	case in.Mem.Base == rSP:
		return int(in.sp) + int(in.Mem.Disp), int(in.Size), in.Mem.Index < 0, true
	}
	return 0, 0, false, false
}
