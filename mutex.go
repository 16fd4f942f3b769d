package pvlock

import "example.com/pvlock/internal/arch"

// A Mutex is a mutual exclusion lock, a drop-in for [sync.Mutex]: the zero value is
// unlocked, it must not be copied once used, it belongs to no goroutine (any may
// unlock it), and its holder may block.
//
// The n'th call of Unlock synchronizes before the m'th call of Lock returns, for n < m. A
// successful TryLock or LockContext is a Lock.
//
// # Cost
//
// Lock without contention is one locked instruction, Unlock is a plain store and a plain load, and
// both inline into the caller: half the time of a sync.Mutex's pair. While goroutines wait asleep,
// each Unlock executes a fence as well, and a wake-up costs what sync's does.
//
// # Fairness
//
// One waiter at most, the heir, is woken to contend with the goroutines that run. The others sleep,
// first come, first served. If an heir has waited for 1 ms, and finds the mutex held when it is
// awake, it reserves the mutex. The mutex is then handed over to the heir: only goroutines that
// were in the middle of Lock can still pass it, each once. A waiter that got the mutex by
// hand-over, after a wait of 1 ms itself, hands it on to the next in the queue, seven times of
// eight. The Go scheduler decides how long a woken goroutine waits for a P; the mutex does not
// bound that.
//
// # Misuse
//
// Unlock of an unlocked Mutex ends the program under the race detector and in programs built with
// the tag pvlockdebug. In other programs nobody notices it. It does nothing if no other goroutine
// locks the mutex at the time; otherwise it releases the mutex for that goroutine, silently. (The
// check would cost a third of what is gained on Intel CPUs.)
type Mutex struct {
	lock arch.U32 // free or held
	wait arch.U32 // flags, and the waiter that went to sleep last
}

// # States
//
// lock is free or held. wait has flags, and in between the number of the youngest waiter in the
// queue, 0 if the queue is empty (mutex_queue.go).
//
//	onUnlock   an unlocker must look after the queue
//	heirAwake  one waiter, the heir, is awake and looks at lock
//	reserved   Lock fails: the mutex is for the heir, or for the waiter that is dequeued next
//	editing    a goroutine edits the queue: no other may
//	hot        an owner came back sooner than the lock's cache line could go elsewhere. The heir
//	           then makes sure that a free mutex stays free before it takes it. A hint, which no
//	           argument below rests on; it goes with the last waiter
//
// Both words are changed by locked instructions only, but for the store with which Unlock frees
// lock.
//
// # Nobody is left asleep
//
// The invariant: if the queue is not empty, or reserved is set, then heirAwake or onUnlock is set.
// Each change of wait keeps the invariant by itself, being one compare-and-swap that sees all of
// wait:
//
//	enqueue        sets onUnlock unless heirAwake is set and not the caller's own
//	becomeOwner    clears heirAwake; sets onUnlock if the queue is not empty, and keeps reserved
//	               only then
//	stopBeingHeir  does the same, and clears reserved; clears hot if the queue is empty
//	dequeueNext    sets heirAwake when it dequeues; clears onUnlock only if the queue is empty and
//	               heirAwake is clear
//	spinAsHeir     sets reserved, with heirAwake set, which is the caller's own; sets hot
//	dequeue        clears reserved and hot when it empties the queue without an heir
//
// (H) There is one heir at most. heirAwake is set by an arrival, for itself, or by the goroutine
// that dequeues a waiter, for that waiter. Only that heir clears it: when it has the mutex
// (becomeOwner), sleeps (enqueue) or gives up (stopBeingHeir).
//
// To be shown: if lock is free and the queue is not empty, and every goroutine has finished the
// function that it is in, then an heir is awake. If heirAwake is set there is an heir, or there
// will be one as soon as it wakes. It looks at lock until it has the mutex, sleeps, or stops being
// the heir. Otherwise onUnlock is set, and this is Dekker's pattern, between a goroutine that
// enqueues a waiter and an unlocker. (An heir that stops being one is in the place of the former,
// for the queue that it leaves to itself.)
//
//	enqueue                             Unlock
//	(1) [RMW] wait: queue, onUnlock     (3) [S] lock = free
//	(2)  FenceAll, if onUnlock was      (4) [L] wait has onUnlock?
//	     clear                              if so:
//	    [L]   lock free? then wake      (5)     MB
//	                                            [L] wait: queue, no heir? then wake
//
// If onUnlock was set before (1), and (4) saw it set: (1) and (5) are fences on both sides. So
// either the left side finds lock free or the unlocker finds the waiter in the queue.
//
// If onUnlock was clear before (1), (4) may have seen it clear, and there is no fence between (3)
// and (4). (2) makes one: it executes a fence on the unlocker's CPU at some moment after (1). If
// that moment is after (4), then (3) is visible when (2) returns, and the look finds lock free, or
// held by a later owner. If it is before (4), then (4) is after (1) and sees onUnlock set, and the
// first case applies. On machines where a release store followed by an acquire load is ordered, (3)
// and (4) are in order by themselves, and (2) does nothing.
//
// If another goroutine set onUnlock before (1), and is itself still in (2), then our look may miss
// an unlocker whose (4) saw onUnlock clear. That goroutine's look is still to come, after its (2),
// and wakes a waiter. Which waiter does not matter: it becomes the owner, sleeps, or stops being
// the heir, and each of these looks after the rest of the queue.
//
// If the look finds lock held by a later owner, that owner took it after the (3) in question was
// visible. Its own Unlock is another instance of the right column. (4) of the last such Unlock
// before (1) is covered as above.
//
// onUnlock, once seen, is cleared only with an empty queue and no heir. An heir that becomes the
// owner sets it without (2), and needs none: it holds the mutex, so no (3) is under way, and its
// Unlock's (4) comes after.
//
// dequeueNext does nothing if lock is held: the holder's Unlock is to come, and with it a (4) that
// sees onUnlock, or that finds onUnlock cleared by an heir who is awake. It does nothing if editing
// is set: the goroutine that edits calls it afterwards (dequeueSelf), or has made an heir
// (dequeueNext).
//
// What is argued here is explored under TSO by the model checker, with and without each fence.
//
// # Bounded bypass
//
// An heir that is entitled sets reserved. Lock reads reserved before it tries. So from then on only
// those goroutines get in that read it before, each once. reserved stays over Unlock, which stores
// to the other word. If heirAwake is set the heir spins, and takes the mutex when it is released.
// If the heir sleeps meanwhile it leaves reserved set and sets onUnlock, and the unlocker hands its
// P over to it.
//
// # Why the words are as they are
//
// A store of a byte followed by a compare-and-swap of the word around it stalls, and so does a load
// of such a word after a compare-and-swap of a part: 6 ns against 2 on Zen 4, 12 against 9 on
// Intel. So Unlock stores all that Lock's compare-and-swap touches, and loads another word.

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

// TryLock takes the mutex if it is free and not reserved for a waiter. It reports whether it did.
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
	for contendOrQueue(c, m, &w) == mustSleep {
		w.node = c.ParkAmong(w.others, w.node, ownFrames)
	}
	w.end(c, m, true)
}

//go:noinline
func (m *Mutex) unlockSlow() {
	var c arch.Core
	if x, handoff := dequeueNext(c, m); x != 0 {
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
