package arch

import "runtime"

// Give is a store, followed by a load of another cell. What keeps the two in order differs:
//
//   - The other side orders them, with FenceAll, where StoreLoadBarrier says so: on amd64
//     and 386 under Linux.
//   - A store-release that is followed by a load-acquire is ordered anyway, on
//     arm64 and where everything is built on sync/atomic.
//   - Elsewhere, on amd64 and 386 without Linux, the store is a locked exchange.

// FenceAll executes a full fence on every CPU that runs a thread of this process:
// what any other goroutine stored before in its program order is visible after it,
// as if that goroutine had executed a fence at some moment within this call. It is a
// membarrier, of 0.3 to 3 µs, or a stop of the world, of tens of µs: for some
// milliseconds after the first call, and for good where a sandbox refuses the membarrier.
func (c Core) FenceAll() {
	if !membarrier.execute() {
		// The caller of FenceAll is about to sleep.
		c.mustNotHold()
		stopTheWorld()
	}
}

// FenceAllIsCheap reports whether FenceAll is known to be the cheap one, or not needed.
func (Core) FenceAllIsCheap() bool {
	return !StoreLoadBarrier || membarrier.state.Load() == registered
}

// stopTheWorld stops all Ps and starts them again. Each thread that ran Go code has taken part by a
// locked instruction, or been interrupted by a signal; each that was in a system call executed a
// locked instruction when it entered it, after whatever it stored in Go.
func stopTheWorld() {
	// To say where all goroutines are, the runtime stops them; with no room for the answer it does
	// no more.
	runtime.Stack(nil, true)
}
