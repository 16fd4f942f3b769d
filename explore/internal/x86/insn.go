// Package x86 decodes and executes the amd64 instructions that Go's compiler and assembly use.
// Memory is the caller's: Exec is given what was loaded, and returns what is to be stored.
package x86

// Op is what an instruction does.
type Op uint8

const (
	Invalid Op = iota
	Nop
	Mov
	Movzx
	Movsx
	Lea
	Add
	Sub
	And
	Or
	Xor
	Cmp
	Test
	Adc
	Sbb
	Inc
	Dec
	Neg
	Not
	Shl
	Shr
	Sar
	Rol
	Ror
	Imul
	Mul
	Imul1 // one operand, double result
	Div
	Idiv
	Cwd // sign-extend AX into DX
	Cbw // sign-extend within AX
	Bsf
	Bsr
	Tzcnt
	Lzcnt
	Popcnt
	Bswap
	Bt
	Bts
	Btr
	Btc
	Setcc
	Cmov
	Jcc
	Jmp
	Call
	Ret
	Push
	Pop
	Xchg
	Xadd
	Cmpxchg
	MovX      // 16 bytes
	MovX8     // 8 bytes, the rest zero in a register
	MovX4     // 4 bytes
	LowX8     // MOVSD between registers: the upper half stays
	LowX4     // MOVSS between registers
	ZeroX     // XORPS of a register with itself
	XorX      // PXOR
	AndX      // PAND
	OrX       // POR
	LoadG     // MOVQ FS:-8
	Fence     // MFENCE
	Stos      // store AX at DI, advance
	Cmpeqb    // PCMPEQB
	Movmskb   // PMOVMSKB
	Float     // ADDSD and the like
	FromInt   // CVTSI2SD
	ToInt     // CVTTSD2SI
	CompareFP // UCOMISD
	Undef
)

// Access is how an instruction uses its memory operand or the stack.
type Access uint8

const (
	None Access = iota
	Load
	Store
	RMW
	LockedRMW
)

// Flow is where an instruction may lead.
type Flow uint8

const (
	Next Flow = iota
	Jump
	CondJump
	CallDirect
	CallIndirect
	JumpIndirect
	Return
	Undefined
)

// FallsThrough reports whether the following instruction may be next, after a call's return.
func (f Flow) FallsThrough() bool {
	return f == Next || f == CondJump || f == CallDirect || f == CallIndirect
}

// Set is a set of registers: the low byte of each general one, the rest of each, the flags, XMM
// registers.
type Set uint64

// Flags are all status flags together.
const Flags Set = 1 << 32

// GPR is a general register, whole.
func GPR(r uint8) Set { return 1<<r | 1<<(r+16) }

// GPRLow is its low byte, and GPRRest the rest.
func GPRLow(r uint8) Set  { return 1 << r }
func GPRRest(r uint8) Set { return 1 << (r + 16) }

// XMM is an XMM register.
func XMM(r uint8) Set { return 1 << (33 + r) }

// G is the address that takes the place of the goroutine's.
const G uint64 = 0x5f0000000000

// Bits of Regs.Flags.
const (
	CF = 1 << iota
	ZF
	SF
	OF
	PF
)

// Regs are a processor's registers.
type Regs struct {
	R     [16]uint64
	X     [16][2]uint64
	Flags uint8
	PC    uint64
}

// MemRef is a memory operand: Disp + Base + Index × Scale. Base and Index are -1 if there is none.
type MemRef struct {
	Base, Index int8
	Scale       uint8
	Disp        int64
}

type kind uint8

const (
	noOperand kind = iota
	gpr
	mem
	immediate
	xmm
)

// Insn is a decoded instruction.
type Insn struct {
	PC     uint64
	Target uint64 // of direct jumps and calls
	imm    uint64
	Mem    MemRef
	Reads  Set // before anything is written
	Writes Set // wholly overwritten
	Len    uint8
	Op     Op
	Access Access
	Size   uint8 // of the access, in bytes
	Flow   Flow
	Fence  bool // waits until the store buffer is empty
	// NilCheck: a test of a load, whose value matters only if the flags do.
	NilCheck bool
	// FlagsDead is the caller's: nobody reads the flags that the instruction leaves.
	FlagsDead bool
	// Repeat: a string instruction that is done as often as CX says, one at a time.
	Repeat bool

	dst, src kind
	dr, sr   uint8
	size     uint8 // of the operation
	ssize    uint8 // of the source, where it differs
	cc       uint8
	three    bool // IMUL with an immediate
	double   bool // of floating point
	arith    byte // + - * / or s for the square root
	stack    bool // the access is to the stack, by PUSH, POP, CALL, RET
}

const (
	rAX = 0
	rCX = 1
	rDX = 2
	rSP = 4
	rBP = 5 // the frame pointer, which only unwinders follow
	rSI = 6
	rDI = 7
)

// Addr is where the access is, with the registers before the instruction.
func (in *Insn) Addr(r *Regs) uint64 {
	if in.stack {
		if in.Access == Store {
			return r.R[rSP] - 8
		}
		return r.R[rSP]
	}
	a := uint64(in.Mem.Disp)
	if in.Mem.Base >= 0 {
		a += r.R[in.Mem.Base]
	}
	if in.Mem.Index >= 0 {
		a += r.R[in.Mem.Index] * uint64(in.Mem.Scale)
	}
	return a
}

// Implicit reports whether the access is to the stack by PUSH, POP, CALL or RET.
func (in *Insn) Implicit() bool { return in.stack }

// StackDelta is by how much the instruction moves the stack pointer, as far as that is fixed. A
// call leaves it in the end where it was.
func (in *Insn) StackDelta() int32 {
	switch in.Op {
	case Push:
		return -8
	case Pop:
		return 8
	case Add, Sub:
		if in.dst == gpr && in.dr == rSP && in.src == immediate {
			if in.Op == Sub {
				return int32(-int64(in.imm))
			}
			return int32(int64(in.imm))
		}
	case Lea:
		if in.dr == rSP && in.Mem.Base == rSP && in.Mem.Index < 0 {
			return int32(in.Mem.Disp)
		}
	}
	return 0
}

// TakesStackAddress returns the offset from the stack pointer whose address the instruction puts
// elsewhere.
func (in *Insn) TakesStackAddress() (off int64, ok bool) {
	switch {
	case in.Op == Lea && in.Mem.Base == rSP && in.dr != rSP:
		return in.Mem.Disp, true
	case in.Op == Mov && in.src == gpr && in.sr == rSP &&
		(in.dst == mem || in.dr != rSP && in.dr != rBP):
		return 0, true
	}
	return 0, false
}
