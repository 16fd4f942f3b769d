//go:build !purego && !race

package arch

import "syscall"

// blockingSyscall makes a system call that blocks, and gives the P away for that long. Those of
// package syscall keep it until the runtime's monitor notices, up to 10 ms later.
//
// No frame but this one may lie between the two calls of the runtime.
//
//go:nosplit
func blockingSyscall(trap, arg uintptr) syscall.Errno {
	entersyscallblock()
	_, _, errno := syscall.RawSyscall(trap, arg, 0, 0)
	exitsyscall()
	return errno
}
