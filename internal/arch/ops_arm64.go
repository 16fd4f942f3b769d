//go:build arm64 && !purego && !race

package arch

import (
	"sync/atomic"
)

//go:noescape
func load8(p *U8) uint8

//go:noescape
func load16(p *U16) uint16

//go:noescape
func store8(p *U8, v uint8)

//go:noescape
func store16(p *U16, v uint16)

func fence()

// Load8 is a load-acquire (LDARB).
func (Core) Load8(p *U8) uint8 { return load8(p) }

// Load16 is a load-acquire (LDARH).
func (Core) Load16(p *U16) uint16 { return load16(p) }

// Load32 is a load-acquire (LDAR).
func (Core) Load32(p *U32) uint32 { return atomic.LoadUint32(&p.v) }

// LoadPtr is a load-acquire (LDAR).
func (Core) LoadPtr(p *Ptr) Addr { return Addr(atomic.LoadUintptr(&p.v)) }

// Store8 is a store-release (STLRB).
func (Core) Store8(p *U8, v uint8) { store8(p, v) }

// Store16 is a store-release (STLRH).
func (Core) Store16(p *U16, v uint16) { store16(p, v) }

// Store32 is a store-release (STLR).
func (Core) Store32(p *U32, v uint32) { atomic.StoreUint32(&p.v, v) }

// StorePtr is a store-release (STLR).
func (Core) StorePtr(p *Ptr, a Addr) { atomic.StoreUintptr(&p.v, uintptr(a)) }

// Fence is a full fence (DMB ISH).
func (Core) Fence() { fence() }
