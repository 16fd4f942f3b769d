package pvlock

import (
	"context"

	"example.com/pvlock/internal/arch"
)

// A Mutex is a mutual exclusion lock, a drop-in for [sync.Mutex]: the zero value is
// unlocked, it must not be copied once used, and it belongs to no goroutine.
type Mutex struct {
	lock arch.U32 // free or held
	wait arch.U32 // flags, and above them the waiter that went to sleep last
}

const (
	free = 0
	held = 1

	// Flags of wait. Between them lies the number of the waiter, of youngestBits.
	onUnlock  = arch.GateBell   // whoever unlocks must look after the waiters
	heirAwake = 1 << 1          // one waiter is awake and answers for all
	hot       = 1 << 2          // the last owner comes back at once
	editing   = 1 << 3          // somebody walks the queue, or takes from it
	reserved  = arch.GateClosed // bit 31: for the heir, or for whoever is woken next; nobody else may take it

	youngestShift = 4
	flags         = onUnlock | heirAwake | hot | editing | reserved
)

// youngest returns the waiter that went to sleep last, 0 if none sleeps.
func youngest(wait uint32) uint32 { return wait &^ reserved >> youngestShift }

// Lock takes the mutex, and waits until it can.
func (m *Mutex) Lock() {
	if !(arch.Core{}).Take(&m.lock, &m.wait) {
		m.lockSlow()
	}
}

// TryLock takes the mutex if it is free and not reserved for somebody who waits, and reports whether it did.
func (m *Mutex) TryLock() bool { return tryLock(arch.Core{}, m) }

// LockContext is Lock, but gives up when ctx is done: then it returns the context's error, and
// the mutex is as if it had not been called.
func (m *Mutex) LockContext(ctx context.Context) error {
	if tryLock(arch.Core{}, m) || lockSlow(arch.Core{}, m, arch.DoneWhen(ctx.Done())) {
		return nil
	}
	return ctx.Err()
}

// Unlock releases the mutex.
func (m *Mutex) Unlock() {
	if checked {
		mustHold(arch.Core{}, m)
	}
	if (arch.Core{}).Give(&m.lock, &m.wait) {
		m.unlockSlow()
	}
}

// A method with no other argument than m costs the inliner least.

//go:noinline
func (m *Mutex) lockSlow() { lockSlow(arch.Core{}, m, arch.Done{}) }

//go:noinline
func (m *Mutex) unlockSlow() { wake(arch.Core{}, m) }

func tryLock(c arch.Core, m *Mutex) bool { return c.Take(&m.lock, &m.wait) }

const checked = arch.Debug || arch.Race

// mustHold ends the program if the mutex is not held.
func mustHold(c arch.Core, m *Mutex) {
	if c.Load32(&m.lock) == free {
		c.Fatal("pvlock: unlock of unlocked mutex")
	}
}
