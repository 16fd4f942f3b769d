package arch

import (
	"sync"
	"sync/atomic"
)

var seal struct {
	sync.Mutex
	done atomic.Bool
}

// Seal records that a CPU has come up. From then on the front doors' tables
// can't change: a lock taken natively and released paravirtually hung real
// kernels.
func (Core) Seal() {
	if seal.done.Load() {
		return
	}
	seal.Lock()
	seal.done.Store(true)
	seal.Unlock()
}

// Sealed reports whether a CPU has come up in this process.
func Sealed() bool { return seal.done.Load() }

// Unsealed calls f if no CPU has come up, and reports whether it did. None comes up
// while f runs: Seal waits for its end.
func Unsealed(f func()) bool {
	seal.Lock()
	defer seal.Unlock()
	if seal.done.Load() {
		return false
	}
	f()
	return true
}
