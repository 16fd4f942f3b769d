//go:build linux && (amd64 || 386) && !purego && !race

package arch

import "sync/atomic"

// StoreLoadBarrier says that Give's load may be satisfied before its store is visible, and that
// FenceAll is what orders them.
const StoreLoadBarrier = true

// Give stores 0 in the cell, and reports whether the gate has its bell. Both are plain moves.
func (Core) Give(cell, gate *U32) bool {
	cell.v = 0
	return atomic.LoadUint32(&gate.v)&GateBell != 0
}
