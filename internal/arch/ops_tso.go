//go:build (amd64 || 386) && !purego && !race

package arch

import "sync/atomic"

// On x86-TSO a plain load acquires and a plain store releases. What is left is the compiler. Its
// SSA threads stores, calls and sync/atomic's operations on one chain of memory states, and a plain
// load hangs on the state that it reads: so it keeps stores in order, and each load between the
// store before it and the store after it. Two plain loads with nothing between them hang on the
// same state: it swaps them, or merges them if they are of one cell. Of two plain stores with
// nothing between them it removes the one that the other shadows, and merges those to neighbours.
//
// So words are loaded by sync/atomic, which is the same MOV on amd64 (a call on 386) and a
// link of the chain. For bytes and halves there is no such thing: lock text
// doesn't load two of them in a row. Tests disassemble both.

// Load8 is a load-acquire; it is not ordered against a Load8 or Load16 next to it.
func (Core) Load8(p *U8) uint8 { return p.v }

// Load16 is a load-acquire; it is not ordered against a Load8 or Load16 next to it.
func (Core) Load16(p *U16) uint16 { return p.v }

// Load32 is a load-acquire.
func (Core) Load32(p *U32) uint32 { return atomic.LoadUint32(&p.v) }

// LoadPtr is a load-acquire.
func (Core) LoadPtr(p *Ptr) Addr { return Addr(atomic.LoadUintptr(&p.v)) }

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
