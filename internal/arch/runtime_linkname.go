//go:build !purego

package arch

import _ "unsafe" // for go:linkname

// The runtime symbols that pvlock uses, all of them in this file but for the two of
// machine/kvm, which can't be wrapped. Each is pushed by
// the runtime for outside use; procPin and procUnpin are on its "do not remove"
// list (go.dev/issue/67401). runtime_purego.go does without.

//go:linkname procPin runtime.procPin
func procPin() int

//go:linkname procUnpin runtime.procUnpin
func procUnpin()

//go:linkname fatal sync.fatal
func fatal(string)

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
