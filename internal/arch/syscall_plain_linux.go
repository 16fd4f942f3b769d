//go:build purego || race

package arch

import "syscall"

// blockingSyscall makes a system call that blocks.
func blockingSyscall(trap, arg uintptr) syscall.Errno {
	_, _, errno := syscall.Syscall(trap, arg, 0, 0)
	return errno
}
