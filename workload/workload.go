// Package workload is the client that every machine runs: a CPU that takes a
// lock, works in the critical section, releases it, works outside, and so on; that
// checks that it was alone; and that says how far it is.
//
// It is a leaf: no allocation, no interface, no call into the Go runtime, time
// from the CPU's own counter. So it runs as it is on the bare vCPU of a virtual
// machine, and, being part of the text that is generated for models, on simulated ones.
package workload

import (
	"math/bits"

	"example.com/pvlock/internal/arch"
	"example.com/pvlock/paravirt"
)

// Ops are the functions of the lock that is driven: one of the catalogue's kinds, or something
// to compare them with.
type Ops struct {
	Lock, Unlock func(w *arch.Word, c *paravirt.CPU)
}

// Shared is what the clients of a lock share: the lock, and what it protects. Each part
// has cache lines to itself.
type Shared struct {
	_    [line]byte
	Lock arch.Word
	_    [line - 4]byte

	// The critical section reads and writes two lines.
	first  protected
	second protected

	stop arch.U32
	_    [line - 4]byte
}

const line = 64

// protected is a cache line that only the holder may touch.
type protected struct {
	holder arch.U32 // its CPU's number plus one; 0: nobody
	count  arch.U32
	_      [line - 8]byte
}

// Stop makes the clients return, each after the acquisition that it is at.
func (s *Shared) Stop(c arch.Core) { c.Store32(&s.stop, 1) }

// Entries returns how often the critical section was entered, modulo 2^32, as the data that the
// lock protects has it: with a lock that excludes, it is the sum of the clients' counts.
func (s *Shared) Entries(c arch.Core) (first, second uint32) {
	return c.Load32(&s.first.count), c.Load32(&s.second.count)
}

// Phase is what a client is doing.
type Phase uint32

// The phases of a client.
const (
	Thinking  Phase = iota // outside
	Locking                // in Lock
	Holding                // in the critical section
	Unlocking              // in Unlock
	Done                   // returned
)

// Params says how long things take, in units of work (see arch.WorkUnits).
type Params struct {
	// Critical is the length of the critical section.
	Critical uint32
	// Think is the mean time between two of them. It varies evenly from half to one and a half
	// times that, so that clients don't fall into step.
	Think uint32
	// Seed makes the variation repeatable.
	Seed uint64
}

// Client is what one CPU does and has seen. Only that CPU writes it; anyone may
// read its counters.
type Client struct {
	params Params
	rand   arch.Rand
	phase  arch.Hint

	// Acquisitions counts how often it had the lock.
	Acquisitions arch.Counter
	// Violations counts how often it was not alone with it.
	Violations arch.Counter
	// Waits are the times from the call of Lock to its return, in ticks of
	// the CPU's counter: how many fell into each bucket. See Bucket.
	Waits [Buckets]arch.Counter

	_ [line]byte
}

// Init prepares client i.
func (cl *Client) Init(p Params, i int) {
	cl.params = p
	cl.rand = arch.NewRand(p.Seed, uint64(i))
}

// Phase returns what the client is doing, or was a moment ago.
func (cl *Client) Phase() Phase { return Phase(cl.phase.Get()) }

// Run drives the lock until Stop.
func (cl *Client) Run(c *paravirt.CPU, s *Shared, ops *Ops) {
	p := cl.params
	for c.Load32(&s.stop) == 0 {
		cl.phase.Set(uint32(Thinking))
		c.Work(p.Think/2 + cl.rand.Below(p.Think+1))

		cl.phase.Set(uint32(Locking))
		began := c.Ticks()
		ops.Lock(&s.Lock, c)
		waited := c.Ticks() - began

		cl.phase.Set(uint32(Holding))
		cl.critical(c, s)

		cl.phase.Set(uint32(Unlocking))
		ops.Unlock(&s.Lock, c)

		cl.Waits[Bucket(waited)].Add(1)
		cl.Acquisitions.Add(1)
	}
	cl.phase.Set(uint32(Done))
}

// critical is the critical section. It finds out by the data whether it was alone:
// somebody else's name in either line, a change of its own name, or an update that was lost.
func (cl *Client) critical(c *paravirt.CPU, s *Shared) {
	me := c.ID() + 1
	alone := c.Load32(&s.first.holder) == 0
	c.Store32(&s.first.holder, me)
	n := c.Load32(&s.first.count) + 1
	c.Store32(&s.first.count, n)

	c.Work(cl.params.Critical)

	c.Store32(&s.second.holder, me)
	m := c.Load32(&s.second.count) + 1
	c.Store32(&s.second.count, m)
	alone = alone && n == m && c.Load32(&s.first.holder) == me && c.Load32(&s.first.count) == n
	c.Store32(&s.second.holder, 0)
	c.Store32(&s.first.holder, 0)
	if !alone {
		cl.Violations.Add(1)
	}
}

// Buckets is the number of buckets of a wait: 32 to each power of two, so a bucket is at most 3%
// wide, up to 2^45 ticks (hours).
const (
	subBits = 5
	maxBits = 45
	Buckets = (maxBits-subBits)<<subBits + 1<<subBits
)

// Bucket returns the bucket of a wait.
func Bucket(ticks uint64) int {
	ticks = min(ticks, 1<<maxBits-1)
	shift := max(bits.Len64(ticks)-subBits-1, 0)
	return shift<<subBits + int(ticks>>shift)
}

// Bounds returns the least wait of a bucket, and the least that is too long for it.
func Bounds(bucket int) (from, to uint64) {
	shift := max(bucket>>subBits-1, 0)
	m := uint64(bucket - shift<<subBits)
	return m << shift, (m + 1) << shift
}
