//go:build !linux

package arch

import "errors"

// MembarrierReady reports whether [Core.Membarrier] can be used: not here.
func MembarrierReady() error { return errors.New("membarrier: Linux only") }

// Membarrier is not available on this platform; see MembarrierReady.
func (c Core) Membarrier() {
	c.Fatal("pvlock: membarrier without MembarrierReady")
}
