//go:build !purego && !pvlockbubbles

package arch

import _ "unsafe" // for go:linkname

// Bubbles says whether waits in bubbles of testing/synctest may block durably.
const Bubbles = false

// CanBlame says whether waits are in the mutex profile.
const CanBlame = true

// sema is a number of permits.
type sema = uint32

// The flavour that records waits in the block and mutex profiles. sync's own
// for mutexes may not be linked; this one calls itself sync.RWMutex.Lock in
// tracebacks.
//
//go:linkname semacquire sync.runtime_SemacquireRWMutex
func semacquire(s *sema, lifo bool, skip int)

// The flavour that is in the block profile alone: the unlocker is not charged for the wait.
//
//go:linkname semacquireUnblamed sync.runtime_Semacquire
func semacquireUnblamed(s *sema)

//go:linkname semrelease sync.runtime_Semrelease
func semrelease(s *sema, handoff bool, skip int)

// semaOf says whose waiters sleep on s.
func semaOf(s *sema, cell *U32) {}

// Acquired says that the goroutine has taken the lock of that cell, for Bubbles.
func (Core) Acquired(cell *U32) {}

// Releases says that the goroutine is about to release it.
func (Core) Releases(cell *U32) {}
