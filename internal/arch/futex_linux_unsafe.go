//go:build linux

package arch

import (
	"syscall"
	"unsafe"
)

// HasFutex says whether a thread can sleep on a cell here.
const HasFutex = true

const (
	futexWaitPrivate = 0 | 128
	futexWakePrivate = 1 | 128
)

// ParkThread puts the calling OS thread to sleep while the cell holds v, and may
// return for no reason. It is a real system call of the blocking kind, so that
// the Go scheduler can give the thread's P away meanwhile: a raw one would
// hold up every garbage collection.
func (Core) ParkThread(cell *U32, v uint32) {
	syscall.Syscall6(syscall.SYS_FUTEX, uintptr(unsafe.Pointer(cell)), futexWaitPrivate, uintptr(v),
		0, 0, 0)
}

// UnparkThread wakes n of the threads that sleep on the cell. It doesn't block.
func (Core) UnparkThread(cell *U32, n uint32) {
	syscall.RawSyscall6(syscall.SYS_FUTEX, uintptr(unsafe.Pointer(cell)), futexWakePrivate,
		uintptr(n), 0, 0, 0)
}
