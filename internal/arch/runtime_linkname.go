//go:build !purego

package arch

import _ "unsafe" // for go:linkname

// The runtime symbols that pvlock uses, all of them in this file but for the semaphores beside it,
// and the two of machine/kvm, which can't be wrapped. The runtime pushes each for use outside, and
// its source promises not to remove or change it (go.dev/issue/67401): all but fatal and
// semacquire, which are pushed for sync without that promise. A test compares this with the
// runtime's source. runtime_purego.go does without.

//go:linkname procPin runtime.procPin
func procPin() int

//go:linkname procUnpin runtime.procUnpin
func procUnpin()

//go:linkname fatal sync.fatal
func fatal(string)

//go:linkname canSpin sync.runtime_canSpin
func canSpin(i int) bool

//go:linkname nanotime runtime.nanotime
func nanotime() int64

//go:linkname goyield runtime.goyield
func goyield()

//go:linkname entersyscallblock runtime.entersyscallblock
func entersyscallblock()

//go:linkname exitsyscall runtime.exitsyscall
func exitsyscall()

// CanPin says whether Pin pins.
const CanPin = true

// Pin keeps the goroutine on its P: the Go scheduler doesn't preempt it until
// Unpin. Code in between must not block and must be short, because a
// garbage collection waits for it. It returns the P's number. Pins nest.
func (Core) Pin() int { return procPin() }

// Unpin undoes one Pin.
func (Core) Unpin() { procUnpin() }

// Fatal ends the program with a message and a traceback, as the runtime does
// when a sync.Mutex is misused. It can't be recovered from.
func (Core) Fatal(msg string) { fatal(msg) }

// Nanotime is the monotonic clock in nanoseconds.
func (Core) Nanotime() int64 { return nanotime() }

// Yield lets the other goroutines of this P run first.
func (Core) Yield() { goyield() }

// idlePs reports whether the scheduler sees a use in spinning: another P is running,
// and no goroutine waits for this one.
func idlePs() bool { return canSpin(0) }
