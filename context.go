package pvlock

import (
	"context"

	"example.com/pvlock/internal/arch"
)

// LockContext is Lock, but gives up when ctx is done: then it returns the context's error, and
// the mutex is as if it had not been called. If the mutex can be had at once it is taken, whatever
// ctx says.
//
// A wait that may be given up registers with the context ([context.AfterFunc]), which costs some
// hundred nanoseconds more than Lock's wait. It calls itself "semacquire" in goroutine dumps. It
// shows in the block profile, but not in the mutex profile.
//
// In a bubble of testing/synctest the wait does not block durably, as with sync.Mutex: the bubble's
// clock stands still until somebody unlocks. So the mutex may be shared by several bubbles and by
// goroutines outside. The build tag pvlockbubbles changes that; see the package's documentation.
func (m *Mutex) LockContext(ctx context.Context) error {
	if !lockUntil(arch.Core{}, m, arch.DoneWhen(ctx)) {
		return ctx.Err()
	}
	if arch.Bubbles {
		(arch.Core{}).Acquired(&m.lock)
	}
	return nil
}
