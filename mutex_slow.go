package pvlock

import "example.com/pvlock/internal/arch"

// How long waiters do what, in ns. The waits were chosen by measuring time and CPU time against sync.Mutex's, alone on a
// Zen 4. Beside others they look as good when they are five times as long: measure them alone.
const (
	// patience is after what wait a waiter has a right to the mutex: sync's starvation threshold.
	patience = 1e6

	// pause is what goes by between two looks: each takes the lock's cache line from its owner.
	pause = 400

	// The heir sleeps when it has spun for heirSpin.
	heirSpin = 4e3

	// A heir that has a right to the mutex spins for handOver until it is released, before it
	// has itself woken when it is.
	handOver = 30e3

	// A heir whose clock jumped by so much more than it meant to pause was preempted.
	preempted = 50e3

	// An owner that takes the mutex again within some comeback of its release comes back sooner than the lock's cache
	// line could go to another CPU and back.
	comeback = 50
)

const (
	// An arrival that may not be the heir looks again so often before it sleeps.
	arrivalLooks = 4

	// One arrival in so many doubts, when it finds the mutex free, that its owner has gone.
	doubtful = 8

	// The mutex is handed on by a heir that had it handed over, but for one in so many times.
	handOns = 8

	// An unlocker that finds nobody to look after spares later ones the look, once in so many times. What it spares is
	// the fence of next, some 10 ns; what it costs is the membarrier of the next waiter that
	// goes to sleep, some 5 µs with the interrupt that it is to the owner.
	calm = 512

	// Of Lock's and Unlock's frames those that the profiles leave out: lockSlow's, unlockSlow's.
	ownFrames = 1
)

// A waiter is a goroutine in the slow path.
type waiter struct {
	done   arch.Done
	others arch.Others // whom it sleeps among
	node   uint32      // its place in the queue, 0 as long as it has had none
	heir   bool
	doubts bool  // it makes sure, when it finds the mutex free, that the owner has gone
	handed bool  // the mutex was reserved for it when it got it
	began  int64 // when it began to wait; 0 as long as it has not had to look at the clock
}

// entitled reports whether the waiter has waited for so long that it has a right to the mutex.
func (w *waiter) entitled(now int64) bool { return now-w.began > patience }

// outcome is how an attempt ended.
type outcome uint32

const (
	acquired outcome = iota
	gaveUp
	inherited // it is the heir now
	tired     // it is to sleep
)

// lockUntil is LockContext: it reports whether the waiter got the mutex, or gave up because it was done.
func lockUntil(c arch.Core, m *Mutex, done arch.Done) bool {
	if !done.Possible() {
		// A waiter that can't give up is parked, and unparked, in another way.
		m.Lock()
		return true
	}
	if tryLock(c, m) {
		return true
	}
	w := waiter{done: done}
	is := proceed(c, m, &w)
	for is == tired {
		if c.ParkUntil(w.node, w.done) {
			is = proceed(c, m, &w)
		} else {
			abandon(c, m, &w)
			is = gaveUp
		}
	}
	w.end(c, m, is == acquired)
	return is == acquired
}

// proceed goes on until the waiter has the mutex, gives up, or is in the queue and has to sleep. When
// it wakes up it is the heir, and proceeds.
func proceed(c arch.Core, m *Mutex, w *waiter) outcome {
	is := inherited
	if w.node == 0 {
		is = arrive(c, m, w)
	}
	if is == inherited {
		w.heir = true
		is = contend(c, m, w)
	}
	if is == tired {
		line(c, m, w)
	}
	return is
}

// end gives back what the waiter has. got says whether it got the mutex.
func (w *waiter) end(c arch.Core, m *Mutex, got bool) {
	if w.node != 0 {
		c.DropWaiter(w.node)
	}
	if s := c.Observed(&m.lock); s != nil {
		w.tell(c, s, got)
	}
}

// tell tells of a wait that ended.
func (w *waiter) tell(c arch.Core, s *arch.Seen, got bool) {
	switch {
	case !got:
		s.Tell(seenGaveUp, 1)
	case w.handed:
		s.Tell(seenHandedOver, 1)
	}
	if got {
		s.Tell(seenContended, 1)
	}
	if w.node != 0 {
		s.Tell(seenSlept, 1)
	}
	if w.began != 0 {
		s.Tell(seenNanos, uint64(c.Nanotime()-w.began))
	}
}

// What an observer is told, by the number of the sum; see MutexCounts.
const (
	seenContended = iota
	seenSlept
	seenHandedOver
	seenGaveUp
	seenWoken
	seenNanos
)

// arrive waits as one among several. If none sleeps and there is no heir, it becomes the heir.
func arrive(c arch.Core, m *Mutex, w *waiter) outcome {
	for looks := uint32(0); ; looks++ {
		c.Head(looks)
		b := c.Load32(&m.wait)
		spin := b&reserved == 0 && looks < arrivalLooks && c.SpinIsOfUse()
		if spin {
			// Nobody has to answer for anybody yet, so heirAwake is a promise, and no duty: (H) in mutex.go.
			if b&heirAwake == 0 && youngest(b) == 0 && c.Cas32(&m.wait, b, b|heirAwake) {
				w.doubts = c.OneIn(doubtful)
				c.Delay(c.Rounds(pause))
				return inherited
			}
			c.Delay(c.Rounds(pause))
		}
		if c.Load32(&m.lock) == free && tryLock(c, m) {
			return acquired
		}
		if c.IsDone(w.done) {
			return gaveUp
		}
		if !spin {
			w.began = c.Nanotime()
			return tired
		}
	}
}

// contend is what the heir does: it gets the mutex, or goes to sleep again.
func contend(c arch.Core, m *Mutex, w *waiter) outcome {
	began, last, reservedAt := int64(0), int64(0), int64(0)
	for {
		c.Head(w.node<<16 | bit(w.doubts)<<8 | bit(began != 0)<<7 | bit(reservedAt != 0))
		b := c.Load32(&m.wait)
		if c.Load32(&m.lock) == free {
			switch ask := b&hot != 0 || w.doubts; {
			case reservedAt == 0 && ask && !staysFree(c, m):
				if b&hot != 0 {
					return tired
				}
				c.Cas32(&m.wait, b, b|hot)
			case c.Cas32(&m.lock, free, held):
				settle(c, m, w, ask)
				return acquired
			}
		}
		if c.IsDone(w.done) {
			resign(c, m)
			return gaveUp
		}
		if began == 0 {
			// Who finds the mutex free at once needs no clock.
			began = c.Nanotime()
			last = began
			if w.began == 0 {
				w.began = began
			}
		}
		if !c.SpinIsOfUse() {
			return tired
		}
		c.Delay(c.Rounds(pause))
		now := c.Nanotime()
		if now-last > pause+preempted {
			// The machine is shared and wants its CPU for others: spinning burns this process's share of it.
			c.Preempted()
			return tired
		}
		last = now

		b = c.Load32(&m.wait)
		switch {
		case b&reserved == 0 && w.entitled(now):
			if c.Cas32(&m.wait, b, b|reserved) {
				reservedAt = now
			}
		case reservedAt != 0:
			if now-reservedAt > handOver {
				return tired
			}
		case now-began > heirSpin:
			return tired
		}
	}
}

// staysFree reports whether the mutex, found free, is free at two more looks, comeback apart.
func staysFree(c arch.Core, m *Mutex) bool {
	c.Delay(c.Rounds(comeback))
	if c.Load32(&m.lock) != free {
		return false
	}
	c.Delay(c.Rounds(comeback))
	return c.Load32(&m.lock) == free
}

func bit(is bool) uint32 {
	if is {
		return 1
	}
	return 0
}

// settle is the heir's duty once it has the mutex. It is the heir no longer; from now on unlockers
// answer for those who sleep, and the first of them will be its own, or at least come after it. calm says that the mutex
// is not hot.
func settle(c arch.Core, m *Mutex, w *waiter, calm bool) {
	// The next has waited for as long. To hand the mutex on and on costs a switch between goroutines each time,
	// so it ends by chance.
	keep := uint32(0)
	if w.handed = c.Load32(&m.wait)&reserved != 0; w.handed && w.entitled(c.Nanotime()) && !c.OneIn(handOns) {
		keep = reserved
	}
	for {
		c.Head(keep | bit(calm))
		b := c.Load32(&m.wait)
		n := b &^ heirAwake
		if calm {
			n &^= hot
		}
		if youngest(b) != 0 {
			n |= onUnlock
		}
		if youngest(b) == 0 || keep == 0 {
			n &^= reserved
		}
		if c.Cas32(&m.wait, b, n) {
			return
		}
	}
}

// resign ends the heir's being the heir, without the mutex.
func resign(c arch.Core, m *Mutex) {
	for {
		c.Head(0)
		b := c.Load32(&m.wait)
		n := b &^ (heirAwake | reserved)
		if youngest(b) != 0 {
			n |= onUnlock
		} else {
			n &^= hot
		}
		if c.Cas32(&m.wait, b, n) {
			lookAgain(c, m, b, n)
			return
		}
	}
}

// line enters the waiter in the queue.
func line(c arch.Core, m *Mutex, w *waiter) {
	if w.node == 0 {
		w.node = c.TakeWaiter()
	}
	w.doubts = false
	how, mine, keep := uint32(0), uint32(0), uint32(0)
	if w.heir {
		how, mine = urgent, heirAwake
		if w.entitled(c.Nanotime()) {
			keep = reserved
		}
		w.heir = false
	}
	c.MayGiveUp(w.node, w.done)
	w.others = c.JoinOthers(&m.lock, w.node, how&urgent != 0)
	enter(c, m, w.node, how, mine, keep)
}

// abandon is what a waiter does whose sleep ended without its being woken.
func abandon(c arch.Core, m *Mutex, w *waiter) {
	if !leave(c, m, w.node) {
		// Somebody has taken it out, and makes it the heir.
		c.ParkUntil(w.node, arch.Done{})
		resign(c, m)
	}
}

// lookAgain ends what may have left nobody awake who answers for the queue: an entry, a resignation. It changed wait
// from b to n.
func lookAgain(c arch.Core, m *Mutex, b, n uint32) {
	if n&heirAwake != 0 || n&onUnlock == 0 {
		// The heir answers; or nobody sleeps.
		return
	}
	if b&onUnlock == 0 && arch.StoreLoadBarrier {
		// (2) in mutex.go. Partner: Give in Unlock, (3) and (4).
		c.FenceAll()
	}
	wake(c, m)
}

// wake wakes the next in the queue, if that is due.
func wake(c arch.Core, m *Mutex) {
	if x, handoff := next(c, m); x != 0 {
		c.Unpark(x, handoff, 0)
	}
}

// next takes the next in the queue out, and makes it the heir, if that is due: the mutex is free, somebody sleeps, unlockers
// answer for them. Who calls it has just released the mutex, entered the queue, or left it, and wakes whom
// it returns.
func next(c arch.Core, m *Mutex) (x uint32, handoff bool) {
	// (5) in mutex.go. Partner: (1), the locked instruction with which a waiter entered.
	c.Fence()
	for {
		c.Head(0)
		b := c.Load32(&m.wait)
		if b&(heirAwake|editing) != 0 || b&onUnlock == 0 || c.Load32(&m.lock) != free {
			return 0, false
		}
		if youngest(b) == 0 {
			if c.FenceAllIsCheap() && c.OneIn(calm) {
				c.Cas32(&m.wait, b, b&^onUnlock)
			}
			return 0, false
		}
		// Pinned, because who is preempted while it edits holds up all wake-ups.
		c.Pin()
		if c.Cas32(&m.wait, b, b|heirAwake|editing) {
			x = takeOut(c, m, 0)
			c.Unpin()
			c.Observed(&m.lock).Tell(seenWoken, 1)
			return x, b&reserved != 0
		}
		c.Unpin()
	}
}
