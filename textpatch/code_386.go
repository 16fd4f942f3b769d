//go:build linux && !purego

package textpatch

import (
	"errors"
	"fmt"

	"golang.org/x/arch/x86/x86asm"
)

// Arguments are on the stack here: what is one instruction elsewhere is two, and doesn't fit
// into a call.

var errStack = errors.New("textpatch: on 386 arguments are on the stack: replace the function's body")

func encodeStoreZero() ([]byte, error) { return nil, errStack }

// movl 4(esp), eax; movb $0, (eax); ret
var storeBody = []byte{0x8b, 0x44, 0x24, 0x04, 0xc6, 0x00, 0x00, 0xc3}

func editBody(entry uintptr, b Body) (Edit, error) {
	var code []byte
	var err error
	switch {
	case b.StoreZero:
		code = storeBody
	case b.Nothing:
		code = []byte{0xc3}
	default:
		code, err = relative(opJump, entry, b.Jump)
	}
	if err != nil {
		return Edit{}, err
	}
	mem, err := openMemory()
	if err != nil {
		return Edit{}, err
	}
	defer mem.Close()
	// An instruction is at most 15 bytes, and one may begin within the last byte that is replaced.
	was, err := mem.read(entry, len(code)+15)
	if err != nil {
		return Edit{}, err
	}
	for at := 0; at < len(code); {
		inst, err := x86asm.Decode(was[at:], 32)
		if err != nil {
			return Edit{}, fmt.Errorf("textpatch: at %#x: the bytes % x are no instruction", entry+uintptr(at), was[at:])
		}
		if movesStack(inst) {
			return Edit{}, fmt.Errorf("textpatch: at %#x: %v is within the %d bytes to be replaced: from there on stacks would not unwind", entry+uintptr(at), inst, len(code))
		}
		at += inst.Len
	}
	return Edit{Addr: entry, Old: was[:len(code)], New: code, Body: true}, nil
}

// movesStack says whether the stack pointer may be elsewhere after an instruction than before. Where it is at
// each byte of a function is in tables that don't change; in what is put here it
// stays where it is at the entry.
func movesStack(inst x86asm.Inst) bool {
	switch inst.Op {
	case x86asm.PUSH, x86asm.POP, x86asm.CALL, x86asm.RET, x86asm.LEAVE:
		return true
	}
	return inst.Args[0] == x86asm.ESP && inst.Op != x86asm.CMP && inst.Op != x86asm.TEST
}
