//go:build linux && (amd64 || 386) && !purego

package textpatch

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"slices"

	"golang.org/x/arch/x86/x86asm"
)

const (
	opCall  = 0xE8 // CALL rel32
	opJump  = 0xE9 // JMP rel32
	opTest  = 0xA9 // TEST EAX, imm32
	opTrap  = 0xCC // INT3
	callLen = 5
)

// scan returns the places that look like a call, or a jump, to one of the targets, or like one
// whose first byte a debugger or the kernel has replaced by a breakpoint.
func scan(code []byte, base uintptr, targets []uintptr) []Site {
	var found []Site
	for i := 0; i+callLen <= len(code); i++ {
		switch code[i] {
		case opCall, opJump:
		case opTrap:
			if code[i+4] == opTrap {
				continue // between functions; as a distance it is 800 MB
			}
		default:
			continue
		}
		addr := base + uintptr(i)
		target := addr + callLen + uintptr(int(int32(binary.LittleEndian.Uint32(code[i+1:]))))
		if slices.Contains(targets, target) {
			found = append(found, Site{Addr: addr, Target: target, Tail: code[i] == opJump})
		}
	}
	return found
}

// isCall says whether code begins with the instruction that a Site is said to be.
func isCall(code []byte, s Site) bool {
	inst, err := x86asm.Decode(code, bits.UintSize)
	if err != nil || inst.Len != callLen {
		return false
	}
	rel, ok := inst.Args[0].(x86asm.Rel)
	op := x86asm.CALL
	if s.Tail {
		op = x86asm.JMP
	}
	return ok && inst.Op == op && s.Addr+callLen+uintptr(int(rel)) == s.Target
}

// isBreakpoint reports whether code begins with INT3: a debugger's, or the kernel's, since Go's
// compiler makes none within functions.
func isBreakpoint(code []byte) bool { return code[0] == opTrap }

// instructionLen returns the length of the instruction that code begins with, 0 if it is
// none that is known.
func instructionLen(code []byte) int {
	if n := commonLen(code); n > 0 {
		return n
	}
	if n := vexLen(code); n > 0 {
		return n
	}
	if inst, err := x86asm.Decode(code, bits.UintSize); err == nil {
		return inst.Len
	}
	return 0
}

// commonLen returns the length of the instructions that most of a program consists of, 0 for
// others. The decoder takes 200 ns for each, which for the functions of some thousand calls adds up
// to what a start notices. A test compares the two.
func commonLen(code []byte) int {
	const longest = 15
	if len(code) < longest {
		return 0
	}
	n := 0
	if code[0] == 0xf0 { // LOCK
		n = 1
	}
	wide := false
	if bits.UintSize == 64 && code[n]&0xf0 == 0x40 { // REX
		wide = code[n]&8 != 0
		n++
	}
	op := code[n]
	n++
	switch op {
	// arithmetic
	case 0x01, 0x03, 0x09, 0x0b, 0x21, 0x23, 0x29, 0x2b, 0x31, 0x33, 0x38, 0x39, 0x3a, 0x3b,
		0x84, 0x85, 0x88, 0x89, 0x8a, 0x8b, 0x8d: // TEST, MOV, LEA
		if op == 0x8d && code[n]>>6 == 3 {
			return 0
		}
		return n + modrmLen(code[n:])
	case 0x80, 0x83: // arithmetic with a byte
		return n + modrmLen(code[n:]) + 1
	case 0x81: // and with four
		return n + modrmLen(code[n:]) + 4
	case 0xc6, 0xc7: // MOV of a constant
		if code[n]>>3&7 != 0 {
			return 0
		}
		if op == 0xc6 {
			return n + modrmLen(code[n:]) + 1
		}
		return n + modrmLen(code[n:]) + 4
	case 0xb8, 0xb9, 0xba, 0xbb, 0xbc, 0xbd, 0xbe, 0xbf: // likewise
		if wide {
			return n + 8
		}
		return n + 4
	case opCall, opJump:
		return n + 4
	case 0xeb, 0x70, 0x71, 0x72, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7a, 0x7b, 0x7c, 0x7d,
		0x7e, 0x7f:
		return n + 1
	case 0x90, 0xc3, 0xcc:
		return n
	case 0x0f:
		op = code[n]
		n++
		switch {
		case op >= 0x80 && op <= 0x8f: // Jcc
			return n + 4
		case op >= 0x40 && op <= 0x4f, op >= 0x90 && op <= 0x9f, // CMOVcc, SETcc
			// NOP, MOVUPS, CMPXCHG, MOVZX, IMUL
			op == 0x1f, op == 0x10, op == 0x11, op == 0xb1, op == 0xb6, op == 0xb7, op == 0xaf:
			return n + modrmLen(code[n:])
		}
	}
	return 0
}

// modrmLen returns the length of a ModRM byte and what it says that follows: SIB and displacement.
func modrmLen(code []byte) int {
	n, mod, rm := 1, code[0]>>6, code[0]&7
	if mod != 3 && rm == 4 {
		rm = code[1] & 7
		n++
	}
	switch {
	case mod == 1:
		n++
	case mod == 2, mod == 0 && rm == 5:
		n += 4
	}
	return n
}

// vexLen returns the length of an instruction with a VEX or EVEX prefix, 0 if it is none. The
// decoder doesn't know these, and takes some for others; Go's compiler makes them from GOAMD64=v3
// on.
func vexLen(code []byte) int {
	if bits.UintSize == 32 {
		return 0 // there the prefixes are instructions
	}
	const map0F, map0F38, map0F3A = 1, 2, 3
	var opcodes byte // which map the opcode is of
	var n int        // length of the prefix
	switch {
	case len(code) > 2 && code[0] == 0xC5:
		opcodes, n = map0F, 2
	case len(code) > 3 && code[0] == 0xC4:
		opcodes, n = code[1]&0x1f, 3
	case len(code) > 4 && code[0] == 0x62:
		opcodes, n = code[1]&0x7, 4
	default:
		return 0
	}
	if opcodes < map0F || opcodes > map0F3A || len(code) < n+4 {
		return 0
	}
	opcode := code[n]
	n++
	if opcodes == map0F && opcode == 0x77 {
		return n // VZEROUPPER
	}
	n += modrmLen(code[n:])
	hasByte := opcodes == map0F3A ||
		opcodes == map0F &&
			(opcode >= 0x70 && opcode <= 0x73 || opcode == 0xC2 || opcode >= 0xC4 && opcode <= 0xC6)
	if hasByte {
		n++
	}
	if n > len(code) {
		return 0
	}
	return n
}

// checkCode returns an error unless code is one instruction, and nothing more.
func checkCode(addr uintptr, code []byte) error {
	if len(code) == callLen && (code[0] == opCall || code[0] == opJump || code[0] == opTest) {
		return nil
	}
	if n := instructionLen(code); n != len(code) {
		return fmt.Errorf("textpatch: at %#x: the bytes % x are not one instruction", addr, code)
	}
	return nil
}

// relative makes an instruction of an opcode and a distance of 32 bits.
func relative(op byte, at, to uintptr) ([]byte, error) {
	distance := int64(to) - int64(at+callLen)
	if bits.UintSize == 64 && distance != int64(int32(distance)) {
		return nil, fmt.Errorf("textpatch: %#x is too far from %#x for a direct call", to, at)
	}
	return binary.LittleEndian.AppendUint32([]byte{op}, uint32(distance)), nil
}

func encodeCall(s Site, to uintptr) ([]byte, error) {
	if s.Tail {
		return relative(opJump, s.Addr, to)
	}
	return relative(opCall, s.Addr, to)
}

// encodeNop makes TEST EAX, with the call's distance as the constant: it changes flags alone, which
// are nobody's after a call, and when a probe that is detached puts the call's first byte back, it
// is that call.
func encodeNop(s Site) ([]byte, error) { return relative(opTest, s.Addr, s.Target) }

func disassemble(code []byte, addr uintptr) (size int, text string) {
	if n := vexLen(code); n > 0 {
		return n, "?"
	}
	if inst, err := x86asm.Decode(code, bits.UintSize); err == nil {
		return inst.Len, x86asm.GoSyntax(inst, uint64(addr), symbol)
	}
	return 1, "?"
}
