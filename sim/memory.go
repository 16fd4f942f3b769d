package sim

import (
	"example.com/pvlock/internal/twin/arch"
)

// memory is what the cells hold, and where its lines are.
//
// A line is owned by one physical CPU, which may write it, or shared by some, which may read it. An
// access to a line that the CPU doesn't have so fetches it from the last owner, over the socket or
// to another one; those who fetch the same line queue up for it. Plain stores are buffered: the CPU
// goes on while their lines come, all at once, they are done in order, and the next locked
// instruction waits for them. What is stored is seen at once by a CPU that asks after it: it waits
// for the line.
type memory struct {
	words []uint64 // 8 to a line
	lines []line
	sets  []uint64 // setSize words to a line: the CPUs that have it
	size  int      // of a set
}

type line struct {
	free  int64 // when the transfers that have been asked for are over
	owner int32 // the CPU that may write it, or -1
	last  int32 // the CPU that wrote it last, or -1
	// spinners are the tasks that spin on it, run, and have it; sleepers those that sleep on a cell
	// of it, linked.
	spinners []*task
	sleepers *task
}

func newMemory(bytes uintptr, cpus int) memory {
	n := int(bytes / lineSize)
	m := memory{words: make([]uint64, 8*n), lines: make([]line, n), size: (cpus + 63) / 64}
	m.sets = make([]uint64, n*m.size)
	for i := range m.lines {
		m.lines[i].owner, m.lines[i].last = -1, -1
	}
	return m
}

func widthMask(width uint8) uint64 { return ^uint64(0) >> (64 - 8*uint(width)) }

func (m *memory) get(at uintptr, width uint8) uint64 {
	return m.words[at>>3] >> (at & 7 * 8) & widthMask(width)
}

func (m *memory) set(at uintptr, width uint8, v uint64) {
	shift := at & 7 * 8
	mask := widthMask(width) << shift
	w := &m.words[at>>3]
	*w = *w&^mask | v<<shift&mask
}

func (m *memory) has(line uintptr, cpu int32) bool {
	return m.sets[int(line)*m.size+int(cpu>>6)]>>(cpu&63)&1 != 0
}

func (m *memory) share(line uintptr, cpu int32) {
	m.sets[int(line)*m.size+int(cpu>>6)] |= 1 << (cpu & 63)
}

func (m *memory) own(line uintptr, cpu int32) {
	clear(m.sets[int(line)*m.size:][:m.size])
	m.share(line, cpu)
	l := &m.lines[line]
	l.owner, l.last = cpu, cpu
}

// transfer is how long a CPU waits for a line that nobody else asks for.
func (e *engine) transfer(l *line, cpu int32) int64 {
	if l.last >= 0 && e.socket(l.last) != e.socket(cpu) {
		return e.costs.Remote
	}
	return e.costs.Socket
}

func (e *engine) socket(cpu int32) int32 { return cpu / e.perSocket }

// read takes the time of a load: it returns when the value is there.
func (e *engine) read(t *task, line uintptr) (done int64) {
	cpu := t.cpu
	if e.mem.has(line, cpu) {
		return e.now + e.costs.Hit
	}
	e.events++
	l := &e.mem.lines[line]
	done = max(e.now, l.free) + e.transfer(l, cpu)
	l.free, l.owner = done, -1
	e.mem.share(line, cpu)
	return done + e.costs.Hit
}

// write takes the time of a store, or a locked instruction, whether it changes anything or not.
func (e *engine) write(t *task, line uintptr, locked bool) (done int64) {
	cpu := t.cpu
	l := &e.mem.lines[line]
	begin := e.now - t.ahead // a store's line is asked for when its address is known
	if locked {
		begin = max(e.now, t.drained)
	}
	if l.owner == cpu {
		done = begin + e.costs.Hit
	} else {
		done = max(begin, l.free) + e.transfer(l, cpu) + e.costs.Hit
		e.mem.own(line, cpu)
	}
	if len(l.spinners) > 0 {
		e.disturb(l)
	}
	if locked {
		done += e.costs.Locked
		l.free = max(l.free, done)
		return done
	}
	t.drained = max(t.drained, done, e.now+e.costs.Hit)
	l.free = max(l.free, t.drained)
	return e.now + e.costs.Hit
}

// access executes an access to a cell, now, and returns what it returns; it moves the task's clock
// on.
func (e *engine) access(t *task, ev *arch.Event) (v uint64) {
	at := t.vm.guest.resolve(ev.Cell)
	line := at / lineSize
	switch old := e.mem.get(at, ev.Width); ev.Kind {
	case arch.Load:
		t.accessed(e.read(t, line))
		if ev.A != 0 {
			return old & ev.A
		}
		return old
	case arch.Store:
		t.accessed(e.write(t, line, false))
		e.mem.set(at, ev.Width, ev.A)
		return 0
	default:
		t.accessed(e.write(t, line, true))
		v, new := update(ev, old)
		e.mem.set(at, ev.Width, new)
		return v
	}
}

// update returns what a locked instruction returns, and what it leaves.
func update(ev *arch.Event, old uint64) (v, new uint64) {
	switch ev.Kind {
	case arch.Xchg:
		return old, ev.A
	case arch.Cmpxchg:
		if old == ev.A {
			return old, ev.B
		}
		return old, old
	case arch.Cas:
		if old == ev.A {
			return 1, ev.B
		}
		return 0, old
	case arch.Add:
		new = (old + ev.A) & widthMask(ev.Width)
		return new, new
	case arch.Or:
		return 0, old | ev.A
	case arch.And:
		return 0, old & ev.A
	}
	panic("sim: not a locked instruction")
}
