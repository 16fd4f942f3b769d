//go:build linux && !purego

package textpatch

import (
	"errors"
	"fmt"
)

// Arguments are on the stack here: what is one instruction elsewhere is two, and doesn't fit
// into a call.

var errStack = errors.New("textpatch: on 386 arguments are on the stack: replace the function's " +
	"body")

func encodeStoreZero() ([]byte, error) { return nil, errStack }

// prefixGS is how Go's functions begin here: with the fetch of the goroutine from GS. Before a jump
// it means nothing.
const prefixGS = 0x65

// editBody puts a jump in the place of the beginning of a function's first instruction. So nobody
// can be within what is replaced, and stacks unwind as at the entry. The first byte stays: when a
// probe on the function is detached, the kernel puts that one back.
func editBody(entry, to uintptr) (Edit, error) {
	mem, err := openMemory()
	if err != nil {
		return Edit{}, err
	}
	defer mem.Close()
	const longest = 15
	was, err := mem.read(entry, longest)
	if err != nil {
		return Edit{}, err
	}
	jump, err := relative(opJump, entry+1, to)
	if err != nil {
		return Edit{}, err
	}
	code := append([]byte{prefixGS}, jump...)
	if was[0] != prefixGS || instructionLen(was) < len(code) {
		return Edit{}, fmt.Errorf("textpatch: at %#x: the bytes % x are not how a function "+
			"begins: it is left as it is", entry, was[:len(code)])
	}
	return Edit{Addr: entry, Old: was[:len(code)], New: code, Part: true}, nil
}
