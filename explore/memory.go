package explore

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"

	"example.com/pvlock/explore/internal/x86"
)

// Memory is the process's own, read in place, until somebody writes it: then the aligned eight
// bytes become a cell, which is part of the state. Which threads read and write each cell is
// learned on the way. A cell that no other thread touches, or that nobody writes, makes no
// scheduling point. When such a fact turns out wrong, the exploration begins again with what it has
// learned.

// Synthetic addresses, which no process has.
const (
	stackBase = uint64(0x5e0000000000) // of each thread: nobody has the address of another's stack
	arenaBase = uint64(0x5d0000000000) // + thread<<20: what bodies allocate
	modelBase = uint64(0x5c0000000000) // what hooks keep
	stackSize = 4096
	maxArena  = 1 << 16 // bytes that a thread may allocate
)

// Limits of a state.
const (
	maxThreads = 8
	maxCells   = 1024
	maxBuffer  = 8
	maxFreed   = 16
)

// A cell is eight aligned bytes that somebody writes.
type cell struct {
	addr, init       uint64
	readers, writers atomic.Uint32 // threads
}

// A constant is eight aligned bytes that nobody has been seen to write.
type constant struct {
	value   uint64
	readers atomic.Uint32
}

// Facts are what is known of memory. They outlive a round; only the numbers of cells change.
type facts struct {
	mu        sync.RWMutex
	index     map[uint64]int32
	cells     [maxCells]*cell
	n         atomic.Int32
	constants map[uint64]*constant
	// changed says that the round's facts were not the last word.
	changed atomic.Bool
}

func newFacts() *facts {
	return &facts{index: make(map[uint64]int32), constants: make(map[uint64]*constant)}
}

// renumber orders cells by address, so that a round does not depend on the one before.
func (f *facts) renumber() {
	cells := f.cells[:f.n.Load()]
	slices.SortFunc(cells, func(a, b *cell) int { return cmp.Compare(a.addr, b.addr) })
	for i, c := range cells {
		f.index[c.addr>>3] = int32(i)
	}
	f.changed.Store(false)
}

// disturbed returns an address of the process's memory that was changed while bodies were explored
// on what was there before, or 0. Bodies change none: it was another goroutine.
func (w *worker) disturbed() uint64 {
	for key, k := range w.f.constants {
		if addr := key << 3; ofProcess(addr) && w.original(addr) != k.value {
			return addr
		}
	}
	for _, c := range w.f.cells[:w.f.n.Load()] {
		if ofProcess(c.addr) && w.original(c.addr) != c.init {
			return c.addr
		}
	}
	return 0
}

func synthetic(addr uint64) bool { return addr>>40 >= modelBase>>40 && addr>>40 <= 0x5f }

// ofProcess reports whether an address may be one of the process's memory.
func ofProcess(addr uint64) bool { return addr >= 1<<16 && addr>>47 == 0 && !synthetic(addr) }

// An entry of a worker's cache of facts. They may only be added to, so an entry stays true, but for
// constants that become cells: those bump the epoch.
type factEntry struct {
	key     uint64
	index   int32 // -1 for a constant
	epoch   int32
	value   uint64 // of a constant
	readers uint32 // known to be noted
	writers uint32
	c       *cell
}

const factCache = 1 << 12

// An access class.
type class uint8

const (
	stackClass class = iota
	ownClass         // of the goroutine's descriptor: reads as zero
	constantClass
	localClass  // part of the state, and no other thread can tell
	sharedClass // other threads can
)

// find returns the facts of the aligned eight bytes around an address.
func (w *worker) find(addr uint64) *factEntry {
	key := addr >> 3
	e := &w.cache[(key^key>>12)&(factCache-1)]
	if e.key == key && (e.index >= 0 || e.epoch == w.f.n.Load()) {
		return e
	}
	f := w.f
	f.mu.RLock()
	n := f.n.Load()
	g, ok := f.index[key]
	var k *constant
	if !ok {
		k = f.constants[key]
	}
	f.mu.RUnlock()
	*e = factEntry{key: key, index: -1, epoch: n}
	switch {
	case ok:
		e.index, e.c = g, f.cells[g]
	case k != nil:
		e.value = k.value
		e.readers = k.readers.Load()
	default:
		k = &constant{}
		if ofProcess(addr) {
			k.value = w.original(key << 3)
		}
		f.mu.Lock()
		if old := f.constants[key]; old != nil {
			k = old
		}
		f.constants[key] = k
		f.mu.Unlock()
		e.value = k.value
	}
	return e
}

// original is what the process has at an aligned address. The write barrier is off for bodies,
// whatever the garbage collector does to this process meanwhile.
func (w *worker) original(addr uint64) uint64 {
	v := word(addr)
	if w.x.barrier&^7 == addr {
		v &^= 0xffffffff << (8 * (w.x.barrier & 7))
	}
	return v
}

// written makes a constant a cell.
func (w *worker) written(addr uint64) *factEntry {
	key := addr >> 3
	e := w.find(addr)
	f := w.f
	f.mu.Lock()
	if _, ok := f.index[key]; !ok {
		n := f.n.Load()
		if n == maxCells {
			f.mu.Unlock()
			w.refuse("bodies write more than %d words of 8 bytes", maxCells)
			return nil
		}
		c := &cell{addr: key << 3, init: e.value}
		if k := f.constants[key]; k != nil {
			c.readers.Store(k.readers.Load())
		}
		f.cells[n] = c
		f.index[key] = n
		f.n.Store(n + 1)
		f.changed.Store(true)
		w.s.mem[n] = c.init
	}
	f.mu.Unlock()
	return w.find(addr)
}

// classify says what an access is to, and notes who makes it. size does not cross eight bytes.
func (w *worker) classify(addr uint64, read, write bool) (class, int32) {
	if addr>>32 == stackBase>>32 {
		if addr-stackBase >= stackSize {
			w.fail("fault", "access beyond the stack, at %#x", addr)
		}
		return stackClass, 0
	}
	if addr>>32 == x86.G>>32 { // the runtime's own of a goroutine: nobody else's, and not kept
		return ownClass, 0
	}
	e := w.find(addr)
	me := w.x.classOf[w.i]         // equal bodies touch what one of them touches
	if addr>>32 == arenaBase>>32 { // but each its own memory: states with any are not permuted
		me = 1 << w.i
	}
	if w.outside {
		me = 1 << 31
	}
	if e.index < 0 {
		if !write {
			if e.readers&me != me && !w.final {
				w.readConstant(e, me)
			}
			return constantClass, 0
		}
		if e = w.written(addr); e == nil {
			return constantClass, 0
		}
	}
	if w.final { // no other thread is left
		return localClass, e.index
	}
	c := e.c
	if write && e.writers&me != me {
		e.writers |= me
		if c.writers.Or(me)&me != me {
			w.f.changed.Store(true)
		}
	}
	if read && e.readers&me != me {
		e.readers |= me
		if c.readers.Or(me)&me != me {
			w.f.changed.Store(true)
		}
	}
	if w.x.allShared {
		return sharedClass, e.index
	}
	writers := c.writers.Load()
	others := ^(uint32(1) << w.i)
	if (writers|c.readers.Load())&others == 0 || !write && writers&others == 0 {
		return localClass, e.index
	}
	return sharedClass, e.index
}

func (w *worker) readConstant(e *factEntry, me uint32) {
	e.readers |= me
	f := w.f
	f.mu.RLock()
	k := f.constants[e.key]
	f.mu.RUnlock()
	if k != nil {
		k.readers.Or(me)
	}
}

func maskOf(size uint8) uint64 { return ^uint64(0) >> (64 - 8*uint(size)) }

// view returns a cell as the thread sees it: its own buffered stores first.
func (w *worker) view(g int32) uint64 {
	v := w.s.mem[g]
	t := w.t
	for k := range t.nb {
		if b := &t.buffer[k]; int32(b.cell) == g {
			m := maskOf(b.size) << (8 * b.off)
			v = v&^m | b.value<<(8*b.off)&m
		}
	}
	return v
}

// load8 reads up to eight bytes.
func (w *worker) load8(addr uint64, size uint8) uint64 {
	off := addr & 7
	if addr>>32 == stackBase>>32 {
		w.classify(addr, true, false)
		if addr&0xfffff > stackSize-8 {
			return 0
		}
		return w.s.stack(w.i, addr) & maskOf(size)
	}
	if off+uint64(size) > 8 {
		l := uint8(8 - off)
		return w.load8(addr, l) | w.load8(addr+uint64(l), size-l)<<(8*l)
	}
	cl, g := w.classify(addr, true, false)
	var v uint64
	if cl == ownClass {
		if addr&^7 == x86.G+gM {
			v = x86.G + 1<<12
		}
	} else if cl == constantClass {
		v = w.find(addr).value
	} else {
		v = w.view(g)
	}
	return v >> (8 * off) & maskOf(size)
}

// store8 writes up to eight bytes: at once, or by way of the store buffer if others can tell.
func (w *worker) store8(addr, v uint64, size uint8, atOnce bool) {
	if addr>>32 == stackBase>>32 {
		w.classify(addr, false, true)
		if addr&0xfffff > stackSize-8 {
			return
		}
		w.s.setStack(w.i, addr, v, size)
		return
	}
	off := uint8(addr & 7)
	if off+size > 8 {
		l := 8 - off
		w.store8(addr, v, l, atOnce)
		w.store8(addr+uint64(l), v>>(8*l), size-l, atOnce)
		return
	}
	cl, g := w.classify(addr, false, true)
	if w.bad != nil || cl == ownClass {
		return
	}
	if cl == sharedClass && !atOnce {
		t := w.t
		if t.nb >= maxBuffer {
			w.refuse("a store of more pieces than the store buffer holds")
			return
		}
		t.buffer[t.nb] = buffered{uint16(g), off, size, v & maskOf(size)}
		t.nb++
		return
	}
	m := maskOf(size) << (8 * off)
	w.s.mem[g] = w.s.mem[g]&^m | v<<(8*off)&m
}

// flush writes a thread's oldest buffered store to memory.
func (s *state) flush(i int) {
	t := &s.threads[i]
	b := t.buffer[0]
	copy(t.buffer[:], t.buffer[1:t.nb])
	t.nb--
	m := maskOf(b.size) << (8 * b.off)
	s.mem[b.cell] = s.mem[b.cell]&^m | b.value<<(8*b.off)&m
}

// allocate returns memory for a body, for values of a type, whose descriptor may be 0. Addresses
// depend on nothing but what the thread has allocated before, and on what was given back.
func (w *worker) allocate(size, typ uint64) uint64 {
	addr := w.place(size)
	if w.recording {
		w.allocated(addr, size, typ)
	}
	return addr
}

func (w *worker) place(size uint64) uint64 {
	size = (max(size, 1) + 15) &^ 15
	if w.x.cfg.Reuse {
		for k := int(w.s.nfreed) - 1; k >= 0; k-- {
			if b := w.s.freed[k]; uint64(b.size) == size {
				copy(w.s.freed[k:], w.s.freed[k+1:w.s.nfreed])
				w.s.nfreed--
				for a := b.addr; a < b.addr+size; a += 8 {
					w.store8(a, 0, 8, true)
				}
				return b.addr
			}
		}
	}
	t := w.t
	if uint64(t.allocated)+size > maxArena {
		w.refuse("a thread allocates more than %d bytes", maxArena)
		return arenaBase
	}
	addr := arenaBase + uint64(w.i)<<20 + uint64(t.allocated)
	t.allocated += uint32(size)
	return addr
}

// giveBack notes memory as freed.
func (w *worker) giveBack(addr, size uint64) {
	s := w.s
	if w.isFreed(addr) {
		w.fail("use after free", "freed twice")
		return
	}
	if s.nfreed == maxFreed {
		w.refuse("more than %d blocks are given back", maxFreed)
		return
	}
	size = (max(size, 1) + 15) &^ 15
	// To give memory back is to write it: who reads it may do so before or after.
	for a := addr &^ 7; a < addr+size; a += 8 {
		w.classify(a, false, true)
	}
	s.freed[s.nfreed] = block{addr, uint32(size)}
	s.nfreed++
}

func (w *worker) isFreed(addr uint64) bool {
	for _, b := range w.s.freed[:w.s.nfreed] {
		if addr-b.addr < uint64(b.size) {
			return true
		}
	}
	return false
}
