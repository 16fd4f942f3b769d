//go:build (amd64 || 386) && !purego && !race

package arch

import "sync/atomic"

// On x86-TSO a plain load acquires and a plain store releases. Go's compiler
// keeps plain accesses to distinct cells in program order (its SSA threads them on one memory
// chain) and never merges them; a test disassembles the fast paths and
// looks.

// Load8 is a load-acquire.
func (Core) Load8(p *U8) uint8 { return p.v }

// Load16 is a load-acquire.
func (Core) Load16(p *U16) uint16 { return p.v }

// Load32 is a load-acquire.
func (Core) Load32(p *U32) uint32 { return p.v }

// LoadPtr is a load-acquire.
func (Core) LoadPtr(p *Ptr) Addr { return Addr(p.v) }

// Store8 is a store-release.
func (Core) Store8(p *U8, v uint8) { p.v = v }

// Store16 is a store-release.
func (Core) Store16(p *U16, v uint16) { p.v = v }

// Store32 is a store-release.
func (Core) Store32(p *U32, v uint32) { p.v = v }

// StorePtr is a store-release.
func (Core) StorePtr(p *Ptr, a Addr) { p.v = uintptr(a) }

// Fence is a full fence: a locked addition of 0 to the stack, cheaper than
// MFENCE everywhere it was measured.
func (Core) Fence() {
	var x uint32
	atomic.AddUint32(&x, 0)
}
