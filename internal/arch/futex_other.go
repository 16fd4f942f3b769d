//go:build !linux

package arch

// HasFutex says whether a thread can sleep on a cell here.
const HasFutex = false

// ParkThread is not available on this platform; see HasFutex.
func (c Core) ParkThread(cell *U32, v uint32) {
	c.Fatal("pvlock: no futex on this platform")
}

// UnparkThread is not available on this platform; see HasFutex.
func (c Core) UnparkThread(cell *U32, n uint32) {
	c.Fatal("pvlock: no futex on this platform")
}
