//go:build linux

package thread

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// nameThread names the calling thread, as tracers and /proc show it. A thread
// without a name is no worse.
func nameThread(name string) {
	if p, err := unix.BytePtrFromString(name); err == nil {
		_ = unix.Prctl(unix.PR_SET_NAME, uintptr(unsafe.Pointer(p)), 0, 0, 0)
	}
}
