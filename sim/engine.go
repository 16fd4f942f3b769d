package sim

import (
	"context"
	"fmt"
	"iter"

	"example.com/pvlock/internal/twin/arch"
	"example.com/pvlock/internal/twin/paravirt"
	"example.com/pvlock/internal/twin/workload"
)

// engine is one run.
type engine struct {
	cfg   *Config
	costs *Costs
	ctx   context.Context

	queue  queue
	now    int64
	cur    uint64 // the key of the event that is being executed
	events uint64
	look   uint64  // at how many the context is looked at
	actors []actor // what is due for an actor; nil for tasks
	tasks  []*task // by actor
	tasks0 int32   // the first one's actor
	next   *task   // whom a coroutine hands over to
	err    error

	mem       memory
	perSocket int32

	pool  *pool // the physical CPUs
	vms   []*vm
	hogs  []*unit // the vCPUs of other VMs
	rec   *recorder
	meter meter
	over  bool
	// ordered says that the order of the waiters is kept.
	ordered bool
}

// actor is something other than a task that events happen to.
type actor func()

// vm is a guest in a run.
type vm struct {
	VM
	id    int
	guest *guest
	ops   workload.Ops
	tasks []*task
	vcpus []*unit
	// first and last are the tasks that wait for the lock, in the order in which they came.
	first, last *task
	kicked      bool // the unlock that is under way has kicked somebody
	rotor       int  // where KickRotating goes on
	lender      int  // where pause-loop exiting goes on
}

// What a task's event is.
type op uint8

const (
	opRun  op = iota // its text goes on
	opLook           // it looks at the cell that it spins on
	opFall           // it is asleep, unless it has been woken meanwhile
	opWake           // it is ready to run
)

// A task is what runs the client's text: a vCPU, or a thread or goroutine on one.
type task struct {
	e    *engine
	vm   *vm
	id   int32 // its actor
	num  int   // its number in its VM
	pv   *paravirt.CPU
	unit *unit

	co     func() (struct{}, bool)
	stop   func()
	yield  func(struct{}) bool
	client workload.Client

	// at is its own clock while it runs, which is ahead of the engine's by what nobody else sees;
	// left is how much of that is left while it doesn't run.
	at, left int64
	op       op
	cpu      int32 // the physical CPU that it runs on, or ran
	drained  int64 // when its stores are done
	// ahead is how much of the next accesses is hidden by what it has just computed, behind how
	// much of the last ones what it computes next can hide.
	ahead, behind int64

	spin struct {
		on, skipping bool
		cell         uintptr
		width        uint8
		mask, value  uint64
		limit, done  uint64
		row          uint64 // PAUSEs without losing the CPU
		v            uint64
		line         uintptr
		place        int // in the line's spinners
	}
	spun, spunFrom int64 // time spent so, and since when

	nextSleep *task
	woken     bool

	phase        workload.Phase
	entered      int64 // when it came for the lock
	older, newer *task // in the VM's order of waiters
	kickedBy     *task
	kickedAt     int64
	granted      bool // it has been let run past its slice
}

type ended struct{}

// sync waits until everything that comes before the task's clock has happened.
func (t *task) sync() {
	e := t.e
	if k := key(t.at, t.id); k < e.queue.min() {
		e.cur, e.now = k, t.at
		return
	}
	t.op = opRun
	e.queue.set(t.id, t.at)
	t.wait()
}

// wait runs the engine until the task's text goes on.
func (t *task) wait() {
	e := t.e
	if next := e.pump(); next != t {
		e.next = next
		if !t.yield(struct{}{}) {
			panic(ended{})
		}
	}
}

// lookEvery is how many events pass at least between two looks at the context.
const lookEvery = 1 << 16

// pump executes events until a task's text goes on, and returns the task; nil is the end of the
// run.
func (e *engine) pump() *task {
	for {
		if e.over || e.err != nil || len(e.queue.keys) == 0 {
			return nil
		}
		if e.events >= e.look {
			e.look = e.events + lookEvery
			if e.err = e.ctx.Err(); e.err != nil {
				return nil
			}
		}
		k := e.queue.pop()
		e.cur, e.now = k, keyTime(k)
		a := k & (maxActors - 1)
		t := e.tasks[a]
		if t == nil {
			e.events++
			e.actors[a]()
			continue
		}
		switch t.op {
		case opRun:
			return t
		case opLook:
			if t.look() {
				return t
			}
		case opFall:
			if t.fall() {
				return t
			}
		case opWake:
			e.events++
			t.op = opRun
			e.ready(t.unit)
		}
	}
}

// run executes everything.
func (e *engine) run() {
	defer func() {
		for _, t := range e.tasks {
			if t != nil && t.stop != nil {
				t.stop()
			}
		}
	}()
	for next := e.pump(); next != nil; next = e.next {
		e.next = nil
		if next.co == nil {
			next.start()
		}
		next.co()
	}
}

func (t *task) start() {
	t.co, t.stop = iter.Pull(func(yield func(struct{}) bool) {
		defer func() {
			if r := recover(); r != nil && r != any(ended{}) {
				panic(r)
			}
		}()
		t.yield = yield
		if err := t.pv.Up(); err != nil {
			t.fatal(err.Error())
		}
		t.client.Run(t.pv, t.vm.guest.shared, &t.vm.ops)
	})
}

func (t *task) fatal(msg string) {
	t.e.err = fmt.Errorf("CPU %d of VM %d: %s", t.num, t.vm.id, msg)
	t.e.next = nil
	if !t.yield(struct{}{}) {
		panic(ended{})
	}
}

// compute computes, and hides accesses to memory behind that.
func (t *task) compute(d int64) {
	t.at += d - min(d, t.behind)
	t.ahead, t.behind = min(d, t.e.costs.Overlap), 0
}

// accessed moves the task's clock to when an access is done.
func (t *task) accessed(done int64) {
	e := t.e
	d := done - e.now
	hidden := min(d, t.ahead)
	t.ahead -= hidden
	t.behind = min(t.behind+d-hidden, e.costs.Overlap)
	t.at = done - hidden
}

// Exec executes an event of the lock text.
func (t *task) Exec(ev arch.Event) (v uint64, rounds uint32) {
	e := t.e
	switch ev.Kind {
	case arch.Work:
		t.compute(int64(ev.N))
		return uint64(ev.N), 0
	case arch.Pause:
		t.at += e.costs.Pause
		return 0, 0
	case arch.Fence:
		t.at = max(t.at, t.drained) + e.costs.Locked
		return 0, 0
	case arch.Head, arch.Seal:
		return 0, 0
	}
	t.sync()
	e.events++
	switch ev.Kind {
	case arch.Load:
		if e.cfg.StealTime {
			if v, ok := t.stealTime(&ev); ok {
				return v, 0
			}
		}
		return e.access(t, &ev), 0
	case arch.Store, arch.Xchg, arch.Cmpxchg, arch.Cas, arch.Add, arch.Or, arch.And:
		return e.access(t, &ev), 0
	case arch.Ticks, arch.Now:
		return uint64(t.at), 0
	case arch.Spin:
		return t.spinOn(&ev)
	case arch.Park:
		t.park(&ev)
		return 0, 0
	case arch.Unpark:
		t.unpark(&ev)
		return 0, 0
	case arch.Fatal:
		t.fatal(ev.Msg)
	}
	panic(fmt.Sprintf("sim: event %d can't be executed", ev.Kind))
}

// Addr returns the number that stands for a lock's address.
func (t *task) Addr(w *arch.Word) arch.Addr { return lockAddr }

// spinOn spins. Each round is a PAUSE and a look.
func (t *task) spinOn(ev *arch.Event) (v uint64, rounds uint32) {
	s := &t.spin
	s.cell = t.vm.guest.resolve(ev.Cell)
	s.line = s.cell / lineSize
	s.width, s.mask, s.value = ev.Width, ev.A, ev.B
	s.limit, s.done, s.row, s.on = uint64(ev.N), 0, 0, true
	t.ahead, t.behind = 0, 0
	if ev.N == arch.Forever {
		s.limit = never
	}
	t.spunFrom = t.at
	t.e.note(t)
	t.at += t.e.costs.Pause
	t.op = opLook
	t.e.queue.set(t.id, t.at)
	t.wait()
	s.on = false
	t.spun += t.at - t.spunFrom
	t.e.note(t)
	return s.v, uint32(min(s.done, uint64(arch.Forever-1)))
}

// round is what a look costs that finds nothing new, and the PAUSE before it.
func (e *engine) round() int64 { return e.costs.Pause + e.costs.Hit }

// look looks at the cell, and reports whether the spin ends.
func (t *task) look() (over bool) {
	e, s := t.e, &t.spin
	if s.skipping {
		e.catchUp(t)
	}
	t.at = e.read(t, s.line)
	s.v = e.mem.get(s.cell, s.width)
	s.done++
	s.row++
	if s.v&s.mask != s.value || s.done == s.limit {
		e.events++
		return true
	}
	t.at += e.costs.Pause
	if ple := uint64(e.cfg.PLE); ple != 0 && s.row >= ple {
		s.row = 0
		if e.pauseExit(t) {
			return false
		}
	}
	e.lookLater(t)
	return false
}

// lookLater queues the next look that may find something: at once, or, if rounds are skipped, the
// one that ends the budget; a change of the line disturbs it.
func (e *engine) lookLater(t *task) {
	s := &t.spin
	if e.cfg.StepByStep {
		e.queue.set(t.id, t.at)
		return
	}
	l := &e.mem.lines[s.line]
	s.skipping, s.place = true, len(l.spinners)
	l.spinners = append(l.spinners, t)
	skip := s.limit - s.done - 1
	if ple := uint64(e.cfg.PLE); ple != 0 {
		skip = min(skip, ple-s.row-1)
	}
	if s.limit != never || e.cfg.PLE != 0 {
		e.queue.set(t.id, t.at+int64(skip)*e.round())
	}
}

// catchUp takes a task that skips to its first look after the event that is being executed.
func (e *engine) catchUp(t *task) {
	s := &t.spin
	l := &e.mem.lines[s.line]
	last := len(l.spinners) - 1
	l.spinners[s.place] = l.spinners[last]
	l.spinners[s.place].spin.place = s.place
	l.spinners[last] = nil
	l.spinners = l.spinners[:last]
	s.skipping = false
	if key(t.at, t.id) > e.cur {
		return
	}
	n := (e.now - t.at) / e.round()
	t.at += n * e.round()
	if key(t.at, t.id) < e.cur {
		n++
		t.at += e.round()
	}
	s.done += uint64(n)
	s.row += uint64(n)
}

// disturb lets those who spin on a line look at it again.
func (e *engine) disturb(l *line) {
	for len(l.spinners) > 0 {
		t := l.spinners[len(l.spinners)-1]
		e.catchUp(t)
		e.queue.set(t.id, t.at)
	}
}

// suspend stops a task that loses its CPU.
func (t *task) suspend() {
	e := t.e
	if t.spin.skipping {
		e.catchUp(t)
	}
	t.left = max(t.at-e.now, 0)
	e.queue.remove(t.id)
	if t.spin.on {
		t.spun += max(e.now-t.spunFrom, 0)
		t.spin.row = 0
	}
}

// resume lets it go on at a time.
func (t *task) resume(at int64, cpu int32) {
	t.at, t.left, t.cpu = at+t.left, 0, cpu
	t.e.queue.set(t.id, t.at)
	if t.spin.on {
		t.spunFrom = at
	}
}

// park puts the task to sleep while a cell holds a value.
func (t *task) park(ev *arch.Event) {
	e := t.e
	at := t.vm.guest.resolve(ev.Cell)
	t.at = e.read(t, at/lineSize) + t.unit.host.block
	if e.mem.get(at, ev.Width) != ev.A {
		return
	}
	l := &e.mem.lines[at/lineSize]
	t.woken, t.ahead, t.behind = false, 0, 0
	p := &l.sleepers
	for *p != nil {
		p = &(*p).nextSleep
	}
	*p = t
	t.op = opFall
	e.queue.set(t.id, t.at)
	t.wait()
}

// fall is the end of the way to sleep. It reports whether the task has been woken on it.
func (t *task) fall() (awake bool) {
	t.e.events++
	if t.woken {
		return true
	}
	t.op = opRun // when it has its CPU again
	t.e.block(t.unit)
	return false
}

// unpark wakes tasks that sleep on a cell.
func (t *task) unpark(ev *arch.Event) {
	e := t.e
	l := &e.mem.lines[t.vm.guest.resolve(ev.Cell)/lineSize]
	t.at += t.unit.host.kick
	for n := ev.N; n > 0 && l.sleepers != nil; n-- {
		s := l.sleepers
		l.sleepers, s.nextSleep = s.nextSleep, nil
		s.woken = true
		s.kickedBy, s.kickedAt = t, e.now
		if s.unit.state == blocked && s.op != opFall {
			s.op = opWake
			e.queue.set(s.id, t.at+s.unit.host.wake)
		}
	}
}

// stealTime answers a look at whether the CPU of another queue node runs, where the guest can tell.
func (t *task) stealTime(ev *arch.Event) (v uint64, ok bool) {
	if t.e.cfg.Lock.Name != "pvqspin" || ev.Width != 1 {
		return 0, false
	}
	cpu, ok := t.vm.guest.owner(ev.Cell)
	if !ok || cpu == t.num || !t.vm.tasks[cpu].unit.preempted() {
		return 0, false
	}
	t.at += t.e.costs.Hit
	const halted = 1
	return halted, true
}
