//go:build linux && amd64 && !purego && !race

package kvm

import (
	"unsafe"

	"example.com/pvlock/paravirt"
)

// addressOfCPU returns the address of a CPU, as the guest gets it in a register. CPUs are on the
// heap: machines are reached from everywhere.
func addressOfCPU(c *paravirt.CPU) uint64 { return uint64(uintptr(unsafe.Pointer(c))) }

// addressOfBody returns the value of a func variable: the address of the closure, which is on
// the heap if the variable is, or of a word of the program's data.
func addressOfBody(f *func(*paravirt.CPU)) uint64 { return uint64(*(*uintptr)(unsafe.Pointer(f))) }
