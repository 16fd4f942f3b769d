//go:build purego

package arch

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// sema is a number of permits, for one goroutine that sleeps. A sync.Mutex is what works across
// bubbles of testing/synctest; a channel doesn't.
type sema struct {
	permits atomic.Int32 // -1 if one sleeps, or is about to
	asleep  sync.Mutex   // unlocked once for each that does
	used    bool
}

func semacquire(s *sema, _ bool, _ int) {
	if !s.used {
		s.asleep.Lock()
		s.used = true
	}
	if s.permits.Add(-1) < 0 {
		s.asleep.Lock()
	}
}

func semacquireUnblamed(s *sema) { semacquire(s, false, 0) }

func semrelease(s *sema, handoff bool, _ int) {
	if s.permits.Add(1) <= 0 {
		s.asleep.Unlock()
	}
	if handoff {
		runtime.Gosched()
	}
}

// Bubbles says whether waits in bubbles of testing/synctest may block durably.
const Bubbles = false

// semaOf says whose waiters sleep on s.
func semaOf(s *sema, cell *U32) {}

// Acquired says that the goroutine has taken the lock of that cell, for Bubbles.
func (Core) Acquired(cell *U32) {}

// Releases says that the goroutine is about to release it.
func (Core) Releases(cell *U32) {}

// CanBlame says whether waits are in the mutex profile.
const CanBlame = false

// CanPin says whether Pin pins.
const CanPin = false

// Pin does nothing without the runtime's help.
func (Core) Pin() int { return 0 }

// Unpin does nothing without the runtime's help.
func (Core) Unpin() {}

// Fatal panics in a goroutine of its own, so that no deferred function of the
// caller's can recover from it: the program ends.
func (Core) Fatal(msg string) {
	go panic("fatal error: " + msg)
	select {}
}

// Nanotime is the monotonic clock in nanoseconds.
func (Core) Nanotime() int64 { return nanotime() }

func nanotime() int64 { return int64(time.Since(began)) }

// Yield lets other goroutines run first.
func (Core) Yield() { runtime.Gosched() }

// idlePs reports whether spinning can be of use. Whether other Ps are idle and whether
// goroutines wait for this one can't be known.
func idlePs() bool { return multiprocessor }

var multiprocessor = runtime.NumCPU() > 1
