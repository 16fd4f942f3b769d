// Package arch is the one package of pvlock's lock text that acts: it owns the
// memory operations, and whatever else reaches outside the program (time,
// PAUSE, parking, pinning, membarrier, fatal errors).
//
// Lock algorithms are written once, against this package. On real machines a
// [Core] is an empty struct and its methods are, after inlining, the bare
// instruction. For the simulator and the model checker the same text is compiled
// against a modelled arch, in which every operation is an event on a simulated
// CPU. That is why an operation is a method of the CPU that executes it, and
// why nothing else that lock text imports may act.
//
// # Memory order
//
// Lock text is written for x86-TSO and spells its order so that it is right on
// weaker machines as well:
//
//	Load*      load-acquire    plain MOV on amd64 and 386, LDAR* on arm64
//	Store*     store-release   plain MOV on amd64 and 386, STLR* on arm64
//	Xchg*, Cmpxchg*, Cas*, Add*, Or*, And*
//	           a locked instruction: acquire and release, and a full fence on x86
//	Fence      a full fence, StoreLoad included
//
// A plain store is made once at most, not once at least: the compiler removes one that a later
// plain store to the same cell shadows, and makes one of two to neighbouring cells, unless a load
// of a word, a locked instruction, a fence or a call stands between. Text whose first store others
// must see says Xchg, or looks at the cell in between.
//
// What a store followed by a load of another word does is not promised: on x86
// the load may be satisfied before the store is visible. Where that matters the
// text says Fence, or uses a locked instruction, and names the partner.
//
// Three implementations are chosen by build constraints: amd64 and 386 (plain
// moves; assembly for what Go has no intrinsic for), arm64 (acquire and release
// instructions), and a pure-Go one built on 32-bit atomics. The last serves every
// other platform, the purego tag, and race builds, where it is also what makes
// the race detector see every access as the synchronisation that it is.
package arch

// Core is the CPU that executes an operation. On real machines it is empty: the
// CPU that executes is the one that runs the code.
//
// A Core is passed and embedded by value.
type Core struct{}

// Forever, given to SpinWhile as the number of rounds, means without bound.
const Forever = ^uint32(0)

// Addr is the address of a lock as a number: shared state never holds a Go
// pointer. It identifies the lock; nothing is ever read through it.
type Addr uintptr

// Head marks the head of a retry loop, or any other place from which all that
// the CPU does depends on shared memory and on the live value alone. It does
// nothing on a real machine; the model checker forgets there what no longer
// matters, so that retries repeat a state.
func (Core) Head(live uint32) {}

// The three SpinWhiles are loops in Go, not assembly: the runtime can't preempt
// assembly, so a garbage collection would wait for the lock. They are written out
// by width, because a generic one would pay for its dictionary in each round.

// SpinWhile8 spins while cell&mask == value, for at most n rounds of one PAUSE
// and one look each. It returns what it saw last and the number of rounds it
// spent. With n == 0 it doesn't look and returns value; with n == [Forever]
// it does not give up.
//
//go:noinline
func (c Core) SpinWhile8(cell *U8, mask, value uint8, n uint32) (v uint8, rounds uint32) {
	v = value
	for rounds < n {
		pause()
		v = c.Load8(cell)
		if rounds != Forever-1 {
			rounds++
		}
		if v&mask != value {
			break
		}
	}
	return v, rounds
}

// SpinWhile16 is [Core.SpinWhile8] for a half word.
//
//go:noinline
func (c Core) SpinWhile16(cell *U16, mask, value uint16, n uint32) (v uint16, rounds uint32) {
	v = value
	for rounds < n {
		pause()
		v = c.Load16(cell)
		if rounds != Forever-1 {
			rounds++
		}
		if v&mask != value {
			break
		}
	}
	return v, rounds
}

// SpinWhile32 is [Core.SpinWhile8] for a word.
//
//go:noinline
func (c Core) SpinWhile32(cell *U32, mask, value uint32, n uint32) (v uint32, rounds uint32) {
	v = value
	for rounds < n {
		pause()
		v = c.Load32(cell)
		if rounds != Forever-1 {
			rounds++
		}
		if v&mask != value {
			break
		}
	}
	return v, rounds
}

// Pause is one PAUSE (YIELD on arm64): the hint that this is a spin loop.
func (Core) Pause() { pause() }
