package explore

import (
	"encoding/binary"
	"errors"
	"runtime"
	"unsafe"

	"example.com/pvlock/explore/internal/x86"
)

// What the runtime's tables say of a function that its code does not: where it goes on when a
// deferred call recovers, and where its frame has its deferred calls. The layout of runtime._func
// has been the same since Go 1.25; that of moduledata is the version's.

// lastmoduledatap is the runtime's: the tables of this binary.
//
//go:linkname lastmoduledatap runtime.lastmoduledatap
var lastmoduledatap unsafe.Pointer

// Offsets in runtime._func. Two arrays of 32 bits each follow: pcdata and funcdata.
const (
	funcDeferReturn = 12
	funcPCData      = 28
	funcID          = 40
	funcData        = 43
	funcArrays      = 44

	idOfWrapper     = 23 // abi.FuncIDWrapper
	openCodedDefers = 4  // abi.FUNCDATA_OpenCodedDeferInfo
	panicBounds     = 4  // abi.PCDATA_PanicBounds
)

// tables are what the runtime's tables say of a function.
type tables struct {
	deferReturn uint64 // a call of runtime.deferreturn, or 0
	// deferBits is where its frame has a byte whose bits say which deferred calls are pending, and
	// deferSlots where it has the closures, from the return address. deferBits is 0 if it has none.
	deferBits, deferSlots int
	wrapper               bool // the compiler has made it
}

// tablesOf reads the tables of a function of which some instructions are known.
func (p *program) tablesOf(f *function) (t tables) {
	table := funcTable(f)
	if table == nil {
		return t
	}
	u32 := func(o uintptr) uint32 { return *(*uint32)(unsafe.Add(table, o)) }
	u8 := func(o uintptr) uint8 { return *(*uint8)(unsafe.Add(table, o)) }
	t.wrapper = u8(funcID) == idOfWrapper
	off := u32(funcDeferReturn)
	if off == 0 {
		return t
	}
	t.deferReturn = f.entry + uint64(off)
	if u8(funcData) <= openCodedDefers {
		return t
	}
	info := u32(funcArrays + 4*uintptr(u32(funcPCData)) + 4*openCodedDefers)
	if info == ^uint32(0) {
		return t
	}
	b := unsafe.Slice(
		(*byte)(unsafe.Add(*(*unsafe.Pointer)(unsafe.Add(lastmoduledatap, p.layout.gofunc)), info)),
		10)
	// Variables lie below the return address and the caller's frame pointer.
	bits, n := binary.Uvarint(b)
	slots, _ := binary.Uvarint(b[max(n, 0):])
	t.deferBits, t.deferSlots = -8-int(bits), -8-int(slots)
	return t
}

// boundsOf returns the registers that hold an index and a bound where runtime.panicBounds is
// called, as internal/abi.BoundsDecode has it: all, if the tables don't say.
func (p *program) boundsOf(f *function, call *instr) x86.Set {
	const codes = 9 // kinds of expressions
	table := funcTable(f)
	if table == nil || *(*uint32)(unsafe.Add(table, funcPCData)) <= panicBounds {
		return allRegisters
	}
	v := p.pcValue(f, *(*uint32)(unsafe.Add(table, funcArrays+4*panicBounds)), call.PC)
	if v < 0 {
		return allRegisters
	}
	c := uint32(v) / codes
	var regs x86.Set
	if c&1 != 0 {
		regs |= x86.GPR(uint8(c >> 3 & 15))
	}
	if c&2 != 0 {
		regs |= x86.GPR(uint8(c >> 7 & 15))
	}
	return regs
}

// pcValue reads a table by program counter: pairs of the change of a value and the length of code
// that has it. It returns -1 if there is none.
func (p *program) pcValue(f *function, off uint32, pc uint64) int32 {
	if off == 0 {
		return -1
	}
	tab := *(*[]byte)(unsafe.Add(lastmoduledatap, p.layout.pctab))
	v, at := int32(-1), f.entry
	for b := tab[off:]; ; {
		change, n := binary.Uvarint(b)
		if change == 0 && at != f.entry {
			return -1
		}
		length, m := binary.Uvarint(b[n:])
		b = b[n+m:]
		v += int32(uint32(change)>>1) ^ -int32(uint32(change)&1)
		if at += length; pc < at {
			return v
		}
	}
}

// funcTable returns a function's runtime._func. Where a function is inlined, the runtime makes
// another thing up, which begins with ones.
func funcTable(f *function) unsafe.Pointer {
	for _, in := range f.list {
		if t := unsafe.Pointer(runtime.FuncForPC(uintptr(in.PC))); t != nil &&
			*(*uint32)(t) != ^uint32(0) {
			return t
		}
	}
	return nil
}

// findsDefers checks that the tables are where they are expected, with a function of which it is
// known that it has one deferred call.
func (p *program) findsDefers() error {
	p.lookup(codeAddress(defersOne))
	if f := p.functions[codeAddress(defersOne)]; f != nil && f.resume != nil && f.deferBits != 0 {
		for _, in := range f.list {
			if at, n, exact, ok := in.stackAccess(); ok && exact && n == 1 && at == f.deferBits {
				return nil
			}
		}
	}
	return errors.New("the runtime's tables of deferred calls are not where this version of Go " +
		"had them")
}

//go:noinline
func defersOne(f func()) {
	defer f()
	sink = 1 - sink
}
