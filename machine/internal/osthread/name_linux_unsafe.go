//go:build linux

package osthread

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// renameThread names the calling thread and returns what it was called.
func renameThread(name string) (formerly string, err error) {
	var old [16]byte // the kernel's TASK_COMM_LEN
	if err := unix.Prctl(unix.PR_GET_NAME, uintptr(unsafe.Pointer(&old[0])), 0, 0, 0); err != nil {
		return "", err
	}
	p, err := unix.BytePtrFromString(name)
	if err != nil {
		return "", err
	}
	return unix.ByteSliceToString(old[:]), unix.Prctl(unix.PR_SET_NAME, uintptr(unsafe.Pointer(p)),
		0, 0, 0)
}
