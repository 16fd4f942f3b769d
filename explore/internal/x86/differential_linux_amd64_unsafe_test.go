//go:build linux && amd64

package x86

import (
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"testing"
	"unsafe"

	"example.com/pvlock/explore/internal/x86/native"
)

// Bits of the processor's flags, in the order of Regs.Flags.
var flagBits = [5]uint{0, 6, 7, 11, 2}

func toNative(f uint8) (v uint64) {
	for i, b := range flagBits {
		v |= uint64(f>>i&1) << b
	}
	return v | 2
}

func fromNative(v uint64) (f uint8) {
	for i, b := range flagBits {
		f |= uint8(v>>b&1) << i
	}
	return f
}

// undefined are flags that the manuals leave open after an instruction.
func undefined(in *Insn, count uint64) uint8 {
	switch in.Op {
	case Imul, Mul, Imul1:
		return SF | ZF | PF
	case Div, Idiv:
		return CF | ZF | SF | OF | PF
	case Bsf, Bsr:
		return CF | SF | OF | PF
	case Tzcnt, Lzcnt:
		return SF | OF | PF
	case Bt, Bts, Btr, Btc:
		return SF | OF | PF
	case Shl, Shr, Sar, Rol, Ror:
		m := uint64(31)
		if in.size == 8 {
			m = 63
		}
		n := count & m
		u := uint8(0)
		if n > 1 {
			u |= OF
		}
		if n > 8*uint64(in.size) {
			u |= CF
		}
		if n >= 8*uint64(in.size) && in.Op <= Sar {
			u |= CF
		}
		return u
	}
	return 0
}

// interesting is a number at which something may change.
func interesting(r *rand.Rand) uint64 {
	switch r.IntN(6) {
	case 0:
		return uint64(r.IntN(4))
	case 1:
		return ^uint64(r.IntN(4))
	case 2:
		return 1 << r.IntN(64)
	case 3:
		return 1<<r.IntN(64) - 1
	case 4:
		v := uint64(r.IntN(256)) * 0x0101010101010101
		return v
	}
	return r.Uint64()
}

// randomInsn makes bytes that may be an instruction.
func randomInsn(r *rand.Rand) []byte {
	var b []byte
	if r.IntN(4) == 0 {
		b = append(b, []byte{0x66, 0xf2, 0xf3, 0xf0}[r.IntN(4)])
	}
	if r.IntN(8) == 0 {
		b = append(b, []byte{0x66, 0xf2, 0xf3, 0xf0}[r.IntN(4)])
	}
	if r.IntN(2) == 0 {
		b = append(b, 0x40|byte(r.IntN(16)))
	}
	if r.IntN(2) == 0 {
		b = append(b, 0x0f)
		if r.IntN(16) == 0 {
			b = append(b, 0x38)
		}
	}
	for len(b) < 15 {
		b = append(b, byte(r.Uint32()))
	}
	return b
}

// testable reports whether an instruction can be executed alone: it leads on, leaves RSP and R15,
// and its memory is where the test can put it.
func testable(in *Insn) bool {
	if in.Flow != Next || in.stack || in.Op == LoadG || in.Repeat || in.Op == Fence ||
		in.Op == Nop {
		return false
	}
	reserved := GPR(rSP) | GPR(15)
	if (in.Reads|in.Writes)&reserved != 0 || in.dst == gpr && (in.dr == rSP || in.dr == 15) ||
		in.src == gpr && (in.sr == rSP || in.sr == 15) {
		return false
	}
	if in.Access == None {
		return true
	}
	return in.Mem.Base >= 0 && in.Mem.Base != in.Mem.Index
}

// form names an instruction's kind and those of its operands.
func form(in *Insn) string {
	return fmt.Sprintf("%d %d%d %d/%d acc%d three%v", in.Op, in.dst, in.src, in.size, in.ssize,
		in.Access, in.three)
}

// execute interprets an instruction, with memory.
func execute(in *Insn, r *Regs, mem []byte, base uint64) error {
	var lo, hi uint64
	addr := in.Addr(r) - base
	if in.Access != None && in.Access != Store {
		for k := range int(in.Size) {
			if k < 8 {
				lo |= uint64(mem[int(addr)+k]) << (8 * k)
			} else {
				hi |= uint64(mem[int(addr)+k]) << (8 * (k - 8))
			}
		}
	}
	slo, shi, store, err := in.Exec(r, lo, hi)
	if err != nil {
		return err
	}
	if store {
		for k := range int(in.Size) {
			if k < 8 {
				mem[int(addr)+k] = byte(slo >> (8 * k))
			} else {
				mem[int(addr)+k] = byte(shi >> (8 * (k - 8)))
			}
		}
	}
	return nil
}

// randomRegs makes registers with which an instruction's access is to the middle of mem.
func randomRegs(r *rand.Rand, in *Insn, base uint64) *Regs {
	regs := &Regs{Flags: uint8(r.IntN(32))}
	for i := range regs.R {
		regs.R[i] = interesting(r)
	}
	for i := range regs.X {
		regs.X[i] = [2]uint64{interesting(r), interesting(r)}
	}
	if r.IntN(2) == 0 {
		for i := range regs.X {
			regs.X[i][0] = uint64(int64(r.IntN(2000) - 1000))
		}
	}
	if in.Access != None {
		if in.Mem.Index >= 0 {
			regs.R[in.Mem.Index] = uint64(r.IntN(4))
		}
		regs.R[in.Mem.Base] = 0
		regs.R[in.Mem.Base] = base + 32 + uint64(r.IntN(16))&^15 - in.Addr(regs)
	}
	return regs
}

// buffer is what instructions access. It must not move, as a variable on a stack would.
var buffer [128]byte

// Every form of instruction that Decode accepts does in the interpreter what it does on the
// processor, with random operands and flags.
func TestDifferential(t *testing.T) {
	code, err := native.New()
	if err != nil {
		t.Skipf("no memory that can be executed: %v", err)
	}
	r := rand.New(rand.NewPCG(1, 2))
	var now []byte
	var nowRegs native.Regs
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if e := recover(); e != nil {
			t.Fatalf("% x on the processor: %v (%x)", now, e, nowRegs.R)
		}
	}()
	base := uint64(uintptr(unsafe.Pointer(&buffer[0]))) &^ 15
	off := int(base + 16 - uint64(uintptr(unsafe.Pointer(&buffer[0]))))
	base += 16
	mem := buffer[off : off+96]
	pc := uint64(uintptr(unsafe.Pointer(code.PC())))
	forms := map[string]int{}
	rounds, failures := 1_000_000, 0
	if testing.Short() {
		rounds /= 10
	}
	for range rounds {
		b := randomInsn(r)
		in, err := Decode(b, pc)
		if err != nil || !testable(&in) {
			continue
		}
		f := form(&in)
		if forms[f] > 2000 {
			continue
		}
		forms[f]++
		for range 4 {
			regs := randomRegs(r, &in, base)
			for i := range mem {
				mem[i] = byte(interesting(r))
			}
			want := slices.Clone(mem)
			before := *regs
			err := execute(&in, regs, want, base)
			if err != nil {
				continue // a division by zero
			}
			n := native.Regs{R: before.R, X: before.X, Flags: toNative(before.Flags)}
			now, nowRegs = b[:in.Len], n
			code.Run(now, &n)
			count := in.imm
			if in.src == gpr {
				count = before.R[in.sr]
			}
			defined := ^undefined(&in, count)
			regs.R[rSP], regs.R[15] = n.R[rSP], n.R[15]
			ok := n.R == regs.R && (fromNative(n.Flags)^regs.Flags)&defined == 0 &&
				string(mem) == string(want)
			for i := range n.X {
				ok = ok && (n.X[i] == regs.X[i] ||
					in.Op == Float && isNaN(&in, n.X[i][0]) && isNaN(&in, regs.X[i][0]))
			}
			if in.Op == Bswap && in.size == 2 {
				ok = true // undefined
			}
			if !ok {
				failures++
				t.Errorf("% x (%s):\nbefore %x %05b\nprocessor   %x %05b\ninterpreter %x "+
					"%05b\nmem %v\nX %x\n  %x", b[:in.Len], f,
					before.R, before.Flags, n.R, fromNative(n.Flags), regs.R, regs.Flags,
					string(mem) == string(want), n.X[:4], regs.X[:4])
				if failures > 5 {
					t.FailNow()
				}
				break
			}
		}
	}
	t.Logf("%d forms", len(forms))
	seen := map[Op]bool{}
	for f := range forms {
		var op Op
		fmt.Sscan(f, &op)
		seen[op] = true
	}
	for op := Mov; op < Undef; op++ {
		switch op {
		case Jcc, Jmp, Call, Ret, Push, Pop, LoadG, Fence:
			continue // not straight-line, or not alone
		}
		if !seen[op] {
			t.Errorf("no form of operation %d was met", op)
		}
	}
}

func isNaN(in *Insn, v uint64) bool {
	if in.double {
		return v&(1<<63-1) > 0x7ff<<52
	}
	return v&(1<<31-1) > 0xff<<23
}

// What Reads and Writes say is enough: whatever is live after an instruction depends on nothing but
// what it reads, and on what is live and not overwritten.
func TestReadsAndWrites(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	base := uint64(1 << 20)
	failures := 0
	for range 300_000 {
		b := randomInsn(r)
		in, err := Decode(b, 0x1000)
		if err != nil || !testable(&in) {
			continue
		}
		live := Set(r.Uint64()) & (1<<49 - 1)
		needed := in.Reads | live&^in.Writes
		one := randomRegs(r, &in, base)
		two := *one
		other := randomRegs(r, &in, base)
		for i := range uint8(16) {
			if needed&GPRLow(i) == 0 {
				two.R[i] = two.R[i]&^0xff | other.R[i]&0xff
			}
			if needed&GPRRest(i) == 0 {
				two.R[i] = two.R[i]&0xff | other.R[i]&^0xff
			}
			if needed&XMM(i) == 0 {
				two.X[i] = other.X[i]
			}
		}
		if needed&Flags == 0 {
			two.Flags = other.Flags
		}
		mem1 := make([]byte, 96)
		for i := range mem1 {
			mem1[i] = byte(r.Uint32())
		}
		mem2 := slices.Clone(mem1)
		err1, err2 := execute(&in, one, mem1, base), execute(&in, &two, mem2, base)
		same := string(mem1) == string(mem2) && (err1 == nil) == (err2 == nil)
		for i := range uint8(16) {
			d := one.R[i] ^ two.R[i]
			same = same && (live&GPRLow(i) == 0 || d&0xff == 0) &&
				(live&GPRRest(i) == 0 || d&^0xff == 0) &&
				(live&XMM(i) == 0 || one.X[i] == two.X[i])
		}
		same = same && (live&Flags == 0 || one.Flags == two.Flags)
		if !same && err1 == nil {
			failures++
			t.Errorf("% x (%s): reads %x, writes %x, live %x:\n%x %05b\n%x %05b", b[:in.Len],
				form(&in), in.Reads, in.Writes, live, one.R, one.Flags, two.R, two.Flags)
			if failures > 5 {
				t.FailNow()
			}
		}
	}
}
