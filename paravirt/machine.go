package paravirt

import (
	"errors"
	"math/bits"
	"strconv"

	"example.com/pvlock/internal/arch"
)

const (
	// MaxCPUs is how many CPUs a machine can have: a queued lock's word has 14 bits
	// for the number of the CPU at its tail, of which 0 says that there is none.
	MaxCPUs = 1<<14 - 1

	// Contexts is how many locks a CPU can be waiting for at the same time: one each
	// in task, softirq, hardirq and NMI context. It has as many queue nodes.
	Contexts = 4

	// minHash is the least number of hash entries: a page of 16-byte ones, as in
	// Linux.
	minHash = 256
)

// Config says what a [Machine] is like. Only CPUs has no default.
type Config struct {
	// CPUs is the number of CPUs, 1 to MaxCPUs.
	CPUs int

	// Channel is how CPUs sleep and are woken.
	Channel ChannelOps

	// Wait and Kick override WaitEvent and KickEvent, which are built on Channel. A CPU that sleeps
	// in a Wait that doesn't Poll is not seen by Asleep.
	Wait func(c *CPU, p *arch.U8, v uint8)
	Kick func(c *CPU, cpu uint32)

	// Tunables are the locks' parameters on this machine.
	Tunables Tunables

	// HashEntries overrides the number of lock→node entries: a power of two, at
	// least 4 for each CPU. 0 means Linux's rule, at least 256.
	HashEntries int

	// Stats switches the counters on. Off, they cost a predicted branch in slow paths, and nothing
	// in fast ones. The first machine of a process that has them takes 12 ms more to make: the
	// CPUs' clocks are calibrated.
	Stats bool
}

// Tunables are the locks' parameters. They are the machine's, because a lock has
// no room for any. What is 0 is each lock's own: its text has the values of its seed. None of it
// is [None].
type Tunables struct {
	// Spin is how many rounds a waiter spins before it gives its CPU up: 2^10 in the
	// 2008 code, 2^16 in its text, 2^15 in 2015. arch.Forever never gives up.
	Spin uint32

	// Pending is for how many looks a newcomer of the native queued lock waits for a hand-over
	// from pending to locked that is under way, before it queues: 2^9 on x86.
	Pending uint32

	// PrevCheck is how many rounds a queued waiter spins between two looks at whether its
	// predecessor still runs: 2^8.
	PrevCheck uint32

	// NoWaitEarly keeps a queued waiter from sleeping at once when its predecessor does not run.
	NoWaitEarly bool

	// Steal is for how many rounds a newcomer of the hybrid queued lock tries to take the lock past
	// the queue while that is allowed: None is never (strictly fair), 1 is one attempt (Linux in
	// 2015), arch.Forever is for as long as it is allowed (Linux since 2017). Its own is 2^10.
	Steal uint32
}

// None is a tunable's value for no rounds at all: 0 is the lock's own.
const None = arch.Forever - 1

// Exactly returns the tunable's value for a number of rounds, of which 0 is none.
func Exactly(rounds uint32) uint32 {
	if rounds == 0 {
		return None
	}
	return rounds
}

// Rounds returns how many rounds a tunable's value is, for a lock that has a number of its own.
func Rounds(tunable, own uint32) uint32 {
	switch tunable {
	case 0:
		return own
	case None:
		return 0
	}
	return tunable
}

// Machine is a set of CPUs and what their locks share.
type Machine struct {
	ops  ops
	tune Tunables

	cpus     []CPU
	slots    []Slot
	channels []channel
	nodes    []nodes
	hash     []HashEntry
	hashBits uint32
	online   []arch.U32
	waiting  []arch.U32
}

// ops is the machine's half of the contract, complete.
type ops struct {
	ChannelOps
	wait func(c *CPU, p *arch.U8, v uint8)
	kick func(c *CPU, cpu uint32)
}

// A Node is a CPU's place in a queue of waiters: an MCS node. A CPU has one for
// each context, and all four share a cache line, as in Linux.
type Node struct {
	// Next is the tail code of the successor, 0 while there is none.
	Next arch.U32
	// Locked is 1 once the predecessor has handed the queue's head over.
	Locked arch.U32
	// CPU is the number of the CPU that waits here.
	CPU arch.U32
	// state is one byte of it: whether that CPU runs, sleeps, or is hashed.
	state arch.Word
}

// State is what the CPU that waits at the node is doing, as others may see it.
func (n *Node) State() *arch.U8 { return n.state.Byte(0) }

type nodes [Contexts]Node

// A Slot says which lock a CPU waits for, where an unlocker looks for it: 2008's
// per-CPU lock_spinners, 2013's lock_waiting.
type Slot struct {
	// Lock is the lock that the CPU waits for, 0 for none.
	Lock arch.Ptr
	// Want is the ticket that it waits for.
	Want arch.U32
	// Kicked is 1 from when an unlocker chose the CPU until the CPU is about to look.
	Kicked arch.U32
	// Interrupted is 1 while what waits is interrupted.
	Interrupted arch.U32

	_ [line - wordSize - wordSize - 2*4]byte
}

// A HashEntry says which queue node waits for a lock.
type HashEntry struct {
	// Lock is the lock's address, 0 if the entry is free.
	Lock arch.Ptr
	// Node is the tail code of the node that waits at the head of its queue.
	Node arch.U32
}

const (
	line     = 64
	wordSize = bits.UintSize / 8
)

// New makes a machine whose CPUs are neither bound nor online.
func New(cfg Config) (*Machine, error) {
	n := cfg.CPUs
	if n < 1 || n > MaxCPUs {
		return nil, errors.New("paravirt: a machine has 1 to " + strconv.Itoa(MaxCPUs) +
			" CPUs, not " + strconv.Itoa(n))
	}
	if cfg.Channel.Poll == nil {
		return nil, errors.New("paravirt: a machine needs an event channel: Config.Channel is " +
			"empty")
	}
	entries := cfg.HashEntries
	if entries == 0 {
		entries = max(minHash, 1<<bits.Len(uint(Contexts*n-1)))
	}
	if entries < Contexts*n || entries&(entries-1) != 0 {
		return nil, errors.New("paravirt: " + strconv.Itoa(entries) +
			" hash entries: want a power of two, at least 4 for each CPU")
	}

	if cfg.Stats {
		// Counters are in ns, which the CPUs' clocks are only once they are calibrated.
		arch.Calibrate()
	}
	m := &Machine{
		ops:      ops{ChannelOps: cfg.Channel, wait: cfg.Wait, kick: cfg.Kick},
		tune:     cfg.Tunables,
		cpus:     make([]CPU, n),
		slots:    make([]Slot, n),
		channels: make([]channel, n),
		nodes:    make([]nodes, n),
		hash:     make([]HashEntry, entries),
		hashBits: uint32(bits.Len(uint(entries)) - 1),
		online:   make([]arch.U32, (n+31)/32),
		waiting:  make([]arch.U32, (n+31)/32),
	}
	if m.ops.wait == nil {
		m.ops.wait = WaitEvent
	}
	if m.ops.kick == nil {
		m.ops.kick = KickEvent
	}
	for i := range m.cpus {
		c := &m.cpus[i]
		c.m, c.id = m, uint32(i)
		if cfg.Stats {
			c.stats = new(Stats)
		}
	}
	return m, nil
}

// CPUs returns the number of CPUs.
func (m *Machine) CPUs() int { return len(m.cpus) }

// CPU returns CPU i.
func (m *Machine) CPU(i int) *CPU { return &m.cpus[i] }

// Tunables returns the locks' parameters.
func (m *Machine) Tunables() *Tunables { return &m.tune }

// Slot returns where CPU i says what it waits for.
func (m *Machine) Slot(i uint32) *Slot { return &m.slots[i] }

// Online returns the mask of the CPUs that others may look for, 32 to a word.
func (m *Machine) Online() []arch.U32 { return m.online }

// Waiting returns the mask of the CPUs that say they wait for a ticket, 32 to a word.
func (m *Machine) Waiting() []arch.U32 { return m.waiting }

// Hash returns the entries of the lock→node table, a power of two of them.
func (m *Machine) Hash() []HashEntry { return m.hash }

// HashBits returns the base-2 logarithm of len(m.Hash()).
func (m *Machine) HashBits() uint32 { return m.hashBits }

// A tail code names a queue node: the CPU's number plus one, and the index of
// the node among the CPU's four. 0 names none.

// TailCode returns the code of a CPU's node.
func TailCode(cpu, index uint32) uint32 { return (cpu+1)<<2 | index }

// Node returns the node that a tail code names.
func (m *Machine) Node(code uint32) *Node { return &m.nodes[code>>2-1][code&3] }
