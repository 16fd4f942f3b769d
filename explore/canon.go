package explore

import (
	"encoding/binary"
	"math/bits"
	"sync"

	"example.com/pvlock/explore/internal/x86"
)

// maxCalls is how deep calls may nest.
const maxCalls = 24

// A chain is the place that a thread is at, and where its callers go on.
type chain [maxCalls]*instr

// frames returns a thread's chain, and how many it holds.
func (w *worker) frames(i int, ch *chain) (n int, ok bool) {
	t := &w.s.threads[i]
	in := t.at
	sp := t.R[rSP]
	for {
		if n == maxCalls {
			return n, false
		}
		ch[n] = in
		n++
		ret := sp - uint64(int64(in.sp))
		if ret>>32 != stackBase>>32 || ret&0xfffff > stackSize-8 {
			return n, false
		}
		pc := w.s.stack(i, ret)
		if pc == returnAddress {
			return n, true
		}
		if in = w.at(pc); in == nil {
			return n, false
		}
		sp = ret + 8
	}
}

// caller returns the source line of a thread outside of the runtime, and its function.
func (p *program) caller(s *state, i int) (line, function string) {
	return place(p.callerOutside(s, i, func(pc uint64) bool { return ofRuntime(outermost(pc)) }))
}

// callerOutside returns where a thread is, or was called from, outside of some functions.
func (p *program) callerOutside(s *state, i int, of func(pc uint64) bool) uint64 {
	t := &s.threads[i]
	in, sp := t.at, t.R[rSP]
	if in == nil {
		return 0
	}
	pc := in.PC
	for range maxCalls {
		if in.hook == nil && !of(pc) {
			break
		}
		ret := sp - uint64(int64(in.sp))
		if ret>>32 != stackBase>>32 || ret&0xfffff > stackSize-8 {
			break
		}
		r := s.stack(i, ret)
		up := p.lookup(r)
		if up == nil {
			break
		}
		pc = r - 1
		if in == p.panicking { // not a return address, but the instruction that has panicked
			pc = r
		}
		in, sp = up, ret+8
	}
	return pc
}

// A canon says what of a thread's private state matters at a place with certain callers.
type canon struct {
	id    int
	at    *instr
	depth int // of the stack, in bytes
	regs  []canonReg
	xmm   []uint8
	flags bool
	slots []slot
	// returns are the return addresses, which follow from the place and are in no state.
	returns []slot
}

type canonReg struct {
	r    uint8
	mask uint64
}

// A slot is eight bytes of the stack: which of its bits matter, or, of a return address, its value.
type slot struct {
	off  uint16
	mask uint64
}

// canons are shared between workers.
type canons struct {
	mu   sync.RWMutex
	of   map[chain]*canon
	list []*canon
}

// byID returns a canon. Its number comes from a state, so it exists.
func (c *canons) byID(id int) *canon {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.list[id]
}

// canonOf returns what matters of thread i.
func (w *worker) canonOf(i int) *canon {
	var ch chain
	n, ok := w.frames(i, &ch)
	if !ok {
		w.enter(i)
		w.refuse("calls nest deeper than %d, or the stack is not one of frames", maxCalls)
		return w.x.nowhere
	}
	t := &w.s.threads[i]
	h := &w.canonCache[(ch[0].PC^ch[min(1, n-1)].PC>>3^ch[min(2, n-1)].PC>>5)&255]
	if h.k != nil && h.ch == ch {
		return h.k
	}
	c := &w.x.canons
	c.mu.RLock()
	k := c.of[ch]
	c.mu.RUnlock()
	if k == nil {
		c.mu.Lock()
		if k = c.of[ch]; k == nil {
			k = w.x.program.canon(ch[:n], t.R[rSP], w.x.cfg.Without&Liveness != 0)
			k.id = len(c.list)
			c.list = append(c.list, k)
			c.of[ch] = k
		}
		c.mu.Unlock()
	}
	h.ch, h.k = ch, k
	return k
}

// canon computes what matters; ch[0] is the place, the others are where its callers go on.
func (p *program) canon(ch []*instr, sp uint64, all bool) *canon {
	p.mu.Lock()
	defer p.mu.Unlock()
	base := stackBase
	k := &canon{at: ch[0], depth: int(base + stackSize - sp)}
	returns := make([]uint64, len(ch)) // where each frame's return address lies
	at := sp
	for j, in := range ch {
		returns[j] = at - uint64(int64(in.sp))
		at = returns[j] + 8
		to := returnAddress
		if j+1 < len(ch) {
			to = ch[j+1].PC
		}
		k.returns = append(k.returns, slot{uint16(returns[j] - base), to})
	}
	if all {
		for r := range uint8(16) {
			if r != rSP && r != rG {
				k.regs = append(k.regs, canonReg{r, ^uint64(0)})
			}
		}
		for x := range uint8(15) {
			k.xmm = append(k.xmm, x)
		}
		k.flags = true
		for o := stackSize - k.depth; o < stackSize; o += 8 {
			k.slots = append(k.slots, slot{uint16(o), ^uint64(0)})
		}
		return k
	}
	var live, recovering [stackSize]bool
	var c context
	var l liveSet
	for j := len(ch) - 1; j >= 0; j-- {
		in := ch[j]
		f := in.fn
		l = p.analyse(f, c)[in.pos]
		escapes := f.escapes
		if j > 0 && ch[j-1] == p.panicking { // it does not go on
			l, escapes = f.unwound(c), nil
		}
		has := func(o int) bool {
			i := o + f.below
			return f.has(l.stk, o) || i >= 0 && i < len(escapes) && escapes[i]
		}
		r := int(returns[j] - base)
		lowest := max(-f.below, int(sp-base)-r)
		for o := lowest; o < above && r+o < stackSize; o++ {
			live[r+o] = has(o)
		}
		if f.resume != nil {
			needs := p.recovered(f, c)
			for o := lowest; o < above && r+o < stackSize; o++ {
				recovering[r+o] = recovering[r+o] || needs(o)
			}
		}
		if j > 0 {
			c = context{regs: l.regs & (anything | x86.GPR(rBP))}
			for b := range above - 8 {
				if has(int(returns[j-1]-base) + 8 + b - r) {
					c.stk[b>>6] |= 1 << (b & 63)
				}
			}
		}
	}
	for _, r := range returns {
		clear(live[r-base : r-base+8])
		clear(recovering[r-base : r-base+8])
	}
	for r := range uint8(16) {
		var m uint64
		if l.regs&x86.GPRLow(r) != 0 {
			m |= 0xff
		}
		if l.regs&x86.GPRRest(r) != 0 {
			m |= ^uint64(0xff)
		}
		if m != 0 && r != rSP && r != rG {
			k.regs = append(k.regs, canonReg{r, m})
		}
	}
	for x := range uint8(15) {
		if l.regs&x86.XMM(x) != 0 {
			k.xmm = append(k.xmm, x)
		}
	}
	k.flags = l.regs&x86.Flags != 0
	for o := 0; o < stackSize; o += 8 {
		var m uint64
		for b := range 8 {
			if live[o+b] || recovering[o+b] {
				m |= 0xff << (8 * b)
			}
		}
		if m != 0 {
			k.slots = append(k.slots, slot{uint16(o), m})
		}
	}
	return k
}

var le = binary.LittleEndian

// A segment of an encoded state is a thread's; where they begin is kept beside it.
type offsets [maxThreads + 1]int

const finished = 0xffff

// encodeThread appends what matters of thread i.
func (w *worker) encodeThread(b []byte, i int) []byte {
	t := &w.s.threads[i]
	if t.at == nil {
		b = append(b, 0xff, 0xff, t.nb, 0, byte(t.allocated), byte(t.allocated>>8))
	} else {
		k := w.canonOf(i)
		b = append(b, byte(k.id), byte(k.id>>8), t.nb, t.part|t.ndefers<<3, byte(t.allocated),
			byte(t.allocated>>8))
		for _, r := range k.regs {
			b = le.AppendUint64(b, t.R[r.r]&r.mask)
		}
		for _, x := range k.xmm {
			b = le.AppendUint64(le.AppendUint64(b, t.X[x][0]), t.X[x][1])
		}
		if k.flags {
			b = append(b, t.Flags)
		}
		for _, p := range t.pieces[:t.part] {
			b = le.AppendUint64(b, p)
		}
		for _, d := range t.defers[:t.ndefers] {
			b = le.AppendUint64(le.AppendUint16(b, d.owner), d.fn)
		}
		for _, sl := range k.slots {
			b = le.AppendUint64(b, w.s.stack(i, uint64(sl.off))&sl.mask)
		}
	}
	for _, q := range t.buffer[:t.nb] {
		b = append(b, byte(q.cell), byte(q.cell>>8), q.off, q.size)
		b = le.AppendUint64(b, q.value)
	}
	return b
}

// decodeThread is encodeThread's reverse. What does not matter is zero, or poison.
func (w *worker) decodeThread(b []byte, i int) []byte {
	t := &w.s.threads[i]
	id := int(b[0]) | int(b[1])<<8
	t.nb, t.part, t.ndefers, t.allocated = b[2], b[3]&7, b[3]>>3, uint32(b[4])|uint32(b[5])<<8
	b = b[6:]
	if id == finished {
		t.at = nil
	} else {
		k := w.canonByID(id)
		t.at = k.at
		t.PC = k.at.PC
		poison := w.x.cfg.Poison
		for r := range t.R {
			t.R[r] = poison
		}
		if poison != 0 {
			t.Flags = 0xff
			for x := range 15 {
				t.X[x] = [2]uint64{poison, poison}
			}
			for o := 0; o < stackSize; o += 8 {
				w.s.setStack(i, uint64(o), poison, 8)
			}
		} else {
			t.Flags = 0
			clear(w.s.stacks[i][stackSize-k.depth:])
		}
		for _, r := range k.returns {
			w.s.setStack(i, uint64(r.off), r.mask, 8)
		}
		t.X[15] = [2]uint64{}
		t.R[rSP] = stackBase + stackSize - uint64(k.depth)
		t.R[rG] = x86.G
		for _, r := range k.regs {
			t.R[r.r] = t.R[r.r]&^r.mask | le.Uint64(b)
			b = b[8:]
		}
		for _, x := range k.xmm {
			t.X[x] = [2]uint64{le.Uint64(b), le.Uint64(b[8:])}
			b = b[16:]
		}
		if k.flags {
			t.Flags = b[0]
			b = b[1:]
		}
		for p := range t.part {
			t.pieces[p] = le.Uint64(b)
			b = b[8:]
		}
		for d := range t.ndefers {
			t.defers[d] = deferred{le.Uint16(b), le.Uint64(b[2:])}
			b = b[10:]
		}
		for _, sl := range k.slots {
			w.s.setStack(i, uint64(sl.off), w.s.stack(i, uint64(sl.off))&^sl.mask|le.Uint64(b), 8)
			b = b[8:]
		}
	}
	for q := range t.nb {
		t.buffer[q] = buffered{uint16(b[0]) | uint16(b[1])<<8, b[2], b[3], le.Uint64(b[4:])}
		b = b[12:]
	}
	return b
}

// encodeMemory appends the cells that differ from the process's memory, and what was given back.
func (w *worker) encodeMemory(b []byte) []byte {
	s := w.s
	b = append(b, s.nfreed)
	for _, f := range s.freed[:s.nfreed] {
		b = le.AppendUint32(le.AppendUint64(b, f.addr), f.size)
	}
	n := int(w.f.n.Load())
	b = append(b, byte(n), byte(n>>8))
	for base := 0; base < n; base += 64 {
		at := len(b)
		b = append(b, 0, 0, 0, 0, 0, 0, 0, 0)
		var m uint64
		for g := base; g < min(base+64, n); g++ {
			if s.mem[g] != w.f.cells[g].init {
				m |= 1 << (g & 63)
				b = le.AppendUint64(b, s.mem[g])
			}
		}
		le.PutUint64(b[at:], m)
	}
	return b
}

func (w *worker) decodeMemory(b []byte) {
	s := w.s
	s.nfreed = b[0]
	b = b[1:]
	for k := range s.nfreed {
		s.freed[k] = block{le.Uint64(b), le.Uint32(b[8:])}
		b = b[12:]
	}
	n := int(b[0]) | int(b[1])<<8
	b = b[2:]
	all := int(w.f.n.Load())
	for g := range all {
		s.mem[g] = w.f.cells[g].init
	}
	for base := 0; base < n; base += 64 {
		m := le.Uint64(b)
		b = b[8:]
		for ; m != 0; m &= m - 1 {
			s.mem[base+bits.TrailingZeros64(m)] = le.Uint64(b)
			b = b[8:]
		}
	}
}

// encode appends the whole state, and says where each thread's part begins.
func (w *worker) encode(b []byte, o *offsets) []byte {
	for i := range w.x.n {
		o[i] = len(b)
		b = w.encodeThread(b, i)
	}
	o[w.x.n] = len(b)
	return w.encodeMemory(b)
}

func (w *worker) decode(b []byte, o *offsets) {
	all := b
	for i := range w.x.n {
		o[i] = len(all) - len(b)
		b = w.decodeThread(b, i)
	}
	o[w.x.n] = len(all) - len(b)
	w.decodeMemory(b)
}
