package arch

import "sync/atomic"

var sealed atomic.Bool

// Seal records that a CPU has come up. From then on the front doors' tables
// can't change: a lock taken natively and released paravirtually hung real
// kernels.
func (Core) Seal() { sealed.Store(true) }

// Sealed reports whether a CPU has come up in this process.
func Sealed() bool { return sealed.Load() }
