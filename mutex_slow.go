package pvlock

import "example.com/pvlock/internal/arch"

const (
	patience = 1e6 // ns after which a waiter has a right to the mutex, as in sync

	arrivalBursts = 4
	arrivalBurst  = 800 // ns

	firstPause   = 100 // ns
	longPause    = 800
	confirmPause = 110
	hotPause     = 3800
	hotConfirms  = 5
	hotEvidence  = 3
	surelyLong   = 3

	turnAlone  = 4e3
	turnOthers = 4e3
	handOver   = 30e3
	maxYields  = 2
	calm       = 8

	parkSkip   = 0
	unparkSkip = 0
)

// A waiter is a goroutine in the slow path.
type waiter struct {
	done arch.Done
	node uint32 // its place in the queue, 0 as long as it has none

	began int64 // when it began to wait, 0 as long as that is not known
	turn  int64 // when it began to spin, this time

	looks uint32 // since it was woken
	pause uint32 // rounds until the next look
	seen  uint32 // how often the last owner was seen to come back at once
}

// old reports whether the waiter has waited for so long that it has a right to the mutex.
func (w *waiter) old(now int64) bool { return w.began != 0 && now-w.began > patience }

func lockSlow(c arch.Core, m *Mutex, done arch.Done) bool {
	w := waiter{done: done}
	got := arrive(c, m, &w)
	for got == again {
		got = contend(c, m, &w)
	}
	if w.node != 0 {
		c.DropWaiter(w.node)
	}
	return got == acquired
}

// outcome is how an attempt ended.
type outcome uint32

const (
	again outcome = iota
	acquired
	gaveUp
)

// arrive waits as one among several: until it has the mutex, or is the heir, which it says by again.
func arrive(c arch.Core, m *Mutex, w *waiter) outcome {
	for bursts := 0; ; {
		c.Head(uint32(bursts))
		b := c.Load32(&m.wait)
		if b&reserved == 0 && c.Cas32(&m.lock, free, held) {
			return acquired
		}
		if c.IsDone(w.done) {
			return gaveUp
		}
		if b&(heirAwake|reserved) == 0 && youngest(b) == 0 && c.SpinIsOfUse() {
			if c.Cas32(&m.wait, b, b|heirAwake) {
				return again
			}
			continue
		}
		if b&reserved == 0 && bursts < arrivalBursts && c.SpinIsOfUse() {
			bursts++
			c.Delay(c.Rounds(arrivalBurst))
			continue
		}
		w.began = c.Nanotime()
		return sleep(c, m, w, 0, 0)
	}
}

// contend is what the heir does: it gets the mutex, or sleeps once more.
func contend(c arch.Core, m *Mutex, w *waiter) outcome {
	w.looks, w.seen, w.turn = 0, 0, 0
	w.pause = firstPause
	yields := 0
	for {
		c.Head(w.looks)
		b := c.Load32(&m.wait)
		if c.Load32(&m.lock) == free {
			if b&reserved == 0 && (b&hot != 0 || w.looks < surelyLong) && !settled(c, m, w, b) {
				// Keep away for a while.
			} else if c.Cas32(&m.lock, free, held) {
				settle(c, m, w)
				return acquired
			} else {
				continue
			}
		}
		if c.IsDone(w.done) {
			resign(c, m)
			return gaveUp
		}
		if !c.SpinIsOfUse() {
			if yields++; yields <= maxYields {
				c.Yield()
				continue
			}
			return reluctantly(c, m, w)
		}
		c.Delay(c.Rounds(w.pause))
		w.looks++
		if w.pause < longPause {
			w.pause += w.pause / 2
			continue
		}
		now := c.Nanotime()
		if w.turn == 0 {
			w.turn = now
			if w.began == 0 {
				w.began = now
			}
		}
		b = c.Load32(&m.wait)
		if b&onUnlock != 0 && c.Load32(&m.lock) != free && c.FenceAllIsCheap() {
			// Awake, the heir sees for itself when the mutex is free.
			c.Cas32(&m.wait, b, b&^onUnlock)
			b = c.Load32(&m.wait)
		}
		turn := int64(turnAlone)
		if youngest(b) != 0 {
			turn = turnOthers
		}
		if now-w.turn < turn && !w.old(now) {
			continue
		}
		if c.Load32(&m.lock) == free {
			continue
		}
		if b&reserved == 0 {
			if !w.old(now) {
				return reluctantly(c, m, w)
			}
			c.Cas32(&m.wait, b, b|reserved)
			w.pause = longPause
			w.turn = now - turn
			continue
		}
		if now-w.turn < turn+handOver {
			continue
		}
		return reluctantly(c, m, w)
	}
}

// settled reports whether the mutex, which was just seen free, stays so: whether its last owner
// has gone, and doesn't come back at once.
func settled(c arch.Core, m *Mutex, w *waiter, b uint32) bool {
	times := 1
	if b&hot != 0 {
		times = hotConfirms
	}
	for range times {
		c.Delay(c.Rounds(confirmPause))
		if c.Load32(&m.lock) == free {
			continue
		}
		if b&hot == 0 {
			if w.seen++; w.seen < hotEvidence {
				w.pause = firstPause
				w.looks = 0
				return false
			}
			c.Or32(&m.wait, hot)
		}
		w.pause = hotPause
		return false
	}
	if b&hot != 0 {
		c.And32(&m.wait, ^uint32(hot))
	}
	return true
}

// settle is the heir's duty once it has the mutex: it is the heir no longer, so from now on
// its own unlock, and the later ones, answer for those who sleep.
func settle(c arch.Core, m *Mutex, w *waiter) {
	now := int64(0)
	if w.began != 0 {
		now = c.Nanotime()
	}
	for {
		c.Head(0)
		b := c.Load32(&m.wait)
		n := b &^ heirAwake
		if youngest(b) != 0 {
			n |= onUnlock
		}
		if youngest(b) == 0 || !w.old(now) {
			n &^= reserved
		}
		if b&reserved != 0 && n&reserved == 0 && youngest(b) != 0 && w.turn != 0 && b&editing == 0 {
			// A full turn is over: bring in the next.
			c.Pin()
			if c.Cas32(&m.wait, b, b&^reserved|heirAwake|editing|onUnlock) {
				x := takeOut(c, m, 0)
				c.Unpin()
				rouse(c, x, false)
				return
			}
			c.Unpin()
			continue
		}
		if c.Cas32(&m.wait, b, n) {
			return
		}
	}
}

// reluctantly puts the heir back to sleep, before all others.
func reluctantly(c arch.Core, m *Mutex, w *waiter) outcome {
	now := c.Nanotime()
	if w.began == 0 {
		w.began = now
	}
	keep := uint32(0)
	if w.old(now) {
		keep = reserved
	}
	return sleep(c, m, w, heirAwake, keep)
}

// resign ends the heir's being the heir: it gives up.
func resign(c arch.Core, m *Mutex) {
	for {
		c.Head(0)
		b := c.Load32(&m.wait)
		n := b &^ (heirAwake | reserved)
		if youngest(n) != 0 {
			n |= onUnlock
		}
		if c.Cas32(&m.wait, b, n) {
			lookAgain(c, m, b, n)
			return
		}
	}
}

// sleep enters the waiter in the queue and sleeps until it is taken out; then it is the heir. If it is that
// already, mine is heirAwake, and keep is reserved if the mutex stays so.
func sleep(c arch.Core, m *Mutex, w *waiter, mine, keep uint32) outcome {
	if w.node == 0 {
		w.node = c.TakeWaiter()
	}
	x := c.Waiter(w.node)
	how := uint32(0)
	if mine != 0 {
		how = urgent
	}
	if w.done.Possible() {
		how |= mayGiveUp
		c.PrepareGiveUp(x)
	}
	enter(c, m, w.node, how, mine, keep)
	if !w.done.Possible() {
		c.Park(x, parkSkip)
		return again
	}
	if c.ParkUntil(x, w.done) {
		return again
	}
	if leave(c, m, w.node) {
		return gaveUp
	}
	// Somebody has taken it out, and made it the heir.
	c.ParkUntil(x, arch.Done{})
	resign(c, m)
	return gaveUp
}

// lookAgain is what a waiter does that went to sleep, or gave up, and changed wait from b to n: if it made
// the unlockers answer for the queue, one of them may not have noticed.
func lookAgain(c arch.Core, m *Mutex, b, n uint32) {
	if n&heirAwake != 0 || n&onUnlock == 0 {
		return
	}
	if b&onUnlock == 0 && arch.StoreLoadBarrier {
		c.FenceAll()
	}
	wake(c, m)
}

// wake makes the next in the queue the heir, if that is due: the mutex is free, somebody sleeps, and no heir is awake.
// The caller has just released the mutex, or has just entered the queue or left it.
func wake(c arch.Core, m *Mutex) {
	c.Fence()
	for {
		c.Head(0)
		b := c.Load32(&m.wait)
		if b&(heirAwake|editing) != 0 || b&onUnlock == 0 || c.Load32(&m.lock) != free {
			return
		}
		if youngest(b) == 0 {
			if c.FenceAllIsCheap() && c.OneIn(calm) {
				c.Cas32(&m.wait, b, b&^onUnlock)
			}
			return
		}
		c.Pin()
		if c.Cas32(&m.wait, b, b|heirAwake|editing) {
			x := takeOut(c, m, 0)
			c.Unpin()
			rouse(c, x, b&reserved != 0)
			return
		}
		c.Unpin()
	}
}

// rouse wakes a waiter that was taken out.
func rouse(c arch.Core, x uint32, handoff bool) {
	w := c.Waiter(x)
	if c.Load32(&w.Flags)&mayGiveUp != 0 {
		c.UnparkUntil(w, handoff)
	} else {
		c.Unpark(w, handoff, unparkSkip)
	}
}
