package sim

import (
	"example.com/pvlock/internal/twin/arch"
	"example.com/pvlock/internal/twin/paravirt"
	"example.com/pvlock/internal/twin/workload"
)

// What a host or a guest may do beyond scheduling.

// lock and unlock are the lock's, and say to the engine who waits and who is inside.

func (v *vm) lock(e *engine) func(w *arch.Word, c *paravirt.CPU) {
	lock := e.cfg.Lock.Lock
	return func(w *arch.Word, c *paravirt.CPU) {
		t := v.tasks[c.ID()]
		t.phase, t.entered = workload.Locking, t.at
		if e.ordered {
			t.queue()
		}
		lock(w, c)
		if e.ordered {
			t.sync()
			t.unqueue()
		}
		t.phase = workload.Holding
		e.note(t)
		if e.cfg.BoostHead && v.first != nil {
			e.boost(v.first.unit)
		}
	}
}

func (v *vm) unlock(e *engine) func(w *arch.Word, c *paravirt.CPU) {
	unlock := e.cfg.Lock.Unlock
	return func(w *arch.Word, c *paravirt.CPU) {
		t := v.tasks[c.ID()]
		t.phase, v.kicked = workload.Unlocking, false
		e.note(t)
		unlock(w, c)
		t.phase = workload.Thinking
	}
}

func (t *task) queue() {
	t.sync()
	t.older, t.newer = t.vm.last, nil
	if t.older == nil {
		t.vm.first = t
	} else {
		t.older.newer = t
	}
	t.vm.last = t
}

func (t *task) unqueue() {
	if t.older == nil {
		t.vm.first = t.newer
	} else {
		t.older.newer = t.newer
	}
	if t.newer == nil {
		t.vm.last = t.older
	} else {
		t.newer.older = t.older
	}
}

// runs returns the task that runs, or would run, on a unit; nil if none does.
func (u *unit) runs() *task {
	for u.inner != nil {
		if u = u.inner.user; u == nil {
			return nil
		}
	}
	return u.task
}

// up returns the unit of a layer that a unit is on; nil if it isn't on any.
func (u *unit) up(l level) *unit {
	for u.host.level != l {
		if u.seat == nil || u.seat.host == nil || u.state != running {
			return nil
		}
		u = u.seat.host
	}
	return u
}

// crucial says whether others wait for a task: it is inside, or the next to be.
func (t *task) crucial() bool {
	return t.phase == workload.Holding || t.phase == workload.Unlocking || t.vm.first == t
}

// protected says whether the host won't take a physical CPU from its user.
func (e *engine) protected(s *seat) bool {
	if !e.cfg.BoostHead || s.pool != e.pool || s.user == nil {
		return false
	}
	t := s.user.runs()
	return t != nil && t.crucial()
}

// grant lets a protected user run for another slice, once.
func (e *engine) grant(s *seat) bool {
	if !e.protected(s) {
		return false
	}
	t := s.user.runs()
	if t.granted {
		return false
	}
	t.granted = true
	s.left = s.pool.policy.slice(s, s.user)
	e.queue.set(s.actor, e.now+s.left)
	return true
}

// boost lends a physical CPU to the head of a queue of waiters that has none: that of a vCPU of its
// own VM that isn't crucial, and spins if there is such a one; or any other's.
func (e *engine) boost(u *unit) {
	if !e.cfg.BoostHead || u.task == nil || u.task.vm.first != u.task {
		return
	}
	u = u.up(hostLevel)
	if u == nil || u.state != ready {
		return
	}
	var victim *seat
	best := 0
	for _, s := range e.pool.seats {
		if s.user == nil || e.protected(s) {
			continue
		}
		rank := 1
		if s.user.vm == u.vm {
			rank = 2
			if t := s.user.runs(); t != nil && t.spin.on {
				rank = 3
			}
		}
		if rank > best {
			victim, best = s, rank
		}
	}
	if victim != nil {
		e.lend(victim, u)
	}
}

// lend gives a physical CPU to a vCPU that is ready.
func (e *engine) lend(s *seat, u *unit) {
	e.evict(s)
	u.host.policy.take(u)
	e.seat(s, u)
}

// pauseExit is the host's answer to a vCPU that spins: it lends its CPU to another one of its VM
// that has none, and that didn't spin when it lost it, if there is such a one (KVM's directed
// yield). It reports whether it did.
func (e *engine) pauseExit(t *task) bool {
	u := t.unit.up(hostLevel)
	var to *unit
	n := len(t.vm.vcpus)
	for i := range n {
		c := t.vm.vcpus[(t.vm.lender+1+i)%n]
		if c.state != ready {
			continue
		}
		if r := c.runs(); r == nil || !r.spin.on {
			to = c
			break
		}
		if to == nil {
			to = c
		}
	}
	if to == nil {
		t.at += e.costs.Switch // out of the guest and back
		return false
	}
	t.vm.lender = to.num
	e.lend(u.seat, to)
	return true
}

// choose returns whom the 2008 lock's unlocker kicks instead of whom its text has found, or false
// for nobody. The text looks for waiters from CPU 0 on: the first that it finds in an unlock is the
// first.
func (v *vm) choose(e *engine, found uint32) (cpu uint32, ok bool) {
	if e.cfg.Kick == "" {
		return found, true
	}
	if v.kicked {
		return 0, false
	}
	v.kicked = true
	waits := func(t *task) bool {
		return e.mem.get(v.guest.resolve(v.guest.slotOf(t.num)), 8) == lockAddr
	}
	switch e.cfg.Kick {
	case KickRotating:
		for i := range v.tasks {
			if t := v.tasks[(v.rotor+i)%len(v.tasks)]; waits(t) {
				v.rotor = t.num + 1
				return uint32(t.num), true
			}
		}
	case KickOldest:
		for t := v.first; t != nil; t = t.newer {
			if waits(t) {
				return uint32(t.num), true
			}
		}
	}
	return found, true
}

// gangs runs all vCPUs of one VM together, or none, in turns of a slice. Background vCPUs come in
// gangs that fill the host.
type gangs struct {
	pool   *pool
	actor  int32
	length int64
	turn   int
	queues []fifo
	alive  []int // how many of each gang are ready or run
}

func (g *gangs) of(u *unit) *fifo { return &g.queues[u.gang] }

func (g *gangs) ready(u *unit) *seat {
	g.of(u).push(u)
	g.alive[u.gang]++
	if u.gang != g.turn {
		return nil
	}
	return g.pool.free(u)
}

func (g *gangs) put(_ *seat, u *unit)     { g.of(u).push(u) }
func (g *gangs) pick(*seat) *unit         { return g.queues[g.turn].pop() }
func (g *gangs) take(u *unit)             { g.of(u).remove(u) }
func (g *gangs) slice(*seat, *unit) int64 { return 0 }
func (g *gangs) over(*seat) bool          { return false }
func (g *gangs) ran(*unit, int64)         {}
func (g *gangs) slept(u *unit)            { g.alive[u.gang]-- }

// rotate gives the turn to the next gang that has anybody to run.
func (g *gangs) rotate() {
	e := g.pool.e
	e.queue.set(g.actor, e.now+g.length)
	from := g.turn
	for range g.queues {
		if g.turn = (g.turn + 1) % len(g.queues); g.alive[g.turn] > 0 {
			break
		}
	}
	if g.turn == from {
		return
	}
	for _, s := range g.pool.seats {
		if s.user != nil && s.user.gang != g.turn {
			e.evict(s)
		}
	}
	for _, s := range g.pool.seats {
		if s.user == nil {
			e.dispatch(s)
		}
	}
}

// A worldStop stops the world of a Go runtime now and then: all threads that run goroutines have to
// come to a stop, and one that has lost its CPU has to get it back first.
type worldStop struct {
	e       *engine
	pool    *pool
	actor   int32
	every   int64
	waiting int
	on      bool
}

// stopPause is how long the world is stopped once all have stopped: tens of microseconds (Go's
// /sched/pauses/stopping and /total metrics).
const stopPause = 50_000

func (w *worldStop) event() {
	e := w.e
	if w.on {
		w.on = false
		e.queue.set(w.actor, e.now+w.every)
		for _, s := range w.pool.seats {
			s.stop = false
		}
		for _, s := range w.pool.seats {
			if s.user == nil {
				e.poke(s)
			}
		}
		return
	}
	w.on = true
	for _, s := range w.pool.seats {
		s.stop = true
		switch {
		case s.user == nil:
		case s.on:
			e.preempt(s)
		default:
			w.waiting++
		}
	}
	w.stopped()
}

func (w *worldStop) stopped() {
	if w.waiting == 0 {
		w.e.queue.set(w.actor, w.e.now+stopPause)
	}
}

// stopped is for a seat that has got its CPU back while the world stops.
func (e *engine) stopped(s *seat, at int64) {
	s.on = false // its user didn't run again
	e.evict(s)
	s.on = true
	e.queue.set(s.actor, at) // and it has nothing to do
	s.pool.stop.waiting--
	s.pool.stop.stopped()
}
