//go:build !(amd64 || 386 || arm64) || purego || race

package arch

import (
	"sync/atomic"
	"time"
	"unsafe"
)

// Everything here is a 32-bit (or pointer-wide) operation of sync/atomic, which
// is sequentially consistent: stronger than the lock text asks for. A byte or half
// is reached through the word around it; every U8 and U16 is part of a Word,
// so that word is always there and aligned.

// around returns the word that a byte or half lies in, and its shift in bits.
func around(p unsafe.Pointer, flip uintptr) (*uint32, uint) {
	low := uintptr(p) & 3
	return (*uint32)(unsafe.Add(p, -int(low))), uint(low^flip) * 8
}

// update replaces the bits of mask<<shift by f of what is there, and returns
// what was there.
func update(w *uint32, shift uint, mask uint32,
	f func(old uint32) (new uint32, store bool)) uint32 {
	for {
		all := atomic.LoadUint32(w)
		old := all >> shift & mask
		new, store := f(old)
		if !store || atomic.CompareAndSwapUint32(w, all, all&^(mask<<shift)|new&mask<<shift) {
			return old
		}
	}
}

// Load8 is a load-acquire.
func (Core) Load8(p *U8) uint8 {
	w, s := around(unsafe.Pointer(p), flipByte)
	return uint8(atomic.LoadUint32(w) >> s)
}

// Load16 is a load-acquire.
func (Core) Load16(p *U16) uint16 {
	w, s := around(unsafe.Pointer(p), flipHalf)
	return uint16(atomic.LoadUint32(w) >> s)
}

// Load32 is a load-acquire.
func (Core) Load32(p *U32) uint32 { return atomic.LoadUint32(&p.v) }

// LoadPtr is a load-acquire.
func (Core) LoadPtr(p *Ptr) Addr { return Addr(atomic.LoadUintptr(&p.v)) }

// Store8 is a store-release.
func (c Core) Store8(p *U8, v uint8) { c.Xchg8(p, v) }

// Store16 is a store-release.
func (c Core) Store16(p *U16, v uint16) { c.Xchg16(p, v) }

// Store32 is a store-release.
func (Core) Store32(p *U32, v uint32) { atomic.StoreUint32(&p.v, v) }

// StorePtr is a store-release.
func (Core) StorePtr(p *Ptr, a Addr) { atomic.StoreUintptr(&p.v, uintptr(a)) }

// Xchg8 stores v and returns what was there.
func (Core) Xchg8(p *U8, v uint8) uint8 {
	w, s := around(unsafe.Pointer(p), flipByte)
	return uint8(update(w, s, 0xff, func(uint32) (uint32, bool) { return uint32(v), true }))
}

// Xchg16 stores v and returns what was there.
func (Core) Xchg16(p *U16, v uint16) uint16 {
	w, s := around(unsafe.Pointer(p), flipHalf)
	return uint16(update(w, s, 0xffff, func(uint32) (uint32, bool) { return uint32(v), true }))
}

// Xchg32 stores v and returns what was there.
func (Core) Xchg32(p *U32, v uint32) uint32 { return atomic.SwapUint32(&p.v, v) }

// Cmpxchg8 stores new if old is there, and returns what was there.
func (Core) Cmpxchg8(p *U8, old, new uint8) uint8 {
	w, s := around(unsafe.Pointer(p), flipByte)
	return uint8(update(w, s, 0xff, func(is uint32) (uint32, bool) {
		return uint32(new), is == uint32(old)
	}))
}

// Cmpxchg16 stores new if old is there, and returns what was there.
func (Core) Cmpxchg16(p *U16, old, new uint16) uint16 {
	w, s := around(unsafe.Pointer(p), flipHalf)
	return uint16(update(w, s, 0xffff, func(is uint32) (uint32, bool) {
		return uint32(new), is == uint32(old)
	}))
}

// Cas32 stores new if old is there, and reports whether it did.
func (Core) Cas32(p *U32, old, new uint32) bool {
	return atomic.CompareAndSwapUint32(&p.v, old, new)
}

// CasPtr stores new if old is there, and reports whether it did.
func (Core) CasPtr(p *Ptr, old, new Addr) bool {
	return atomic.CompareAndSwapUintptr(&p.v, uintptr(old), uintptr(new))
}

// Add8 adds d and returns the sum.
func (Core) Add8(p *U8, d uint8) uint8 {
	w, s := around(unsafe.Pointer(p), flipByte)
	return d + uint8(update(w, s, 0xff, func(old uint32) (uint32, bool) {
		return old + uint32(d), true
	}))
}

// Add16 adds d and returns the sum.
func (Core) Add16(p *U16, d uint16) uint16 {
	w, s := around(unsafe.Pointer(p), flipHalf)
	return d + uint16(update(w, s, 0xffff, func(old uint32) (uint32, bool) {
		return old + uint32(d), true
	}))
}

// Add32 adds d and returns the sum.
func (Core) Add32(p *U32, d uint32) uint32 { return atomic.AddUint32(&p.v, d) }

// Or32 sets bits.
func (Core) Or32(p *U32, bits uint32) { atomic.OrUint32(&p.v, bits) }

// And32 keeps bits and clears the others.
func (Core) And32(p *U32, bits uint32) { atomic.AndUint32(&p.v, bits) }

// Fence is a full fence.
func (Core) Fence() {
	var x uint32
	atomic.AddUint32(&x, 0)
}

// pause can't be had without assembly. A few iterations of nothing keep a
// spinning CPU off the lock's cache line, which is the half of PAUSE that
// matters to others.
//
//go:noinline
func pause() {
	for range 16 {
	}
}

var began = time.Now()

func ticks() uint64 { return uint64(time.Since(began)) }
