//go:build (amd64 || 386 || arm64) && !purego && !race

package arch

import "sync/atomic"

// Byte and half-word read-modify-writes have no intrinsic in Go: they are
// assembly leaves, and cost a call.

//go:noescape
func xchg8(p *U8, v uint8) uint8

//go:noescape
func xchg16(p *U16, v uint16) uint16

//go:noescape
func cmpxchg8(p *U8, old, new uint8) uint8

//go:noescape
func cmpxchg16(p *U16, old, new uint16) uint16

//go:noescape
func add8(p *U8, d uint8) uint8

//go:noescape
func add16(p *U16, d uint16) uint16

func pause()

func ticks() uint64

// Xchg8 stores v and returns what was there.
func (Core) Xchg8(p *U8, v uint8) uint8 { return xchg8(p, v) }

// Xchg16 stores v and returns what was there.
func (Core) Xchg16(p *U16, v uint16) uint16 { return xchg16(p, v) }

// Xchg32 stores v and returns what was there.
func (Core) Xchg32(p *U32, v uint32) uint32 { return atomic.SwapUint32(&p.v, v) }

// Cmpxchg8 stores new if old is there, and returns what was there.
func (Core) Cmpxchg8(p *U8, old, new uint8) uint8 { return cmpxchg8(p, old, new) }

// Cmpxchg16 stores new if old is there, and returns what was there.
func (Core) Cmpxchg16(p *U16, old, new uint16) uint16 { return cmpxchg16(p, old, new) }

// Cas32 stores new if old is there, and reports whether it did.
func (Core) Cas32(p *U32, old, new uint32) bool {
	return atomic.CompareAndSwapUint32(&p.v, old, new)
}

// CasPtr stores new if old is there, and reports whether it did.
func (Core) CasPtr(p *Ptr, old, new Addr) bool {
	return atomic.CompareAndSwapUintptr(&p.v, uintptr(old), uintptr(new))
}

// Add8 adds d and returns the sum.
func (Core) Add8(p *U8, d uint8) uint8 { return add8(p, d) }

// Add16 adds d and returns the sum.
func (Core) Add16(p *U16, d uint16) uint16 { return add16(p, d) }

// Add32 adds d and returns the sum.
func (Core) Add32(p *U32, d uint32) uint32 { return atomic.AddUint32(&p.v, d) }

// Or32 sets bits.
func (Core) Or32(p *U32, bits uint32) { atomic.OrUint32(&p.v, bits) }

// And32 keeps bits and clears the others.
func (Core) And32(p *U32, bits uint32) { atomic.AndUint32(&p.v, bits) }
