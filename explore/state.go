package explore

import (
	"example.com/pvlock/explore/internal/x86"
)

// returnAddress is what a body returns to.
const returnAddress = uint64(0x5b0000000000)

// A buffered store is one that has not reached memory.
type buffered struct {
	cell      uint16
	off, size uint8
	value     uint64
}

type block struct {
	addr uint64
	size uint32
}

// A thread is a body's registers and store buffer. Its stack is in the state.
type thread struct {
	x86.Regs
	at        *instr // nil once the body has returned
	buffer    [maxBuffer]buffered
	nb        uint8
	part      uint8 // pieces of eight bytes that a wide load has got so far
	pieces    [4]uint64
	allocated uint32
	defers    [maxDefers]deferred // the last on top
	ndefers   uint8
}

// A state is everything that the next step depends on.
type state struct {
	threads [maxThreads]thread
	mem     [maxCells]uint64
	freed   [maxFreed]block // in the order in which they were given back
	nfreed  uint8
	stacks  [maxThreads][stackSize]byte
}

// A snapshot is a thread, to go back to. Bytes below its stack pointer don't matter.
type snapshot struct {
	thread thread
	stack  [stackSize]byte
}

func (n *snapshot) take(s *state, i int) {
	t := &s.threads[i]
	n.thread = *t
	if t.at != nil {
		copy(n.stack[t.R[rSP]-stackBase:], s.stacks[i][t.R[rSP]-stackBase:])
	}
}

func (n *snapshot) restore(s *state, i int) {
	t := &s.threads[i]
	*t = n.thread
	if t.at != nil {
		copy(s.stacks[i][t.R[rSP]-stackBase:], n.stack[t.R[rSP]-stackBase:])
	}
}
