package sim

// What runs where. Three layers are built of the same parts: physical CPUs run vCPUs, vCPUs run
// threads, threads run goroutines. What runs is a unit; what runs units, one at a time, is a seat;
// the seats of a layer and the units that take turns on them are a pool, and its policy decides.

// A pool is the host, a guest's kernel, or a Go runtime.
type pool struct {
	e      *engine
	policy policy
	seats  []*seat
	idle   int // seats with nobody on them
	level  level
	stop   *worldStop // of a Go runtime whose world is stopped now and then

	// What it costs: to go to sleep, to wake somebody, until he is ready, to change units.
	block, kick, wake, change int64
}

type level uint8

const (
	hostLevel level = iota
	guestLevel
	goLevel
)

// A policy decides which unit runs. It has the ready units that don't run.
type policy interface {
	// ready takes a unit that has become ready and returns the seat that should choose again, or
	// nil.
	ready(u *unit) *seat
	// put takes back a unit that has lost its seat and is still ready.
	put(s *seat, u *unit)
	// pick takes out the unit that runs next on a seat, or nil.
	pick(s *seat) *unit
	// take takes out a ready unit.
	take(u *unit)
	// slice is how long a unit may run; 0 is without bound.
	slice(s *seat, u *unit) int64
	// over is called at the end of a slice, and says whether somebody else should run.
	over(s *seat) bool
	// ran is told that a unit ran for so long.
	ran(u *unit, d int64)
	// slept is told that a unit went to sleep.
	slept(u *unit)
}

type state uint8

const (
	blocked state = iota
	ready
	running
)

// A seat runs one unit at a time: a physical CPU; a vCPU with threads; a thread with goroutines.
type seat struct {
	pool  *pool
	num   int
	actor int32 // its timer
	user  *unit
	prev  *unit // who ran last
	host  *unit // the unit that the seat is; nil for a physical CPU
	on    bool  // it runs itself
	cpu   int32 // the physical CPU, while on
	// left is what is left of the user's slice while the seat is off.
	left  int64
	first int64 // the first slice's length, so that the seats don't switch in step
	woken bool  // somebody has been put into its queue
	stop  bool  // the world is stopped
}

// A unit is what is scheduled: a vCPU, a thread, a goroutine.
type unit struct {
	host  *pool
	num   int
	vm    *vm // nil for another VM's
	state state
	seat  *seat // where it runs, or ran
	task  *task // what it runs,
	inner *seat // or the seat that it is, or neither: it computes
	since int64 // when it got the CPU
	ran   int64 // for how long it has had it

	dodge      *dodge // how it dodges the tick, or nil
	prev, next *unit  // in a policy's queue
	queued     bool
	sched
}

// preempted says whether a unit would run if it were let.
func (u *unit) preempted() bool {
	if u.host.seats[0].host == nil {
		return u.state == ready
	}
	return u.state == ready || u.state == running && !u.seat.on
}

// ready makes a unit ready.
func (e *engine) ready(u *unit) {
	u.state = ready
	e.noteUnit(u)
	if s := u.host.policy.ready(u); s != nil {
		e.poke(s)
	} else {
		e.boost(u)
	}
}

// poke lets a seat choose again.
func (e *engine) poke(s *seat) {
	switch {
	case s.user != nil:
		e.preempt(s)
	case s.on:
		e.dispatch(s)
	case s.host.state == blocked && !s.woken && !s.stop:
		s.woken = true
		if s.pool.level == goLevel {
			e.queue.set(s.actor, e.now+s.host.host.wake)
		} else {
			e.ready(s.host)
		}
	}
}

// preempt takes the seat from its user and lets the policy choose.
func (e *engine) preempt(s *seat) {
	e.evict(s)
	e.dispatch(s)
}

// evict takes the seat from its user, who stays ready.
func (e *engine) evict(s *seat) {
	u := s.user
	e.leave(s)
	u.state = ready
	e.noteUnit(u)
	s.pool.policy.put(s, u)
}

// leave takes the seat from its user.
func (e *engine) leave(s *seat) {
	u := s.user
	if s.on {
		e.end(u)
	}
	e.queue.remove(s.actor)
	s.user = nil
	s.pool.idle++
}

// block puts a unit that runs to sleep.
func (e *engine) block(u *unit) {
	s := u.seat
	e.leave(s)
	u.state = blocked
	e.noteUnit(u)
	s.pool.policy.slept(u)
	e.dispatch(s)
}

// dispatch seats the next unit on a seat that is free.
func (e *engine) dispatch(s *seat) {
	if s.stop {
		e.block(s.host)
		return
	}
	u := s.pool.policy.pick(s)
	if u == nil {
		e.noteSeat(s)
		if s.host != nil {
			e.block(s.host)
		}
		return
	}
	e.seat(s, u)
}

// seat seats a unit that is in no queue.
func (e *engine) seat(s *seat, u *unit) {
	at := e.now
	if u != s.prev {
		at += s.pool.change
	}
	s.user, s.prev, s.left = u, u, s.pool.policy.slice(s, u)
	s.pool.idle--
	if s.first != 0 && s.left != 0 {
		s.left, s.first = s.first, 0
	}
	u.state, u.seat = running, s
	if u.task != nil {
		u.task.granted = false
	}
	if s.on {
		e.begin(s, at)
	}
}

// begin lets the user of a seat that runs go on.
func (e *engine) begin(s *seat, at int64) {
	u := s.user
	u.since = e.now
	if s.left != 0 {
		e.queue.set(s.actor, at+s.left)
	}
	if u.dodge != nil {
		e.queue.set(u.dodge.actor, at+u.dodge.left)
	}
	switch {
	case u.task != nil:
		u.task.resume(at, s.cpu)
	case u.inner != nil:
		e.turnOn(u.inner, at, s.cpu)
	}
	e.noteUnit(u)
	e.noteSeat(s)
}

// end stops the user of a seat.
func (e *engine) end(u *unit) {
	s := u.seat
	ran := e.now - u.since
	u.ran += ran
	s.pool.policy.ran(u, ran)
	if u.dodge != nil {
		u.dodge.left = max(u.dodge.left-ran, 1)
		e.queue.remove(u.dodge.actor)
	}
	switch {
	case u.task != nil:
		u.task.suspend()
	case u.inner != nil:
		e.turnOff(u.inner)
	}
}

// turnOn is for a seat whose unit has got a CPU.
func (e *engine) turnOn(s *seat, at int64, cpu int32) {
	s.on, s.cpu, s.woken = true, cpu, false
	switch {
	case s.stop && s.user != nil:
		e.stopped(s, at)
	case s.user != nil:
		e.begin(s, at)
	default:
		// Choosing may end in the unit's going to sleep again: that is a step of its own.
		e.queue.set(s.actor, at)
	}
}

// turnOff is for one whose unit loses it.
func (e *engine) turnOff(s *seat) {
	if s.user != nil {
		if s.left != 0 {
			at, _ := e.queue.due(s.actor)
			s.left = max(at-e.now, 1)
		}
		e.end(s.user)
		e.noteUnit(s.user)
	}
	e.queue.remove(s.actor)
	s.on = false
}

// timer is a seat's event: the end of a slice, or the moment at which it has to choose.
func (e *engine) timer(s *seat) {
	switch {
	case s.user == nil && s.on:
		e.dispatch(s)
	case s.user == nil:
		if s.host.state == blocked {
			e.ready(s.host)
		}
	case e.grant(s):
	case s.pool.policy.over(s):
		e.preempt(s)
	default:
		s.left = s.pool.policy.slice(s, s.user)
		e.queue.set(s.actor, e.now+s.left)
	}
}

// fifo is a queue of units.
type fifo struct{ head, tail *unit }

func (f *fifo) push(u *unit) {
	u.prev, u.next, u.queued = f.tail, nil, true
	if f.tail == nil {
		f.head = u
	} else {
		f.tail.next = u
	}
	f.tail = u
}

func (f *fifo) remove(u *unit) {
	if u.prev == nil {
		f.head = u.next
	} else {
		u.prev.next = u.next
	}
	if u.next == nil {
		f.tail = u.prev
	} else {
		u.next.prev = u.prev
	}
	u.prev, u.next, u.queued = nil, nil, false
}

func (f *fifo) pop() *unit {
	u := f.head
	if u != nil {
		f.remove(u)
	}
	return u
}

// free returns a seat with nobody on it: the unit's last one if that is free.
func (p *pool) free(u *unit) *seat {
	if p.idle == 0 {
		return nil
	}
	if s := u.seat; s != nil && s.user == nil && !s.woken {
		return s
	}
	for _, s := range p.seats {
		if s.user == nil && !s.woken {
			return s
		}
	}
	return nil
}

// roundRobin is one queue: slices in turn.
type roundRobin struct {
	pool *pool
	fifo
	length int64
}

func (r *roundRobin) ready(u *unit) *seat {
	r.push(u)
	return r.pool.free(u)
}

func (r *roundRobin) put(_ *seat, u *unit)     { r.push(u) }
func (r *roundRobin) pick(*seat) *unit         { return r.pop() }
func (r *roundRobin) take(u *unit)             { r.remove(u) }
func (r *roundRobin) slice(*seat, *unit) int64 { return r.length }
func (r *roundRobin) over(*seat) bool          { return r.head != nil }
func (r *roundRobin) ran(*unit, int64)         {}
func (r *roundRobin) slept(*unit)              {}
