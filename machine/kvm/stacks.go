//go:build linux && amd64 && !purego && !race

package kvm

import (
	"encoding/binary"
)

// What a vCPU has to itself, apart from its paravirt.CPU:
//
//	guard    a page that the guest doesn't see
//	stack    64 kB
//	context  a page with what stands for the runtime's g, and the word that leads to it
const (
	stackSize  = 64 << 10
	stackPitch = pageSize + stackSize + pageSize

	// A function whose frame would come closer to the end of the stack than this calls
	// runtime.morestack, which faults, for want of a thread. It is the runtime's stackGuard
	// (internal/abi.StackNosplitBase and stackSystem), for what functions without the check may
	// use.
	stackGuard = 928

	// Offsets in the runtime's g, which begins with its stack's bounds and the two
	// limits that prologues compare with. All else is 0: in particular there is no m.
	gStackLo     = 0
	gStackHi     = 8
	gStackGuard0 = 16
	gStackGuard1 = 24

	tlsBase = 2048 // where FS points, in the context
)

// stacks are those of all vCPUs of a machine.
type stacks struct{ mem []byte }

func newStacks(n int) (stacks, error) {
	mem, err := anonymous(n * stackPitch)
	if err != nil {
		return stacks{}, err
	}
	s := stacks{mem}
	for i := range n {
		context := mem[i*stackPitch+pageSize+stackSize:]
		word := binary.LittleEndian.PutUint64
		word(context[gStackLo:], s.low(i))
		word(context[gStackHi:], s.high(i))
		word(context[gStackGuard0:], s.low(i)+stackGuard)
		word(context[gStackGuard1:], s.low(i)+stackGuard)
		word(context[tlsBase-8:], s.context(i))
	}
	return s, nil
}

func (s stacks) free() error {
	return unmap(s.mem)
}

func (s stacks) region() region {
	return region{name: "stacks", va: addressOf(s.mem), size: uint64(len(s.mem)), write: true,
		small: true}
}

// The addresses of vCPU i's parts.
func (s stacks) guard(i int) uint64   { return addressOf(s.mem) + uint64(i)*stackPitch }
func (s stacks) low(i int) uint64     { return s.guard(i) + pageSize }
func (s stacks) high(i int) uint64    { return s.low(i) + stackSize }
func (s stacks) context(i int) uint64 { return s.high(i) }

// word reads a word of vCPU i's stack; ok is false if the address isn't in it.
func (s stacks) word(i int, va uint64) (w uint64, ok bool) {
	if va < s.low(i) || va > s.high(i)-8 || va%8 != 0 {
		return 0, false
	}
	return binary.LittleEndian.Uint64(s.mem[va-addressOf(s.mem):]), true
}
