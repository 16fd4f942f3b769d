//go:build linux && amd64 && !purego && !race

package kvm_test

import (
	"syscall"
	"unsafe"
)

var nowhere uintptr = 0x123456789000

//go:noinline
func readsNowhere(s *scratch) {
	// By way of a variable, so that vet sees no constant made into a pointer.
	s.zero = **(**int)(unsafe.Pointer(&nowhere))
}

//go:noinline
func readsNil(s *scratch) {
	var p *int
	s.zero = *p
}

var constant = "a constant"

//go:noinline
func writesText(*scratch) { *unsafe.StringData(constant) = 'A' }

//go:noinline
func callsTheSystem(s *scratch) {
	pid, _, _ := syscall.RawSyscall(syscall.SYS_GETPID, 0, 0, 0)
	s.zero = int(pid)
}
