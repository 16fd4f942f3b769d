//go:build !(linux && (amd64 || 386)) || purego || race

package arch

import "sync/atomic"

// StoreLoadBarrier says that Give's load may be satisfied before its store is visible, and that
// FenceAll is what orders them.
const StoreLoadBarrier = false

// Give stores 0 in the cell, and then reports whether the gate has its bell. Go's atomic store
// is a locked exchange on x86, and a store-release elsewhere that no
// later atomic load passes.
func (Core) Give(cell, gate *U32) bool {
	atomic.StoreUint32(&cell.v, 0)
	return atomic.LoadUint32(&gate.v)&GateBell != 0
}
