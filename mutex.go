package pvlock

import "example.com/pvlock/internal/arch"

// A Mutex is a mutual exclusion lock, a drop-in for [sync.Mutex]: the zero value is
// unlocked, it must not be copied once used, it belongs to no goroutine (any may
// unlock it), and its holder may block.
//
// The n'th call of Unlock synchronizes before the m'th call of Lock returns, for n < m. A successful TryLock or
// LockContext is a Lock.
//
// # Cost
//
// Lock without contention is one locked instruction, Unlock is a plain store and a plain
// load, and both inline into the caller: half the time of a sync.Mutex's pair. Where goroutines wait asleep, each
// Unlock executes a fence as well, and a wake-up costs what sync's does.
//
// # Fairness
//
// One waiter at most, the heir, is woken to contend with the goroutines that run; the others sleep, first come, first served.
// A heir that has waited for 1 ms, and finds the mutex held when it is awake, has it reserved: it is then handed over, and
// only goroutines that were in the middle of Lock can still pass it, each once. It is handed on to the next in the queue by one
// that had it handed over, seven times of eight if it had waited for 1 ms itself. How long a goroutine that was woken waits
// for a P is up to the Go scheduler, and not bounded by the mutex.
//
// # Misuse
//
// Unlock of an unlocked Mutex ends the program under the race detector and in programs built with the tag
// pvlockdebug. Otherwise it is not noticed, and does nothing as long as nobody
// else locks the mutex at the time; if somebody does, it releases it for them, silently. (The check
// would cost a third of what is gained on Intel CPUs.)
type Mutex struct {
	lock arch.U32 // free or held
	wait arch.U32 // flags, and the waiter that went to sleep last
}

// # States
//
// lock is free or held. wait has flags, and in between the number of the youngest waiter in the queue, 0 if it is
// empty (mutex_queue.go).
//
//	onUnlock   who unlocks must look after the queue
//	heirAwake  one waiter, the heir, is awake and looks at lock
//	reserved   Lock fails: the mutex is for the heir, or for whoever is taken out of the queue next
//	editing    somebody walks the queue, and may take from it
//	hot        an owner was seen to come back sooner than the lock's cache line could go elsewhere: who finds the
//	           mutex free makes sure that it stays so. A hint, which no argument below rests on; it goes with the last who waits
//
// Both words are changed by locked instructions only, but for the store with which Unlock frees lock.
//
// # Nobody is left asleep
//
// The invariant: if the queue is not empty, or reserved is set, then heirAwake or onUnlock is. Each change of wait
// keeps it by itself, being one compare-and-swap that sees all of wait:
//
//	enter      sets onUnlock unless heirAwake is set and not its own
//	settle     clears heirAwake; sets onUnlock if the queue is not empty; keeps reserved only then
//	resign     the same, and clears reserved; hot too if the queue is empty
//	wake       sets heirAwake when it takes one out; clears onUnlock only if the queue is empty and heirAwake is clear
//	contend    sets reserved, with heirAwake set, which is its own; sets hot
//	takeOut    clears reserved, and hot, when it empties the queue without an heir
//
// (H) heirAwake is set by exactly one of: an arrival, for itself; whoever takes a waiter out, for that one. It is cleared
// by that one only, when it has the mutex (settle), sleeps (enter) or gives up (resign). So there is never more than one.
//
// What is to be shown: whenever lock is free and the queue not empty, and everybody has done what he is in the middle
// of, an heir is awake. With heirAwake set there is one, or there will be as soon as it is roused; it
// looks at lock until it has it, sleeps, or resigns. Otherwise onUnlock is set, and this is Dekker's pattern,
// between one who enters the queue (or resigns: the same, for the queue it leaves to itself) and one who unlocks:
//
//	enter                               Unlock
//	(1) [RMW] wait: queue, onUnlock     (3) [S] lock = free
//	(2)  FenceAll, if onUnlock was      (4) [L] wait has onUnlock?
//	     clear                              if so:
//	    [L]   lock free? then wake      (5)     MB
//	                                            [L] wait: queue, no heir? then wake
//
// If onUnlock was set before (1), and (4) saw it set: (1) and (5) are fences on both sides, so either the
// one who enters finds lock free or the unlocker finds it in the queue.
//
// If onUnlock was clear before (1), (4) may have seen it clear, and there is no fence between (3) and (4). (2)
// makes one: it executes a fence on the CPU of the unlocker at some moment after (1). If that comes after (4), then (3) is
// visible when (2) returns, and the look finds lock free, or held by a later owner. If it comes before (4), then (4) comes
// after (1), sees onUnlock set, and the first case applies. On machines where a release store followed by an acquire load
// is ordered, (3) and (4) are in order by themselves, and (2) is nothing.
//
// If onUnlock was set before (1) by another who enters, and is itself still in (2), then an unlocker whose
// (4) saw it clear may be missed by our look. That other one's look is still to come, after its (2), and wakes somebody; whom,
// doesn't matter: who is woken gets the mutex and settles, or sleeps, or resigns, and each of these looks after the rest of the queue.
//
// If the look finds lock held by a later owner, that one took it after the (3) in question was visible. Its own Unlock is
// another instance of the right column. (4) of the last such Unlock before (1) is covered as above.
//
// onUnlock, once seen, is cleared with an empty queue and no heir only. An owner that settles sets it
// without (2), and needs none: it holds the mutex, so no (3) is under way, and its Unlock's (4) comes after.
//
// wake does nothing if lock is held: the holder's Unlock is to come, and with it a (4) that sees onUnlock, or finds an heir
// awake who cleared it. It does nothing if editing is set: who edits calls wake when it has done (leave), or has made an
// heir (wake).
//
// What is argued here is explored under TSO by the model checker, with and without each fence.
//
// # Bounded bypass
//
// A heir that is entitled sets reserved. Lock reads it before it tries, so that from then on only those get in that read it
// before, each once. It stays over Unlock, which stores to the other word. With heirAwake set the heir is spinning, and
// takes the mutex when it is released. If it sleeps meanwhile it leaves reserved and sets onUnlock, and the unlocker hands its P
// over to it.
//
// # Why the words are as they are
//
// A store of a byte followed by a compare-and-swap of the word around it, or a load of such a word after a
// compare-and-swap of a part, stalls: 6 ns against 2 on Zen 4, 12 against 9 on Intel. So what Unlock stores is all
// that Lock's compare-and-swap touches, and what it loads is another word.

const (
	free = 0
	held = 1

	onUnlock  = arch.GateBell
	heirAwake = 1 << 1
	editing   = 1 << 2
	hot       = 1 << 3
	reserved  = arch.GateClosed

	youngestShift = 4
	flags         = onUnlock | heirAwake | editing | hot | reserved
)

// youngest returns the waiter that went to sleep last, 0 if none sleeps.
func youngest(wait uint32) uint32 { return wait &^ reserved >> youngestShift }

// Lock takes the mutex, and waits until it can.
func (m *Mutex) Lock() {
	if !(arch.Core{}).Take(&m.lock, &m.wait) {
		m.lockSlow()
	}
	if arch.Bubbles {
		(arch.Core{}).Acquired(&m.lock)
	}
}

// TryLock takes the mutex if it is free and not reserved for one who waits, and reports whether it did.
func (m *Mutex) TryLock() bool {
	got := tryLock(arch.Core{}, m)
	if arch.Bubbles && got {
		(arch.Core{}).Acquired(&m.lock)
	}
	return got
}

// Unlock releases the mutex.
func (m *Mutex) Unlock() {
	if checked {
		mustHold(arch.Core{}, m)
	}
	if arch.Bubbles {
		(arch.Core{}).Releases(&m.lock)
	}
	if (arch.Core{}).Give(&m.lock, &m.wait) {
		m.unlockSlow()
	}
}

// A method without arguments costs the inliner least.

//go:noinline
func (m *Mutex) lockSlow() {
	var c arch.Core
	var w waiter
	for proceed(c, m, &w) == tired {
		w.node = c.ParkAmong(w.others, w.node, ownFrames)
	}
	w.end(c, m, true)
}

//go:noinline
func (m *Mutex) unlockSlow() {
	var c arch.Core
	if x, handoff := next(c, m); x != 0 {
		c.Unpark(x, handoff, ownFrames)
	}
}

func tryLock(c arch.Core, m *Mutex) bool { return c.Take(&m.lock, &m.wait) }

const checked = arch.Debug || arch.Race

// mustHold ends the program if the mutex is not held.
func mustHold(c arch.Core, m *Mutex) {
	if c.Load32(&m.lock) == free {
		c.Fatal("pvlock: unlock of unlocked mutex")
	}
}
