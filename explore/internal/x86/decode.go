package x86

import (
	"fmt"
	"strings"

	"golang.org/x/arch/x86/x86asm"
)

func gprOf(r x86asm.Reg) (n, size uint8, ok bool) {
	switch {
	case r >= x86asm.AL && r <= x86asm.BL:
		return uint8(r - x86asm.AL), 1, true
	case r >= x86asm.SPB && r <= x86asm.R15B:
		return uint8(r-x86asm.SPB) + 4, 1, true
	case r >= x86asm.AX && r <= x86asm.R15W:
		return uint8(r - x86asm.AX), 2, true
	case r >= x86asm.EAX && r <= x86asm.R15L:
		return uint8(r - x86asm.EAX), 4, true
	case r >= x86asm.RAX && r <= x86asm.R15:
		return uint8(r - x86asm.RAX), 8, true
	}
	return 0, 0, false
}

var plain = map[x86asm.Op]Op{
	x86asm.NOP: Nop, x86asm.PAUSE: Nop, x86asm.PREFETCHNTA: Nop, x86asm.PREFETCHT0: Nop,
	x86asm.PREFETCHW: Nop,
	x86asm.MOV:       Mov, x86asm.MOVZX: Movzx, x86asm.MOVSX: Movsx, x86asm.MOVSXD: Movsx,
	x86asm.LEA: Lea,
	x86asm.ADD: Add, x86asm.SUB: Sub, x86asm.AND: And, x86asm.OR: Or, x86asm.XOR: Xor,
	x86asm.CMP: Cmp, x86asm.TEST: Test,
	x86asm.ADC: Adc, x86asm.SBB: Sbb, x86asm.INC: Inc, x86asm.DEC: Dec, x86asm.NEG: Neg,
	x86asm.NOT: Not,
	x86asm.SHL: Shl, x86asm.SHR: Shr, x86asm.SAR: Sar, x86asm.ROL: Rol, x86asm.ROR: Ror,
	x86asm.IMUL: Imul, x86asm.MUL: Mul, x86asm.DIV: Div, x86asm.IDIV: Idiv,
	x86asm.CWD: Cwd, x86asm.CDQ: Cwd, x86asm.CQO: Cwd, x86asm.CBW: Cbw, x86asm.CWDE: Cbw,
	x86asm.CDQE: Cbw,
	x86asm.BSF:  Bsf, x86asm.BSR: Bsr, x86asm.TZCNT: Tzcnt, x86asm.LZCNT: Lzcnt,
	x86asm.POPCNT: Popcnt, x86asm.BSWAP: Bswap,
	x86asm.BT: Bt, x86asm.BTS: Bts, x86asm.BTR: Btr, x86asm.BTC: Btc,
	x86asm.XCHG: Xchg, x86asm.XADD: Xadd, x86asm.CMPXCHG: Cmpxchg,
	x86asm.JMP: Jmp, x86asm.CALL: Call, x86asm.RET: Ret, x86asm.PUSH: Push, x86asm.POP: Pop,
	x86asm.MOVUPS: MovX, x86asm.MOVAPS: MovX, x86asm.MOVDQU: MovX, x86asm.MOVDQA: MovX,
	x86asm.MOVUPD: MovX, x86asm.MOVAPD: MovX,
	x86asm.MOVQ: MovX8, x86asm.MOVSD_XMM: MovX8, x86asm.MOVD: MovX4, x86asm.MOVSS: MovX4,
	x86asm.XORPS: XorX, x86asm.PXOR: XorX, x86asm.XORPD: XorX,
	x86asm.PAND: AndX, x86asm.ANDPS: AndX, x86asm.ANDPD: AndX, x86asm.POR: OrX, x86asm.ORPS: OrX,
	x86asm.ORPD:   OrX,
	x86asm.MFENCE: Fence, x86asm.UD2: Undef, x86asm.INT: Undef,
	x86asm.PCMPEQB: Cmpeqb, x86asm.PMOVMSKB: Movmskb,
	x86asm.ADDSD: Float, x86asm.SUBSD: Float, x86asm.MULSD: Float, x86asm.DIVSD: Float,
	x86asm.SQRTSD: Float,
	x86asm.ADDSS:  Float, x86asm.SUBSS: Float, x86asm.MULSS: Float, x86asm.DIVSS: Float,
	x86asm.CVTSI2SD: FromInt, x86asm.CVTTSD2SI: ToInt, x86asm.UCOMISD: CompareFP,
	x86asm.UCOMISS: CompareFP,
	x86asm.STOSQ:   Stos, x86asm.STOSB: Stos, x86asm.STOSD: Stos,
}

// conditions are the condition codes by their numbers in the opcode.
var conditions = map[string]uint8{"O": 0, "NO": 1, "B": 2, "AE": 3, "E": 4, "NE": 5, "BE": 6,
	"A": 7, "S": 8, "NS": 9,
	"P": 10, "NP": 11, "L": 12, "GE": 13, "LE": 14, "G": 15}

// conditional finds the condition of a jump, a set or a move.
func conditional(x x86asm.Op) (op Op, cc uint8, ok bool) {
	name := x.String()
	for _, c := range []struct {
		prefix string
		op     Op
	}{{"J", Jcc}, {"SET", Setcc}, {"CMOV", Cmov}} {
		if rest, found := strings.CutPrefix(name, c.prefix); found {
			cc, ok = conditions[rest]
			return c.op, cc, ok
		}
	}
	return 0, 0, false
}

func maskOf(size uint8) uint64 { return ^uint64(0) >> (64 - 8*uint(size)) }

// Decode decodes the instruction at the beginning of code, which lies at pc.
func Decode(code []byte, pc uint64) (Insn, error) {
	in := Insn{PC: pc, Mem: MemRef{Base: -1, Index: -1}}
	x, err := x86asm.Decode(code, 64)
	if err != nil {
		return in, fmt.Errorf("unknown instruction % x: %w", code[:min(8, len(code))], err)
	}
	unknown := func() (Insn, error) {
		return in, fmt.Errorf("unsupported instruction %s", x86asm.GoSyntax(x, pc, nil))
	}
	in.Len = uint8(x.Len)
	if x.AddrSize != 64 {
		return unknown()
	}
	locked := false
	for _, p := range x.Prefix {
		switch p & 0xff { // above it stand marks of the decoder's
		case x86asm.PrefixLOCK:
			locked = true
		case x86asm.PrefixREP, x86asm.PrefixREPN:
			in.Repeat = true
		}
	}
	var ok bool
	if in.Op, ok = plain[x.Op]; !ok {
		if in.Op, in.cc, ok = conditional(x.Op); !ok {
			return unknown()
		}
	}
	if in.Op != Stos {
		in.Repeat = false
	}
	in.size, in.Size = uint8(x.DataSize/8), uint8(x.MemBytes)
	tls := false
	for k, a := range x.Args[:2] {
		var kd kind
		var reg, size uint8
		switch a := a.(type) {
		case nil:
			continue
		case x86asm.Reg:
			if a >= x86asm.X0 && a <= x86asm.X15 {
				kd, reg, size = xmm, uint8(a-x86asm.X0), 16
			} else if reg, size, ok = gprOf(a); ok {
				kd = gpr
			} else {
				return unknown()
			}
		case x86asm.Imm:
			kd, in.imm = immediate, uint64(a)
		case x86asm.Mem:
			kd, size = mem, in.Size
			switch a.Segment {
			case x86asm.FS:
				tls = true
			case x86asm.GS:
				return unknown()
			}
			in.Mem.Disp = int64(int32(a.Disp)) // the decoder does not extend the sign of four bytes
			if a.Base == x86asm.RIP {
				in.Mem.Disp += int64(pc) + int64(x.Len)
			} else if a.Base != 0 {
				n, _, _ := gprOf(a.Base)
				in.Mem.Base = int8(n)
			}
			if a.Index != 0 && a.Scale != 0 {
				n, _, _ := gprOf(a.Index)
				in.Mem.Index, in.Mem.Scale = int8(n), a.Scale
			}
		case x86asm.Rel:
			in.Target = pc + uint64(x.Len) + uint64(int64(a))
			continue
		default:
			return unknown()
		}
		if k == 0 {
			in.dst, in.dr = kd, reg
			if size != 0 {
				in.size = size
			}
		} else {
			in.src, in.sr, in.ssize = kd, reg, size
		}
	}
	shift := in.Op == Shl || in.Op == Shr || in.Op == Sar || in.Op == Rol || in.Op == Ror
	if in.dst == mem && in.src == gpr && !shift {
		in.size = in.ssize
	}
	if in.dst == mem || in.src == mem {
		in.Access = Load
		if in.dst == mem {
			in.Access = RMW
			if (in.src != gpr || shift) && in.Size != 0 {
				in.size = in.Size
			}
		}
		in.Size = in.size
		if in.src == mem && in.ssize != 0 && (in.Op == Movzx || in.Op == Movsx) {
			in.Size = in.ssize
		}
	}
	if in.src == immediate && in.size <= 8 && in.size > 0 {
		in.imm &= maskOf(in.size)
	}
	if err := in.finish(&x, tls, locked); err != nil {
		return in, err
	}
	in.liveness()
	return in, nil
}

// lockable reports whether an operation may have the lock prefix.
func (op Op) lockable() bool {
	switch op {
	case Add, Sub, And, Or, Xor, Adc, Sbb, Inc, Dec, Neg, Not, Xchg, Xadd, Cmpxchg, Bts, Btr, Btc:
		return true
	}
	return false
}

// finish fills in what depends on the operation.
func (in *Insn) finish(x *x86asm.Inst, tls, locked bool) error {
	unknown := fmt.Errorf("unsupported instruction %s", x86asm.GoSyntax(*x, in.PC, nil))
	if tls {
		if in.Op != Mov || in.dst != gpr {
			return unknown
		}
		in.Op, in.Access = LoadG, None
		return nil
	}
	switch in.Op {
	case Nop, Lea:
		in.Access = None
	case Mov:
		if in.dst == mem {
			in.Access = Store
		}
	case Setcc:
		in.size = 1
		if in.dst == mem {
			in.Access, in.Size = Store, 1
		}
	case Cmp, Test, Bt:
		if in.dst == mem {
			in.Access = Load
		}
		if in.dst == mem && in.src == gpr && in.Op == Bt {
			return unknown // it reaches beyond the operand
		}
		in.NilCheck = in.Op == Test && in.dst == mem && in.src == gpr && in.size == 1
	case Bts, Btr, Btc:
		if in.dst == mem && in.src == gpr {
			return unknown
		}
	case Push, Pop:
		if in.Access != None {
			return unknown
		}
		in.size, in.Size, in.stack = 8, 8, true
		in.Access = Load
		if in.Op == Push {
			in.Access = Store
		}
	case MovX:
		in.size, in.Size = 16, 16
		if in.dst == mem {
			in.Access = Store
		}
	case MovX8, MovX4:
		in.size, in.Size = 8, 8
		if in.Op == MovX4 {
			in.size, in.Size = 4, 4
			if x.Op == x86asm.MOVD && (in.dst == gpr && x.DataSize == 64 || x.DataSize == 64) {
				in.Op, in.size, in.Size = MovX8, 8, 8
			}
		}
		if in.dst == mem {
			in.Access = Store
		}
		if in.dst == xmm && in.src == xmm {
			switch x.Op {
			case x86asm.MOVSD_XMM:
				in.Op = LowX8
			case x86asm.MOVSS:
				in.Op = LowX4
			}
		}
	case XorX, AndX, OrX, Cmpeqb:
		in.size, in.Size = 16, 16
		if in.Op == XorX && in.dst == xmm && in.src == xmm && in.dr == in.sr {
			in.Op = ZeroX
		}
	case Float, FromInt, ToInt, CompareFP:
		in.floating(x)
	case Fence:
		in.Fence = true
	case Jmp, Call:
		in.Flow = Jump
		if in.Op == Call {
			in.Flow = CallDirect
		}
		if in.dst != noOperand {
			in.Flow = JumpIndirect
			if in.Op == Call {
				in.Flow = CallIndirect
			}
			in.src, in.sr, in.dst = in.dst, in.dr, noOperand
			in.size = 8
			if in.Access != None {
				in.Access, in.Size = Load, 8
				if in.Op == Call {
					return unknown // two accesses
				}
			}
		}
		if in.Op == Call {
			in.Access, in.Size, in.stack = Store, 8, true
		}
	case Jcc:
		in.Flow = CondJump
	case Ret:
		in.Flow, in.Access, in.Size, in.stack = Return, Load, 8, true
		if in.dst != noOperand {
			return unknown
		}
	case Undef:
		in.Flow = Undefined
	case Imul:
		if a, ok := x.Args[2].(x86asm.Imm); ok {
			in.three, in.imm = true, uint64(a)
		}
		if x.Args[1] == nil {
			in.Op = Imul1
		}
	case Stos:
		in.size = map[x86asm.Op]uint8{x86asm.STOSQ: 8, x86asm.STOSD: 4, x86asm.STOSB: 1}[x.Op]
		in.dst, in.src = noOperand, noOperand
		in.Access, in.Size = Store, in.size
		in.Mem = MemRef{Base: rDI, Index: -1}
	case Xchg:
		if in.src == mem { // let the memory be the destination
			in.dst, in.dr, in.src, in.sr = mem, 0, gpr, in.dr
			in.Access = RMW
		}
		locked = locked || in.dst == mem
	}
	switch in.Op {
	case Mul, Imul1, Div, Idiv:
		if in.size == 1 {
			return unknown
		}
		if in.dst == mem {
			in.Access = Load
		}
	}
	if locked {
		if in.Access != RMW || !in.Op.lockable() {
			return unknown
		}
		in.Access, in.Fence = LockedRMW, true
	}
	if in.Access != None && in.Size == 0 {
		return unknown
	}
	return nil
}

// floating fills in what depends on the operands of scalar floating point.
func (in *Insn) floating(x *x86asm.Inst) {
	name := x.Op.String()
	in.double = strings.Contains(name, "SD")
	in.arith = map[string]byte{"ADD": '+', "SUB": '-', "MUL": '*', "DIV": '/', "SQR": 's'}[name[:3]]
	n := uint8(4)
	if in.double {
		n = 8
	}
	if in.Op == FromInt {
		n = in.ssize
		if in.src == mem {
			n = uint8(x.MemBytes)
		}
		in.ssize = n
	}
	if in.Access != None {
		in.Size = n
	}
}

// liveness fills in what the instruction reads and overwrites.
func (in *Insn) liveness() {
	use := func(k kind, r, size uint8) {
		switch k {
		case gpr:
			in.Reads |= part(r, size)
		case xmm:
			in.Reads |= XMM(r)
		}
	}
	def := func(k kind, r, size uint8) {
		switch {
		case k == gpr && size == 1:
			in.Writes |= GPRLow(r)
		case k == gpr && size >= 4:
			in.Writes |= GPR(r)
		case k == xmm:
			in.Writes |= XMM(r)
		}
	}
	if in.stack {
		in.Reads |= GPR(rSP)
	}
	if in.Op != Nop {
		if in.Mem.Base >= 0 {
			in.Reads |= GPR(uint8(in.Mem.Base))
		}
		if in.Mem.Index >= 0 {
			in.Reads |= GPR(uint8(in.Mem.Index))
		}
	}
	readDst, writeDst, readSrc := true, true, true
	flagsOut := false
	switch in.Op {
	case Nop, Fence, Undef:
		return
	case Mov, Movzx, Movsx, Lea, MovX, MovX8, MovX4, LoadG:
		readDst = false
	case LowX8, LowX4, XorX, AndX, OrX, Cmpeqb, Float, FromInt: // the upper half stays
	case ToInt, Movmskb:
		readDst = false
	case CompareFP:
		flagsOut, writeDst = true, false
	case ZeroX:
		readDst, readSrc = false, false
	case Add, And, Or, Neg, Sub, Xor, Sbb, Adc:
		flagsOut = true
		if in.Op == Adc || in.Op == Sbb {
			in.Reads |= Flags
		}
		if in.dst == gpr && in.src == gpr && in.dr == in.sr &&
			(in.Op == Xor || in.Op == Sub || in.Op == Sbb) {
			readDst, readSrc = false, false
		}
	case Inc, Dec, Not, Bswap: // CF at least stays: flags that were live before still are
	case Cmp, Test:
		flagsOut, writeDst = true, false
	case Bt: // ZF stays
		writeDst = false
	case Bts, Btr, Btc:
	case Shl, Shr, Sar, Rol, Ror: // a count of 0 leaves the flags
		flagsOut = in.src == immediate && in.Op < Rol && in.imm&31 != 0
		if in.src == gpr {
			in.Reads |= GPRLow(in.sr)
			readSrc = false
		}
	case Imul:
		flagsOut = true
		readDst = !in.three
	case Mul, Imul1:
		flagsOut, writeDst = true, false
		in.Reads |= GPR(rAX)
		if in.size >= 4 {
			in.Writes |= GPR(rAX) | GPR(rDX)
		}
	case Div, Idiv:
		flagsOut, writeDst = true, false
		in.Reads |= GPR(rAX) | GPR(rDX)
		if in.size >= 4 {
			in.Writes |= GPR(rAX) | GPR(rDX)
		}
	case Cwd:
		in.Reads |= GPR(rAX)
		if in.size >= 4 {
			in.Writes |= GPR(rDX)
		}
		return
	case Cbw:
		in.Reads |= GPR(rAX)
		return
	case Bsf, Bsr:
		flagsOut = false // the destination stays if the source is 0, and most flags are undefined
	case Tzcnt, Lzcnt, Popcnt:
		flagsOut, readDst = true, false
	case Setcc:
		in.Reads |= Flags
		readDst = false
	case Cmov:
		in.Reads |= Flags
	case Jcc:
		in.Reads |= Flags
		return
	case Xchg, Xadd:
		flagsOut = in.Op == Xadd
		use(in.src, in.sr, in.size)
		def(in.src, in.sr, in.size)
	case Cmpxchg:
		flagsOut = true
		in.Reads |= part(rAX, in.size) // AX may stay
	case Push:
		writeDst = false
	case Pop:
		readDst = false
	case Stos:
		in.Reads |= GPR(rAX) | GPR(rDI)
		if in.Repeat {
			in.Reads |= GPR(rCX)
		}
		return
	}
	if flagsOut {
		in.Writes |= Flags
	}
	if in.dst == gpr || in.dst == xmm {
		if readDst {
			use(in.dst, in.dr, in.size)
		}
		if writeDst && in.Op != Cmpxchg {
			def(in.dst, in.dr, in.size)
		}
	}
	if readSrc {
		n := in.ssize
		if in.Op != Movzx && in.Op != Movsx {
			n = max(n, in.size)
		}
		use(in.src, in.sr, n)
	}
}

func part(r, size uint8) Set {
	if size == 1 {
		return GPRLow(r)
	}
	return GPR(r)
}
