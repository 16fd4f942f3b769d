package x86

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
)

// ErrDivide is a division by zero or a quotient that does not fit.
var ErrDivide = errors.New("integer divide by zero")

func (r *Regs) set(n, size uint8, v uint64) {
	switch size {
	case 8:
		r.R[n] = v
	case 4:
		r.R[n] = v & 0xffffffff
	case 2:
		r.R[n] = r.R[n]&^0xffff | v&0xffff
	default:
		r.R[n] = r.R[n]&^0xff | v&0xff
	}
}

// result returns ZF, SF and PF of a result.
func result(v uint64, size uint8) (f uint8) {
	v &= maskOf(size)
	if v == 0 {
		f |= ZF
	}
	if v>>(8*uint(size)-1) != 0 {
		f |= SF
	}
	if bits.OnesCount8(uint8(v))&1 == 0 {
		f |= PF
	}
	return f
}

func addFlags(res, a, b uint64, size uint8, carry bool) uint8 {
	f := result(res, size)
	m := maskOf(size)
	if res&m < a&m || carry && res&m == a&m {
		f |= CF
	}
	if (a^res)&(b^res)>>(8*uint(size)-1)&1 != 0 {
		f |= OF
	}
	return f
}

func subFlags(res, a, b uint64, size uint8, borrow bool) uint8 {
	f := result(res, size)
	m := maskOf(size)
	if a&m < b&m || borrow && a&m == b&m {
		f |= CF
	}
	if (a^b)&(a^res)>>(8*uint(size)-1)&1 != 0 {
		f |= OF
	}
	return f
}

func (in *Insn) holds(f uint8) bool {
	var b bool
	switch in.cc >> 1 {
	case 0:
		b = f&OF != 0
	case 1:
		b = f&CF != 0
	case 2:
		b = f&ZF != 0
	case 3:
		b = f&(CF|ZF) != 0
	case 4:
		b = f&SF != 0
	case 5:
		b = f&PF != 0
	case 6:
		b = (f&SF != 0) != (f&OF != 0)
	default:
		b = f&ZF != 0 || (f&SF != 0) != (f&OF != 0)
	}
	return b != (in.cc&1 != 0)
}

// Exec executes an instruction but for its accesses to memory: lo and hi are what its load got, and
// slo and shi, if store, what is to be stored, both at the address that Addr gave before.
func (in *Insn) Exec(r *Regs, lo, hi uint64) (slo, shi uint64, store bool, err error) {
	r.PC = in.PC + uint64(in.Len)
	size := in.size
	var a, b uint64
	switch in.dst {
	case gpr:
		a = r.R[in.dr]
	case mem:
		a = lo
	}
	switch in.src {
	case gpr:
		b = r.R[in.sr]
	case mem:
		b = lo
	case immediate:
		b = in.imm
	}
	var res uint64
	switch in.Op {
	case Nop, Fence:
		return
	case Mov:
		res = b
	case Movzx:
		res = b & maskOf(in.ssize)
	case Movsx:
		sh := 64 - 8*uint(in.ssize)
		res = uint64(int64(b<<sh) >> sh)
	case Lea:
		res = in.Addr(r)
	case LoadG:
		res = G
	case Add:
		res = a + b
		if !in.FlagsDead {
			r.Flags = addFlags(res, a, b, size, false)
		}
	case Adc:
		cf := uint64(r.Flags & CF)
		res = a + b + cf
		r.Flags = addFlags(res, a, b, size, cf != 0)
	case Sub, Cmp:
		res = a - b
		if !in.FlagsDead {
			r.Flags = subFlags(res, a, b, size, false)
		}
		if in.Op == Cmp {
			return
		}
	case Sbb:
		cf := uint64(r.Flags & CF)
		res = a - b - cf
		r.Flags = subFlags(res, a, b, size, cf != 0)
	case Neg:
		res = -a
		r.Flags = subFlags(res, 0, a, size, false)
	case Inc:
		res = a + 1
		r.Flags = r.Flags&CF | addFlags(res, a, 1, size, false)&^CF
	case Dec:
		res = a - 1
		r.Flags = r.Flags&CF | subFlags(res, a, 1, size, false)&^CF
	case And:
		res = a & b
		r.Flags = result(res, size)
	case Or:
		res = a | b
		r.Flags = result(res, size)
	case Xor:
		res = a ^ b
		r.Flags = result(res, size)
	case Test:
		r.Flags = result(a&b, size)
		return
	case Not:
		res = ^a
	case Shl, Shr, Sar, Rol, Ror:
		res = in.shift(r, a, b)
	case Imul:
		if in.three {
			a, b = b, in.imm
		}
		res = in.multiply(r, a, b)
	case Mul, Imul1, Div, Idiv:
		return 0, 0, false, in.wide(r, a)
	case Cwd:
		sh := 64 - 8*uint(size)
		r.set(rDX, size, uint64(int64(r.R[rAX]<<sh)>>63))
		return
	case Cbw:
		sh := 64 - 4*uint(size)
		r.set(rAX, size, uint64(int64(r.R[rAX]<<sh)>>sh))
		return
	case Bsf, Bsr:
		b &= maskOf(size)
		if b == 0 {
			r.Flags |= ZF
			return // the destination stays, its upper half too
		}
		r.Flags &^= ZF
		res = uint64(bits.TrailingZeros64(b))
		if in.Op == Bsr {
			res = uint64(bits.Len64(b) - 1)
		}
	case Tzcnt, Lzcnt:
		b &= maskOf(size)
		n := 8 * int(size)
		if in.Op == Tzcnt {
			res = uint64(min(bits.TrailingZeros64(b), n))
		} else {
			res = uint64(n - bits.Len64(b))
		}
		r.Flags = 0
		if b == 0 {
			r.Flags |= CF
		}
		if res == 0 {
			r.Flags |= ZF
		}
	case Popcnt:
		res = uint64(bits.OnesCount64(b & maskOf(size)))
		r.Flags = 0
		if res == 0 {
			r.Flags = ZF
		}
	case Bswap:
		if size == 4 {
			res = uint64(bits.ReverseBytes32(uint32(a)))
		} else {
			res = bits.ReverseBytes64(a)
		}
	case Bt, Bts, Btr, Btc:
		n := b & (8*uint64(size) - 1)
		r.Flags = r.Flags&^CF | uint8(a>>n&1)
		switch in.Op {
		case Bt:
			return
		case Bts:
			res = a | 1<<n
		case Btr:
			res = a &^ (1 << n)
		default:
			res = a ^ 1<<n
		}
	case Setcc:
		if in.holds(r.Flags) {
			res = 1
		}
	case Cmov:
		res = a
		if in.holds(r.Flags) {
			res = b
		}
	case Jcc:
		if in.holds(r.Flags) {
			r.PC = in.Target
		}
		return
	case Jmp:
		r.PC = in.Target
		if in.Flow == JumpIndirect {
			r.PC = b
		}
		return
	case Call:
		slo, store = r.PC, true
		r.R[rSP] -= 8
		r.PC = in.Target
		if in.Flow == CallIndirect {
			r.PC = b
		}
		return
	case Ret:
		r.R[rSP] += 8
		r.PC = lo
		return
	case Push:
		r.R[rSP] -= 8
		if in.dst == immediate {
			a = in.imm
		}
		return a, 0, true, nil
	case Pop:
		r.R[rSP] += 8
		res = lo
	case Xchg:
		res = b
		r.set(in.sr, size, a)
	case Xadd:
		res = a + b
		r.Flags = addFlags(res, a, b, size, false)
		r.set(in.sr, size, a)
	case Cmpxchg:
		old := r.R[rAX]
		r.Flags = subFlags(old-a, old, a, size, false)
		if (old^a)&maskOf(size) == 0 {
			res = b
		} else {
			r.set(rAX, size, a)
			res = a
			if in.dst == gpr {
				return
			}
		}
	case MovX, MovX8, MovX4, LowX8, LowX4, ZeroX, XorX, AndX, OrX:
		return in.vector(r, b, lo, hi)
	case Cmpeqb, Movmskb, Float, FromInt, ToInt, CompareFP:
		in.simd(r, b, lo, hi)
		return
	case Stos:
		return in.stos(r)
	default:
		return 0, 0, false, fmt.Errorf("unsupported operation %d", in.Op)
	}
	if in.dst == mem {
		return res, 0, true, nil
	}
	r.set(in.dr, size, res)
	return
}

func (in *Insn) stos(r *Regs) (slo, shi uint64, store bool, err error) {
	if in.Repeat {
		if r.R[rCX] == 0 {
			return
		}
		if r.R[rCX]--; r.R[rCX] > 0 {
			r.PC = in.PC
		}
	}
	r.R[rDI] += uint64(in.size)
	return r.R[rAX] & maskOf(in.size), 0, true, nil
}

func (in *Insn) vector(r *Regs, b, lo, hi uint64) (slo, shi uint64, store bool, err error) {
	v := [2]uint64{b, 0}
	switch in.src {
	case xmm:
		v = r.X[in.sr]
	case mem:
		v = [2]uint64{lo, hi}
	}
	switch in.Op {
	case MovX8:
		v[1] = 0
	case MovX4:
		v = [2]uint64{v[0] & 0xffffffff, 0}
	case LowX8:
		v[1] = r.X[in.dr][1]
	case LowX4:
		v = [2]uint64{r.X[in.dr][0]&^0xffffffff | v[0]&0xffffffff, r.X[in.dr][1]}
	case ZeroX:
		v = [2]uint64{}
	case XorX:
		v[0] ^= r.X[in.dr][0]
		v[1] ^= r.X[in.dr][1]
	case AndX:
		v[0] &= r.X[in.dr][0]
		v[1] &= r.X[in.dr][1]
	case OrX:
		v[0] |= r.X[in.dr][0]
		v[1] |= r.X[in.dr][1]
	}
	switch in.dst {
	case xmm:
		r.X[in.dr] = v
	case gpr:
		r.set(in.dr, in.size, v[0])
	default:
		return v[0], v[1], true, nil
	}
	return
}

// simd executes what computes in XMM registers and leaves its result in a register.
func (in *Insn) simd(r *Regs, b, lo, hi uint64) {
	v := [2]uint64{lo, hi}
	if in.src == xmm {
		v = r.X[in.sr]
	}
	switch in.Op {
	case Cmpeqb:
		for k := range v {
			var m uint64
			for i := 0; i < 64; i += 8 {
				if byte(v[k]>>i) == byte(r.X[in.dr][k]>>i) {
					m |= 0xff << i
				}
			}
			r.X[in.dr][k] = m
		}
	case Movmskb:
		var m uint64
		for k := range v {
			for i := range 8 {
				m |= v[k] >> (8*i + 7) & 1 << (8*k + i)
			}
		}
		r.set(in.dr, 4, m)
	case Float:
		in.float(r, v[0])
	case FromInt:
		n := int64(b)
		if in.ssize == 4 {
			n = int64(int32(b))
		}
		r.X[in.dr][0] = math.Float64bits(float64(n))
	case ToInt:
		f := math.Float64frombits(v[0])
		n := int64(math.MinInt64)
		if f >= -1<<63 && f < 1<<63 {
			n = int64(f)
		}
		if in.size == 4 && (f <= -1<<31-1 || f >= 1<<31 || f != f) {
			n = math.MinInt32
		}
		r.set(in.dr, in.size, uint64(n))
	case CompareFP:
		x, y := math.Float64frombits(r.X[in.dr][0]), math.Float64frombits(v[0])
		if !in.double {
			x = float64(math.Float32frombits(uint32(r.X[in.dr][0])))
			y = float64(math.Float32frombits(uint32(v[0])))
		}
		switch {
		case x != x || y != y:
			r.Flags = ZF | PF | CF
		case x < y:
			r.Flags = CF
		case x == y:
			r.Flags = ZF
		default:
			r.Flags = 0
		}
	}
}

// float executes arithmetic of one number. NaNs keep no promise about their bits.
func (in *Insn) float(r *Regs, v uint64) {
	d := &r.X[in.dr][0]
	if !in.double {
		x, y := math.Float32frombits(uint32(*d)), math.Float32frombits(uint32(v))
		*d = *d&^0xffffffff | uint64(math.Float32bits(arithmetic(in.arith, x, y)))
		return
	}
	x, y := math.Float64frombits(*d), math.Float64frombits(v)
	if in.arith == 's' {
		*d = math.Float64bits(math.Sqrt(y))
		return
	}
	*d = math.Float64bits(arithmetic(in.arith, x, y))
}

func arithmetic[F float32 | float64](op byte, x, y F) F {
	switch op {
	case '+':
		return x + y
	case '-':
		return x - y
	case '*':
		return x * y
	}
	return x / y
}

func (in *Insn) shift(r *Regs, a, b uint64) (res uint64) {
	size := in.size
	n := uint(b & 31)
	if size == 8 {
		n = uint(b & 63)
	}
	if n == 0 {
		return a
	}
	w, m := 8*uint(size), maskOf(size)
	a &= m
	top := uint64(1) << (w - 1)
	f := r.Flags
	carry := false
	switch in.Op {
	case Shl:
		res = a << n
		carry = n <= w && a>>(w-n)&1 != 0
	case Shr:
		res = a >> n
		carry = a>>(n-1)&1 != 0
	case Sar:
		sh := 64 - w
		res = uint64(int64(a<<sh) >> sh >> n)
		carry = uint64(int64(a<<sh)>>sh>>(n-1))&1 != 0
	default:
		k := n % w
		if in.Op == Ror {
			k = (w - k) % w
		}
		res = (a<<k | a>>(w-k)) & m
		f &^= CF | OF
		if in.Op == Rol {
			f |= uint8(res & 1)
			if (res&top != 0) != (res&1 != 0) {
				f |= OF
			}
		} else {
			if res&top != 0 {
				f |= CF
			}
			if (res&top != 0) != (res&(top>>1) != 0) {
				f |= OF
			}
		}
		r.Flags = f
		return res
	}
	f = result(res, size)
	if carry {
		f |= CF
	}
	switch {
	case in.Op == Shl && (res&top != 0) != carry, in.Op == Shr && a&top != 0:
		f |= OF
	}
	r.Flags = f
	return res
}

func (in *Insn) multiply(r *Regs, a, b uint64) uint64 {
	sh := 64 - 8*uint(in.size)
	x, y := int64(a<<sh)>>sh, int64(b<<sh)>>sh
	hi, lo := bits.Mul64(uint64(x), uint64(y))
	if x < 0 {
		hi -= uint64(y)
	}
	if y < 0 {
		hi -= uint64(x)
	}
	s := int64(lo<<sh) >> sh
	r.Flags = result(uint64(s), in.size)
	if s>>63 != int64(hi) || uint64(s) != lo {
		r.Flags |= CF | OF
	}
	return lo
}

// wide multiplies into, or divides, DX:AX.
func (in *Insn) wide(r *Regs, b uint64) error {
	m, w := maskOf(in.size), 8*uint(in.size)
	lo, hi := r.R[rAX]&m, r.R[rDX]&m
	b &= m
	sign := func(v uint64) int64 { return int64(v<<(64-w)) >> (64 - w) }
	switch in.Op {
	case Mul:
		h, l := bits.Mul64(lo, b)
		if w < 64 {
			h = l >> w
		}
		r.set(rAX, in.size, l)
		r.set(rDX, in.size, h)
		r.Flags = result(l, in.size)
		if h&m != 0 {
			r.Flags |= CF | OF
		}
	case Imul1:
		x, y := sign(lo), sign(b)
		h, l := bits.Mul64(uint64(x), uint64(y))
		if x < 0 {
			h -= uint64(y)
		}
		if y < 0 {
			h -= uint64(x)
		}
		if w < 64 {
			h = uint64(int64(l) >> w)
		}
		r.set(rAX, in.size, l)
		r.set(rDX, in.size, h)
		r.Flags = result(l, in.size)
		if sign(l&m)>>63 != sign(h&m) {
			r.Flags |= CF | OF
		}
	case Div:
		if b == 0 || hi >= b {
			return ErrDivide
		}
		var q, rem uint64
		if w == 64 {
			q, rem = bits.Div64(hi, lo, b)
		} else {
			n := hi<<w | lo
			q, rem = n/b, n%b
		}
		r.set(rAX, in.size, q)
		r.set(rDX, in.size, rem)
		r.Flags = 0
	case Idiv:
		d := sign(b)
		if d == 0 {
			return ErrDivide
		}
		var n int64
		if w == 64 {
			if sign(lo)>>63 != int64(hi) {
				return fmt.Errorf("a division of 128 bits")
			}
			n = sign(lo)
		} else {
			n = int64(hi<<w | lo)
			n = n << (64 - 2*w) >> (64 - 2*w)
		}
		q := n / d
		if sign(uint64(q)&m) != q {
			return ErrDivide
		}
		r.set(rAX, in.size, uint64(q))
		r.set(rDX, in.size, uint64(n%d))
		r.Flags = 0
	}
	return nil
}
