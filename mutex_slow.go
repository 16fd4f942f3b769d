package pvlock

import "example.com/pvlock/internal/arch"

// Durations, in ns. They were chosen by measuring time and CPU time against sync.Mutex's, alone on
// a Zen 4. Beside other processes, values five times as long look as good: measure alone.
const (
	// A waiter that has waited for patience has a right to the mutex: sync's starvation threshold.
	patience = 1e6

	// A spinning waiter pauses between two looks. Each look takes the lock's cache line from its
	// owner.
	pause = 400

	// The heir sleeps when it has spun for heirSpin.
	heirSpin = 4e3

	// An heir that has a right to the mutex spins for handOver until the mutex is released. Then it
	// sleeps, and the unlocker wakes it.
	handOver = 30e3

	// An heir was preempted if a pause took so much longer than it was meant to.
	preempted = 50e3

	// An owner comes back soon if it takes the mutex again within some comeback of its release.
	// That is sooner than the lock's cache line could go to another CPU and back.
	comeback = 50
)

const (
	// An arrival that may not become the heir looks arrivalLooks times before it sleeps.
	arrivalLooks = 4

	// One arrival in doubtful makes sure, when it finds the mutex free, that the owner does not
	// come back.
	doubtful = 8

	// An heir that got the mutex by hand-over hands it on, but for one time in handOns.
	handOns = 8

	// An unlocker that finds the queue empty clears onUnlock one time in quietUnlocks. Later
	// unlockers save the fence of dequeueNext, some 10 ns. The next waiter that goes to sleep pays
	// a membarrier, some 5 µs with the interrupt that it is to the owner.
	quietUnlocks = 512

	// The profiles leave out lockSlow's and unlockSlow's frame, above Lock's and Unlock's.
	ownFrames = 1
)

// A waiter is a goroutine in the slow path.
type waiter struct {
	done   arch.Done
	others arch.Others // the waiters that it sleeps among
	node   uint32      // its place in the queue, 0 as long as it has had none
	heir   bool
	doubts bool  // before it takes the free mutex it makes sure that the owner does not come back
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
	mustSleep // it is in the queue, or has to go there
)

// lockUntil takes the mutex, or gives up when done is. It reports whether it took it.
func lockUntil(c arch.Core, m *Mutex, done arch.Done) bool {
	if !done.Possible() {
		// A waiter that can't give up sleeps on another semaphore.
		m.Lock()
		return true
	}
	if tryLock(c, m) {
		return true
	}
	w := waiter{done: done}
	is := contendOrQueue(c, m, &w)
	for is == mustSleep {
		if c.ParkUntil(w.node, w.done) {
			is = contendOrQueue(c, m, &w)
		} else {
			cancelWait(c, m, &w)
			is = gaveUp
		}
	}
	w.end(c, m, is == acquired)
	return is == acquired
}

// contendOrQueue goes on until the waiter has the mutex, gives up, or is in the queue and has to
// sleep. A waiter that was woken is the heir, and goes on as that.
func contendOrQueue(c arch.Core, m *Mutex, w *waiter) outcome {
	is := inherited
	if w.node == 0 {
		is = spinAsArrival(c, m, w)
	}
	if is == inherited {
		w.heir = true
		is = spinAsHeir(c, m, w)
	}
	if is == mustSleep {
		queueUp(c, m, w)
	}
	return is
}

// end ends the wait. got says whether the waiter got the mutex.
func (w *waiter) end(c arch.Core, m *Mutex, got bool) {
	if w.node != 0 {
		c.DropWaiter(w.node)
	}
	if s := c.Observed(&m.lock); s != nil {
		w.tell(c, s, got)
	}
}

// tell tells an observer of a wait that ended.
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

// The sums that an observer reads; see MutexCounts.
const (
	seenContended = iota
	seenSlept
	seenHandedOver
	seenGaveUp
	seenWoken
	seenNanos
)

// spinAsArrival looks at the mutex a few times, until the waiter has it, gives up or must sleep.
// The waiter becomes the heir if there is none and the queue is empty.
func spinAsArrival(c arch.Core, m *Mutex, w *waiter) outcome {
	for looks := uint32(0); ; looks++ {
		c.Head(looks)
		b := c.Load32(&m.wait)
		spin := b&reserved == 0 && looks < arrivalLooks && c.SpinIsOfUse()
		if spin {
			// Nobody sleeps, so the new heir has nobody to answer for: (H) in mutex.go.
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
			return mustSleep
		}
	}
}

// spinAsHeir spins until the heir has the mutex, gives up or must sleep.
func spinAsHeir(c arch.Core, m *Mutex, w *waiter) outcome {
	began, last, reservedAt := int64(0), int64(0), int64(0)
	for {
		c.Head(w.node<<16 | bit(w.doubts)<<8 | bit(began != 0)<<7 | bit(reservedAt != 0))
		b := c.Load32(&m.wait)
		if c.Load32(&m.lock) == free {
			switch ask := b&hot != 0 || w.doubts; {
			case reservedAt == 0 && ask && !staysFree(c, m):
				if b&hot != 0 {
					return mustSleep
				}
				c.Cas32(&m.wait, b, b|hot)
			case c.Cas32(&m.lock, free, held):
				becomeOwner(c, m, w, ask)
				return acquired
			}
		}
		if c.IsDone(w.done) {
			stopBeingHeir(c, m)
			return gaveUp
		}
		if began == 0 {
			// An heir that finds the mutex free at once reads no clock.
			began = c.Nanotime()
			last = began
			if w.began == 0 {
				w.began = began
			}
		}
		if !c.SpinIsOfUse() {
			return mustSleep
		}
		c.Delay(c.Rounds(pause))
		now := c.Nanotime()
		if now-last > pause+preempted {
			// The machine is shared, and spinning burns this process's share of it.
			c.Preempted()
			return mustSleep
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
				return mustSleep
			}
		case now-began > heirSpin:
			return mustSleep
		}
	}
}

// staysFree reports whether the mutex, found free, is still free at two more looks, comeback apart.
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

// becomeOwner ends the waiter's being the heir, once it has the mutex. From now on unlockers answer
// for the waiters that sleep. The first such unlock is its own, or comes after it. clearHot says
// that the owner before did not come back.
func becomeOwner(c arch.Core, m *Mutex, w *waiter, clearHot bool) {
	// The next waiter has waited for as long, so the mutex stays reserved for it. Each hand-over
	// costs a switch between goroutines, so a chain of them ends by chance.
	keep := uint32(0)
	w.handed = c.Load32(&m.wait)&reserved != 0
	if w.handed && w.entitled(c.Nanotime()) && !c.OneIn(handOns) {
		keep = reserved
	}
	for {
		c.Head(keep | bit(clearHot))
		b := c.Load32(&m.wait)
		n := b &^ heirAwake
		if clearHot {
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

// stopBeingHeir ends the waiter's being the heir, without the mutex.
func stopBeingHeir(c arch.Core, m *Mutex) {
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
			recheck(c, m, b, n)
			return
		}
	}
}

// queueUp puts the waiter in the queue.
func queueUp(c arch.Core, m *Mutex, w *waiter) {
	if w.node == 0 {
		w.node = c.TakeWaiter()
	}
	w.doubts = false
	var e entry
	if w.heir {
		e = entry{flags: urgent, was: heirAwake}
		if w.entitled(c.Nanotime()) {
			e.keep = reserved
		}
		w.heir = false
	}
	c.MayGiveUp(w.node, w.done)
	w.others = c.JoinOthers(&m.lock, w.node, e.flags&urgent != 0)
	enqueue(c, m, w.node, e)
}

// cancelWait handles a wait that was cancelled while asleep.
func cancelWait(c arch.Core, m *Mutex, w *waiter) {
	if !dequeueSelf(c, m, w.node) {
		// Another goroutine has dequeued the waiter, and makes it the heir.
		c.ParkUntil(w.node, arch.Done{})
		stopBeingHeir(c, m)
	}
}

// recheck wakes the next waiter if the caller's change of wait, from b to n, may have left nobody
// awake who answers for the queue. The caller has enqueued a waiter, or has stopped being the heir.
func recheck(c arch.Core, m *Mutex, b, n uint32) {
	if n&heirAwake != 0 || n&onUnlock == 0 {
		// The heir answers for the queue, or the queue is empty.
		return
	}
	if b&onUnlock == 0 && arch.StoreLoadBarrier {
		// (2) in mutex.go. Partner: Give in Unlock, (3) and (4).
		c.FenceAll()
	}
	wakeNext(c, m)
}

// wakeNext wakes the next waiter, if that is due.
func wakeNext(c arch.Core, m *Mutex) {
	if x, handoff := dequeueNext(c, m); x != 0 {
		c.Unpark(x, handoff, 0)
	}
}

// dequeueNext takes the waiter whose turn it is out of the queue, and makes it the heir, if that is
// due: the mutex is free, the queue is not empty, and unlockers answer for it. The caller has just
// released the mutex, enqueued or dequeued a waiter, or stopped being the heir. It must wake the
// waiter that is returned; handoff says that this one is to run at once.
func dequeueNext(c arch.Core, m *Mutex) (x uint32, handoff bool) {
	// (5) in mutex.go. Partner: (1), the locked instruction of enqueue.
	c.Fence()
	for {
		c.Head(0)
		b := c.Load32(&m.wait)
		if b&(heirAwake|editing) != 0 || b&onUnlock == 0 || c.Load32(&m.lock) != free {
			return 0, false
		}
		if youngest(b) == 0 {
			if c.FenceAllIsCheap() && c.OneIn(quietUnlocks) {
				c.Cas32(&m.wait, b, b&^onUnlock)
			}
			return 0, false
		}
		// Pinned, because a goroutine that is preempted while it edits holds up all wake-ups.
		c.Pin()
		if c.Cas32(&m.wait, b, b|heirAwake|editing) {
			x = dequeue(c, m, 0)
			c.Unpin()
			c.Observed(&m.lock).Tell(seenWoken, 1)
			return x, b&reserved != 0
		}
		c.Unpin()
	}
}
