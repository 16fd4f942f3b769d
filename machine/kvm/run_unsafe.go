//go:build linux && amd64 && !purego && !race

package kvm

import (
	"syscall"
	_ "unsafe" // for go:linkname
)

// A vCPU's thread is all the time in one system call, as the Go runtime sees it: what it does
// between two entries of the guest is done without a P. Otherwise a thread that the kernel takes
// off its CPU just then, and overcommitted vCPUs are taken off all the time, would hold up every
// garbage collection until it has its turn again, for tens of milliseconds. It is cheaper too:
// nobody has to get a P back.
//
// What runs there may not grow its stack, allocate, store pointers, or be preempted. Both
// functions are on the runtime's "do not remove" list (go.dev/issue/67401), for the sake of another
// VMM. A test checks that collections go on.

//go:linkname entersyscall runtime.entersyscall
func entersyscall()

//go:linkname exitsyscall runtime.exitsyscall
func exitsyscall()

// guest runs the guest until it is stopped, is done, or does what the caller must look
// at: then the reason is in the page, or errno is why the kernel can't run it.
//
//go:nosplit
func (cpu *vcpu) guest() (done bool, errno syscall.Errno) {
	entersyscall()
	for errno == 0 && !done && !cpu.stopped.Load() {
		errno = runVCPU(cpu.fd)
		if errno == syscall.EINTR || errno == syscall.EAGAIN {
			// A signal: the runtime's own, the profiler's, or stop's.
			cpu.exits[exitBySignal]++
			errno = 0
			continue
		}
		if errno != 0 {
			// The page still has the last exit.
			break
		}
		var known bool
		if done, known = cpu.doorbell(); !known {
			break
		}
	}
	exitsyscall()
	return done, errno
}

// doorbell serves a store to a doorbell. Known is false if the exit was for something else.
//
//go:nosplit
func (cpu *vcpu) doorbell() (done, known bool) {
	p := cpu.page
	if p.reason != exitMMIO || p.write == 0 {
		return false, false
	}
	switch bell := p.gpa - cpu.bells + bells; {
	case bell == waitBell:
		cpu.exits[exitToWait]++
		// Blocks until the doorbell has been rung since the last time. A signal, and a ring that
		// was left over because its wait had ended by itself, end it early, which is allowed.
		readEvent(cpu.bell, &cpu.rings)
		return false, true
	case bell == nopBell:
		return false, true
	case bell == doneBell:
		return true, true
	case bell >= kickBells && (bell-kickBells)/4 < uint64(len(cpu.peers)):
		cpu.exits[exitToKick]++
		writeEvent(cpu.peers[(bell-kickBells)/4], &one)
		return false, true
	}
	return false, false
}

// one is what is written to an event descriptor.
var one uint64 = 1
