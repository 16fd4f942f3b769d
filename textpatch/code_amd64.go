//go:build linux && !purego

package textpatch

// The first argument of Go's internal calling convention is in AX.

// movb $0, 0(rax), behind a segment prefix that means nothing in 64-bit mode, so that it is five
// bytes and one instruction.
func encodeStoreZero() ([]byte, error) { return []byte{0x3e, 0xc6, 0x40, 0x00, 0x00}, nil }
