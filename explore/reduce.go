package explore

import (
	"bytes"
	"slices"

	"example.com/pvlock/explore/internal/x86"
)

// Symmetry and partial-order reduction.

// findSymmetry finds threads with the same closure. States that differ by a permutation of them are
// merged, unless hooks of the caller's own may know threads by their numbers.
func (x *explorer) findSymmetry() {
	for i := range x.n {
		x.classOf[i] = 1 << i
	}
	if x.cfg.Without&Symmetry != 0 || len(x.cfg.Hooks) > 0 || len(x.cfg.Events) > 0 {
		return
	}
	for i, f := range x.bodies {
		for j, g := range x.bodies {
			if i != j && closureAddress(f) == closureAddress(g) {
				x.classOf[i] |= 1 << j
				x.symmetric = true
			}
		}
	}
}

// order returns which thread of a state comes where, so that equal bodies are in order of what they
// do; nil if they are already. Threads that have allocated keep their places: addresses say whose
// memory it is.
func (w *worker) order(b []byte, o *offsets) []int {
	for i := range w.x.n {
		if w.s.threads[i].allocated > 0 {
			return nil
		}
	}
	if w.s.nfreed > 0 {
		return nil
	}
	perm := make([]int, w.x.n)
	for i := range perm {
		perm[i] = i
	}
	same := true
	for i := range perm { // insertion sort within each class, which is small
		for j := i + 1; j < len(perm); j++ {
			if w.x.classOf[i]>>j&1 != 0 &&
				bytes.Compare(b[o[perm[j]]:o[perm[j]+1]], b[o[perm[i]]:o[perm[i]+1]]) < 0 {
				perm[i], perm[j] = perm[j], perm[i]
				same = false
			}
		}
	}
	if same {
		return nil
	}
	return perm
}

// sorted returns the encoded state with equal bodies in order.
func (w *worker) sorted(b []byte, o *offsets) []byte {
	perm := w.order(b, o)
	if perm == nil {
		return b
	}
	out := w.spare[:0]
	for _, i := range perm {
		out = append(out, b[o[i]:o[i+1]]...)
	}
	undo := w.permuteModel(perm)
	out = w.encodeMemory(out)
	undo()
	w.spare = out
	return out
}

// permuteModel renames threads in what hooks of the runtime keep, and returns how to undo it.
func (w *worker) permuteModel(perm []int) (undo func()) {
	type old struct {
		g int32
		v uint64
	}
	var olds []old
	set := func(addr, v uint64) {
		if e := w.find(addr); e.index >= 0 {
			olds = append(olds, old{e.index, w.s.mem[e.index]})
			w.s.mem[e.index] = v
		}
	}
	get := func(addr uint64) uint64 {
		if e := w.find(addr); e.index >= 0 {
			return w.s.mem[e.index]
		}
		return 0
	}
	if q := get(semQueue); q != 0 {
		renamed := uint64(0)
		for k := range 8 {
			if i := int(q >> (8 * k) & 0xff); i != 0 {
				renamed |= uint64(slices.Index(perm, i-1)+1) << (8 * k)
			}
		}
		set(semQueue, renamed)
	}
	for _, base := range []uint64{semStatus, notifyTicket} {
		var v [maxThreads]uint64
		for i, from := range perm {
			v[i] = get(base + 8*uint64(from))
		}
		for i := range perm {
			set(base+8*uint64(i), v[i])
		}
	}
	return func() {
		for _, o := range slices.Backward(olds) {
			w.s.mem[o.g] = o.v
		}
	}
}

// independent returns a thread whose next steps no other thread can tell or change, whatever it
// does from now on, or -1. What a thread may touch is known from this and earlier rounds. To
// explore that thread's steps alone is enough: any other way to an end, to a fault or into a circle
// begins, but for the order of independent steps, with one of them.
func (w *worker) independent(acts, environment *[maxThreads]uint32) int {
	live := uint32(0)
	for i := range w.x.n {
		if t := &w.s.threads[i]; t.at != nil || t.nb > 0 {
			live |= 1 << i
		}
	}
	if live&(live-1) == 0 {
		return -1
	}
	for i := range w.x.n {
		if live>>i&1 != 0 && acts[i] != 0 && environment[i] == 0 && w.unobserved(i, live&^(1<<i)) {
			return i
		}
	}
	return -1
}

// unobserved reports whether no thread of others touches what thread i's next steps touch.
func (w *worker) unobserved(i int, others uint32) bool {
	t := &w.s.threads[i]
	touched := func(g int32, write bool) bool {
		c := w.f.cells[g]
		if write {
			return (c.readers.Load()|c.writers.Load())&others != 0
		}
		return c.writers.Load()&others != 0
	}
	for k := range t.nb {
		if touched(int32(t.buffer[k].cell), true) {
			return false
		}
	}
	in := t.at
	if in == nil {
		return true
	}
	if in.hook != nil || in.err != nil || w.s.nfreed > 0 || len(w.x.cfg.Events) > 0 {
		return false
	}
	if in.Access == x86.None || in.NilCheck {
		return true
	}
	w.enter(i)
	addr := in.Addr(&t.Regs)
	if !ofProcess(addr) && !synthetic(addr) || addr>>32 == stackBase>>32 {
		return true
	}
	for a := addr &^ 7; a < addr+uint64(in.Size); a += 8 {
		e := w.find(a)
		if e.index < 0 {
			if in.Access != x86.Load {
				return false
			}
			continue
		}
		if touched(e.index, in.Access != x86.Load) {
			return false
		}
	}
	return true
}
