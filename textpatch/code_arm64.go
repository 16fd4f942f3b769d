//go:build linux && !purego

package textpatch

import (
	"encoding/binary"
	"fmt"
	"slices"

	"golang.org/x/arch/arm64/arm64asm"
)

const (
	callLen    = 4
	branchLink = 0x94000000 // BL
	branch     = 0x14000000 // B
	branchMask = 0xfc000000
)

// branchTo returns where a BL or B goes.
func branchTo(addr uintptr, inst uint32) uintptr {
	return addr + uintptr(int(int32(inst<<6)>>6)*4)
}

func scan(code []byte, base uintptr, targets []uintptr) []Site {
	var found []Site
	for i := 0; i+callLen <= len(code); i += callLen {
		inst := binary.LittleEndian.Uint32(code[i:])
		if op := inst & branchMask; op != branchLink && op != branch {
			continue
		}
		addr := base + uintptr(i)
		if target := branchTo(addr, inst); slices.Contains(targets, target) {
			found = append(found, Site{Addr: addr, Target: target, Tail: inst&branchMask == branch})
		}
	}
	return found
}

// isCall says whether code begins with the instruction that a Site is said to be. Data between
// functions, which Go's linker puts there for far calls, is not told from instructions.
func isCall(code []byte, s Site) bool {
	inst, err := arm64asm.Decode(code[:callLen])
	if err != nil {
		return false
	}
	op := arm64asm.BL
	if s.Tail {
		op = arm64asm.B
	}
	return inst.Op == op && branchTo(s.Addr, binary.LittleEndian.Uint32(code)) == s.Target
}

// isBreakpoint: a breakpoint is as long as any instruction, and leaves nothing of it.
func isBreakpoint([]byte) bool { return false }

func instructionLen([]byte) int { return callLen }

func checkCode(addr uintptr, code []byte) error {
	if _, err := arm64asm.Decode(code); err != nil || len(code) != callLen {
		return fmt.Errorf("textpatch: at %#x: the bytes % x are not one instruction: %v", addr,
			code, err)
	}
	return nil
}

func encodeCall(s Site, to uintptr) ([]byte, error) {
	op := uint32(branchLink)
	if s.Tail {
		op = branch
	}
	distance := int64(to) - int64(s.Addr)
	if distance < -1<<27 || distance >= 1<<27 || distance&3 != 0 {
		return nil, fmt.Errorf("textpatch: %#x is too far from %#x for a direct call", to, s.Addr)
	}
	return word(op | uint32(distance>>2)&^branchMask), nil
}

func word(inst uint32) []byte { return binary.LittleEndian.AppendUint32(nil, inst) }

func encodeNop(Site) ([]byte, error) { return word(0xd503201f), nil }

// stlrb wzr, [x0]: the first argument of Go's internal calling convention is in X0.
func encodeStoreZero() ([]byte, error) { return word(0x089ffc1f), nil }

func disassemble(code []byte, addr uintptr) (size int, text string) {
	inst, err := arm64asm.Decode(code[:callLen])
	if err != nil {
		return callLen, "?"
	}
	return callLen, arm64asm.GoSyntax(inst, uint64(addr), symbol, nil)
}
