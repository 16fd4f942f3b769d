//go:build linux

package bench

import (
	"encoding/binary"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// instructions counts what the calling thread executes in user mode. Its zero value counts nothing.
type instructions struct{ fd int }

func countInstructions() (instructions, error) {
	attr := unix.PerfEventAttr{
		Type: unix.PERF_TYPE_HARDWARE, Config: unix.PERF_COUNT_HW_INSTRUCTIONS,
		Bits: unix.PerfBitExcludeKernel | unix.PerfBitExcludeHv,
	}
	attr.Size = uint32(unsafe.Sizeof(attr))
	fd, err := unix.PerfEventOpen(&attr, 0, -1, -1, unix.PERF_FLAG_FD_CLOEXEC)
	if err != nil {
		return instructions{}, fmt.Errorf("perf_event_open: %w", err)
	}
	return instructions{fd}, nil
}

func (c instructions) read() uint64 {
	var b [8]byte
	if c.fd == 0 {
		return 0
	}
	if n, err := unix.Read(c.fd, b[:]); err != nil || n != len(b) {
		return 0
	}
	return binary.NativeEndian.Uint64(b[:])
}

func (c instructions) close() {
	if c.fd != 0 {
		unix.Close(c.fd)
	}
}
