package torture

import (
	"example.com/pvlock/internal/arch"
	"example.com/pvlock/paravirt"
)

// What runs on the vCPUs. It runs in virtual machines too, where there is no Go runtime: it doesn't
// allocate, calls through no interface, and all that it reaches was there before.

const line = 64

// maxLocks is how many locks all vCPUs share. Lock 0 is the one that all hammer while there is but
// one.
const maxLocks = 4

// guarded is a lock and what it protects, each in cache lines of its own.
type guarded struct {
	_    [line]byte
	word arch.Word
	more arch.Word // for a lock that has eight bytes
	_    [line - 8]byte

	first, second, third protected
}

// protected is a cache line that only the holder may touch.
type protected struct {
	holder arch.U32 // its CPU's number plus one; 0: nobody
	count  arch.U32
	_      [line - 8]byte
}

// enter is the first half of a critical section: it writes the first line, and returns what it made
// of the count. It reports whether all was as the last holder must have left it.
func (g *guarded) enter(c arch.Core, me uint32) (n uint32, whole bool) {
	n = c.Load32(&g.first.count) + 1
	whole = c.Load32(&g.first.holder) == 0 && c.Load32(&g.second.count) == n-1 &&
		c.Load32(&g.third.count) == n-1
	c.Store32(&g.first.holder, me)
	c.Store32(&g.first.count, n)
	return n, whole
}

// leave is the second half: it writes the other lines, and reports whether nobody has been here
// since enter.
//
// A client that comes in between finds the lines torn, or a name; one that has come and gone has
// counted all lines, and left no name; one that stays leaves its own. An update that is lost is
// found by the sums. Counting alone would see only the last.
func (g *guarded) leave(c arch.Core, me, n uint32) (alone bool) {
	second, third := c.Load32(&g.second.count)+1, c.Load32(&g.third.count)+1
	c.Store32(&g.second.count, second)
	c.Store32(&g.third.count, third)
	alone = second == n && third == n && c.Load32(&g.first.holder) == me &&
		c.Load32(&g.first.count) == n
	c.Store32(&g.first.holder, 0)
	return alone
}

// entries returns how often the lines say that they were entered, modulo 2^32.
func (g *guarded) entries(c arch.Core) [3]uint32 {
	return [3]uint32{c.Load32(&g.first.count), c.Load32(&g.second.count), c.Load32(&g.third.count)}
}

// arena is what all vCPUs share.
type arena struct {
	_     [line]byte
	stop  arch.U32
	knobs arch.U32 // which of the torments below are on
	_     [line - 8]byte

	locks [maxLocks]guarded
}

// The torments that the vCPUs do themselves, as bits of arena.knobs.
const (
	knobMany = 1 << iota
	knobLong
	knobTry
	knobNested
	knobReuse
	knobComeAndGo
	knobSpurious
	knobDelay
	knobCancel
	knobYield
)

// object is a lock in memory that is freed as soon as everybody of a small group has had it, by
// the last of them, and at once is used for something else, and then for a lock again. Others
// may still be in the middle of their Unlock, and must not touch it.
type object struct {
	guarded
	generation arch.U32
	left       arch.U32 // the clients that have yet to come, protected by the lock
	_          [line - 8]byte
}

// group is how many vCPUs share an object.
const group = 2

// scribble is what the memory is used for in between.
const scribble = 0xa5c3_96f1

// ops are the functions of the lock that is driven.
type ops struct {
	lock, unlock func(w *arch.Word, c *paravirt.CPU)
	try          func(w *arch.Word, c *paravirt.CPU) bool
	// give is lock, but may give up; nil if the lock can't.
	give func(w *arch.Word, c *paravirt.CPU) bool
	// yield lets others run while the lock is held; nil if its holder may not.
	yield func()
}

// Phases of a client.
const (
	thinking = iota
	locking
	done
)

// A client's state, in one word for those who look on: its phase, which lock it wants, and which it
// holds. A lock counts as held until its Unlock has returned.
const (
	phaseBits = 2
	wantShift = phaseBits
	wantBits  = 3
	heldShift = wantShift + wantBits

	// own stands for the lock of the group's object; the others are indices of arena.locks.
	own      = maxLocks
	allLocks = maxLocks + 1
)

// client is one vCPU. Only that writes it; anyone may read its counters and its state.
type client struct {
	arena *arena
	own   *object
	ops   *ops
	rand  arch.Rand
	times times

	held    uint32
	visited uint32 // the generation of the object that was used last, plus one
	lay     uint64 // when its memory lay still for long
	state   arch.Hint

	counts    [allLocks]arch.Counter // acquisitions
	tried     arch.Counter           // TryLock that failed
	gaveUp    arch.Counter
	violation arch.Counter
	scribbled arch.Counter // writes to memory that was no lock any more
	reused    arch.Counter
	came      arch.Counter
	unlocks   arch.Counter
	longest   arch.Counter // ticks
	unbound   arch.Counter // came up without an event channel

	_ [line]byte
}

// times are lengths of the workload, in units of work.
type times struct {
	critical, think, longer, longest, still, stiller, stillest uint32
}

// run drives the locks until stop. It takes one at least.
func (cl *client) run(c *paravirt.CPU) {
	for {
		knobs := c.Load32(&cl.arena.knobs)
		c.Work(cl.times.think/2 + cl.rand.Below(cl.times.think+1))
		cl.step(c, knobs)
		if c.Load32(&cl.arena.stop) != 0 {
			break
		}
	}
	cl.state.Set(done)
}

func (cl *client) step(c *paravirt.CPU, knobs uint32) {
	dice := cl.rand.Uint32()
	i := uint32(0)
	if knobs&knobMany != 0 {
		// Half of the time the first one, so that there is still somebody to meet.
		i = dice >> 30 % maxLocks * (dice >> 29 & 1)
	}
	dice &= 0xffff
	switch {
	case knobs&knobComeAndGo != 0 && dice < 16:
		cl.comeAndGo(c, knobs)
	case dice < 0x2000 && knobs&knobNested != 0:
		cl.nested(c, knobs)
	case dice < 0x4000 && knobs&knobTry != 0:
		cl.try(c, i, knobs)
	case dice < 0x6000 && knobs&knobCancel != 0 && cl.ops.give != nil:
		cl.give(c, i, knobs)
	case dice < 0xa000 && knobs&knobReuse != 0 && cl.own != nil:
		cl.use(c, knobs)
	default:
		cl.take(c, &cl.arena.locks[i], i)
		cl.critical(c, &cl.arena.locks[i], knobs)
		cl.release(c, &cl.arena.locks[i], i)
	}
}

func (cl *client) take(c *paravirt.CPU, g *guarded, i uint32) {
	cl.state.Set(locking | i<<wantShift | cl.held<<heldShift)
	began := c.Ticks()
	cl.ops.lock(&g.word, c)
	cl.took(c.Ticks()-began, i)
}

// took notes that lock i was taken.
func (cl *client) took(waited uint64, i uint32) {
	cl.held |= 1 << i
	cl.state.Set(thinking | cl.held<<heldShift)
	if longest := cl.longest.Value(); waited > longest {
		cl.longest.Add(waited - longest)
	}
	cl.counts[i].Add(1)
}

func (cl *client) critical(c *paravirt.CPU, g *guarded, knobs uint32) {
	me := c.ID() + 1
	n, whole := g.enter(c.Core, me)
	units := cl.times.critical
	if knobs&knobLong != 0 {
		switch dice := cl.rand.Uint32() & 0x3fff; {
		case dice == 0:
			units = cl.times.longest
		case dice < 16:
			units = cl.times.longer
		}
	}
	c.Work(units)
	if knobs&knobYield != 0 && cl.ops.yield != nil && cl.rand.Uint32()&3 == 0 {
		cl.ops.yield()
	}
	if alone := g.leave(c.Core, me, n); !alone || !whole {
		cl.violation.Add(1)
	}
}

func (cl *client) release(c *paravirt.CPU, g *guarded, i uint32) {
	cl.ops.unlock(&g.word, c)
	cl.unlocks.Add(1)
	cl.held &^= 1 << i
	cl.state.Set(thinking | cl.held<<heldShift)
}

// nested takes two of the locks, or three, in their order.
func (cl *client) nested(c *paravirt.CPU, knobs uint32) {
	dice := cl.rand.Uint32()
	locks := &cl.arena.locks
	for i := uint32(0); i < maxLocks; i++ {
		if dice>>i&1 != 0 && i != dice>>8%maxLocks {
			cl.take(c, &locks[i], i)
			cl.critical(c, &locks[i], knobs)
		}
	}
	for i := uint32(maxLocks); i > 0; i-- {
		if cl.held>>(i-1)&1 != 0 {
			cl.release(c, &locks[i-1], i-1)
		}
	}
}

func (cl *client) try(c *paravirt.CPU, i, knobs uint32) {
	g := &cl.arena.locks[i]
	if !cl.ops.try(&g.word, c) {
		cl.tried.Add(1)
		return
	}
	cl.took(0, i)
	cl.critical(c, g, knobs)
	cl.release(c, g, i)
}

func (cl *client) give(c *paravirt.CPU, i, knobs uint32) {
	g := &cl.arena.locks[i]
	cl.state.Set(locking | i<<wantShift | cl.held<<heldShift)
	began := c.Ticks()
	if !cl.ops.give(&g.word, c) {
		cl.state.Set(thinking | cl.held<<heldShift)
		cl.gaveUp.Add(1)
		return
	}
	cl.took(c.Ticks()-began, i)
	cl.critical(c, g, knobs)
	cl.release(c, g, i)
}

// use takes the object's lock, once in each of its lives, and frees it if nobody else has yet to
// come.
func (cl *client) use(c *paravirt.CPU, knobs uint32) {
	o := cl.own
	life := c.Load32(&o.generation) + 1
	if life == cl.visited {
		return
	}
	cl.visited = life
	cl.take(c, &o.guarded, own)
	cl.critical(c, &o.guarded, knobs)
	left := c.Load32(&o.left) - 1
	c.Store32(&o.left, left)
	cl.release(c, &o.guarded, own)
	if left > 0 {
		return
	}
	o.overwrite(c.Core)
	cl.lieStill(c)
	if !o.untouched(c.Core) {
		cl.scribbled.Add(1)
	}
	cl.reused.Add(1)
	c.Store32(o.word.Whole(), 0)
	c.Store32(o.more.Whole(), 0)
	c.Store32(&o.left, group)
	c.Store32(&o.generation, life)
}

// overwrite uses the memory of a lock for something else, and untouched reports whether nobody else
// has written to it since.
func (o *object) overwrite(c arch.Core) {
	c.Store32(o.word.Whole(), scribble)
	c.Store32(o.more.Whole(), scribble)
}

func (o *object) untouched(c arch.Core) bool {
	return c.Load32(o.word.Whole()) == scribble && c.Load32(o.more.Whole()) == scribble
}

// lieStill leaves the memory be that was freed: for a moment, for some microseconds, and now and
// then for longer than a slice, so that one who lost its CPU in the middle of an Unlock gets it
// back meanwhile.
func (cl *client) lieStill(c *paravirt.CPU) {
	switch now := c.Now(); {
	case now-cl.lay > apart:
		c.Work(cl.times.stillest)
		cl.lay = c.Now()
	case cl.rand.Uint32()&7 == 0:
		c.Work(cl.times.stiller)
	default:
		c.Work(cl.times.still)
	}
}

// apart is how much time there is at least between two times that memory lies still for long, in
// ns.
const apart = 30e6

// comeAndGo takes the vCPU down, uses a lock without an event channel, as one may that isn't up
// yet, and brings it up again.
func (cl *client) comeAndGo(c *paravirt.CPU, knobs uint32) {
	c.Down()
	for range 3 {
		cl.take(c, &cl.arena.locks[0], 0)
		cl.critical(c, &cl.arena.locks[0], knobs)
		cl.release(c, &cl.arena.locks[0], 0)
		c.Work(cl.times.think)
	}
	if c.Up() != nil {
		cl.unbound.Add(1)
	}
	cl.came.Add(1)
}

// acquisitions is how often the client had a lock.
func (cl *client) acquisitions() (n uint64) {
	for i := range cl.counts {
		n += cl.counts[i].Value()
	}
	return n
}
