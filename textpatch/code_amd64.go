//go:build linux && !purego

package textpatch

// The first argument of Go's internal calling convention is in AX, and so is the first result.

// movb $0, 0(rax), behind a segment prefix that means nothing in 64-bit mode, so that it is five
// bytes and one instruction.
func encodeStoreZero() ([]byte, error) { return []byte{0x3e, 0xc6, 0x40, 0x00, 0x00}, nil }

// mov eax, value
func encodeResult(value bool) ([]byte, error) {
	code := []byte{0xb8, 0, 0, 0, 0}
	if value {
		code[1] = 1
	}
	return code, nil
}
