package arch

import "sync/atomic"

// A gate is a U32 beside a cell that is 1 while it is held and 0 while it is free. Two
// operations on such a pair exist here, and not in lock text, because written out they exceed
// what the compiler inlines into a caller's caller.

// Flags of a gate.
const (
	GateClosed = 1 << 31 // Take doesn't take
	GateBell   = 1 << 0  // Give says so
)

// Take is a Load32 of the gate, and if that isn't closed, a Cas32 of the cell from 0 to 1. It
// reports whether both were well.
func (Core) Take(cell, gate *U32) bool {
	return atomic.LoadUint32(&gate.v) < GateClosed && atomic.CompareAndSwapUint32(&cell.v, 0, 1)
}
