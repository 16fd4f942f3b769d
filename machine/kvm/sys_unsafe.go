//go:build linux && amd64 && !purego && !race

package kvm

import (
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The part of KVM's interface that is used here, from <linux/kvm.h> and
// <asm/kvm.h>. All system calls of the package are in this file.

const (
	apiVersion = 12

	ioctlGetAPIVersion   = 0xae00
	ioctlCreateVM        = 0xae01
	ioctlCheckExtension  = 0xae03
	ioctlGetVCPUMmapSize = 0xae04
	ioctlCreateVCPU      = 0xae41
	ioctlSetMemoryRegion = 0x4020ae46
	ioctlIoeventfd       = 0x4040ae79
	ioctlRun             = 0xae80
	ioctlGetRegs         = 0x8090ae81
	ioctlSetRegs         = 0x4090ae82
	ioctlGetSregs        = 0x8138ae83
	ioctlSetSregs        = 0x4138ae84

	capUserMemory    = 3
	capSyncMMU       = 16
	capIoeventfd     = 36
	capMaxVCPUs      = 66
	capReadonlyMem   = 81
	capImmediateExit = 136

	memReadonly = 2
)

// The reasons for an exit that the VMM tells apart.
const (
	exitHLT           = 5
	exitMMIO          = 6
	exitShutdown      = 8
	exitFailEntry     = 9
	exitIntr          = 10
	exitInternalError = 17
)

type memoryRegion struct {
	slot, flags uint32
	gpa, size   uint64
	hva         uint64
}

type ioeventfd struct {
	datamatch, addr uint64
	length          uint32
	fd              int32
	flags           uint32
	_               [36]byte
}

type regs struct {
	rax, rbx, rcx, rdx, rsi, rdi, rsp, rbp uint64
	r8, r9, r10, r11, r12, r13, r14, r15   uint64
	rip, rflags                            uint64
}

type segment struct {
	base                                             uint64
	limit                                            uint32
	selector                                         uint16
	typ, present, dpl, db, s, l, g, avl, unusable, _ uint8
}

type descriptorTable struct {
	base  uint64
	limit uint16
	_     [3]uint16
}

type sregs struct {
	cs, ds, es, fs, gs, ss, tr, ldt segment
	gdt, idt                        descriptorTable
	cr0, cr2, cr3, cr4, cr8         uint64
	efer, apicBase                  uint64
	interrupts                      [4]uint64
}

// ioctl is made with Syscall, not RawSyscall: it may block, and the collector must
// not wait for it. It is repeated when a signal interrupts it, as the runtime's own do at any
// time.
func ioctl(fd int, request, arg uintptr) (uintptr, error) {
	for {
		r, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), request, arg)
		switch errno {
		case 0:
			return r, nil
		case unix.EINTR, unix.EAGAIN:
			continue
		}
		return 0, errno
	}
}

func openKVM() (int, error) {
	for {
		fd, err := unix.Open("/dev/kvm", unix.O_RDWR|unix.O_CLOEXEC, 0)
		if err != unix.EINTR {
			return fd, err
		}
	}
}

func extension(kvm int, number uintptr) int {
	n, err := ioctl(kvm, ioctlCheckExtension, number)
	if err != nil {
		return 0
	}
	return int(n)
}

func setMemoryRegion(vm int, r memoryRegion) error {
	_, err := ioctl(vm, ioctlSetMemoryRegion, uintptr(unsafe.Pointer(&r)))
	return err
}

// setDoorbell makes the kernel signal an event descriptor at each store of 4 bytes to a
// guest-physical address.
func setDoorbell(vm int, gpa uint64, fd int) error {
	b := ioeventfd{addr: gpa, length: 4, fd: int32(fd)}
	_, err := ioctl(vm, ioctlIoeventfd, uintptr(unsafe.Pointer(&b)))
	return err
}

func getRegs(vcpu int) (r regs, err error) {
	_, err = ioctl(vcpu, ioctlGetRegs, uintptr(unsafe.Pointer(&r)))
	return r, err
}

func setRegs(vcpu int, r regs) error {
	_, err := ioctl(vcpu, ioctlSetRegs, uintptr(unsafe.Pointer(&r)))
	return err
}

func getSregs(vcpu int) (s sregs, err error) {
	_, err = ioctl(vcpu, ioctlGetSregs, uintptr(unsafe.Pointer(&s)))
	return s, err
}

func setSregs(vcpu int, s sregs) error {
	_, err := ioctl(vcpu, ioctlSetSregs, uintptr(unsafe.Pointer(&s)))
	return err
}

// runPage is struct kvm_run, which kernel and VMM share: where an exit says what it was. What
// follows exitReason's group is a union; here it is the part for memory-mapped I/O, whose first
// words are those of other exits too.
type runPage struct {
	flags  uint32 // request_interrupt_window, immediate_exit, two unused: bytes
	_      uint32
	reason uint32
	_      [20]byte

	gpa   uint64 // of a store or load that found no memory; a failed entry's and an error's code
	data  uint64
	size  uint32
	write uint8
}

func mapRunPage(vcpu, size int) (*runPage, error) {
	mem, err := unix.MmapPtr(vcpu, 0, nil, uintptr(size), unix.PROT_READ|unix.PROT_WRITE,
		unix.MAP_SHARED)
	return (*runPage)(mem), err
}

func (p *runPage) unmap(size int) error { return unix.MunmapPtr(unsafe.Pointer(p), uintptr(size)) }

// exitAtOnce makes the next, or the present, KVM_RUN return EINTR.
func (p *runPage) exitAtOnce() { atomic.StoreUint32(&p.flags, 1<<8) }

// anonymous maps n bytes of zeros.
func anonymous(n int) ([]byte, error) {
	return unix.Mmap(-1, 0, n, unix.PROT_READ|unix.PROT_WRITE,
		unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_NORESERVE)
}

// addressOf returns the address of memory that is not on the Go heap, or of a heap object that does
// not move: of none on a goroutine's stack.
func addressOf(b []byte) uint64 { return uint64(uintptr(unsafe.Pointer(unsafe.SliceData(b)))) }

func newEvent() (int, error) { return unix.Eventfd(0, unix.EFD_CLOEXEC) }

func signalEvent(fd int) error {
	one := [8]byte{1}
	for {
		_, err := unix.Write(fd, one[:])
		if err != unix.EINTR {
			return err
		}
	}
}

// The three below are for a thread that has told the runtime that it is in a system call: so they
// are raw ones, and need no more stack than is there.

// runVCPU runs the guest until it exits. EINTR means that a signal came, or that exitAtOnce was
// asked for.
//
//go:nosplit
func runVCPU(fd int) syscall.Errno {
	_, _, errno := syscall.RawSyscall(syscall.SYS_IOCTL, uintptr(fd), ioctlRun, 0)
	return errno
}

// readEvent blocks until the descriptor has been signalled since it was last read, or a signal
// comes.
//
//go:nosplit
func readEvent(fd int, count *uint64) {
	syscall.RawSyscall(syscall.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(count)), 8)
}

// writeEvent adds to the descriptor's count.
//
//go:nosplit
func writeEvent(fd int32, count *uint64) {
	syscall.RawSyscall(syscall.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(count)), 8)
}

func closeFD(fd int) error { return unix.Close(fd) }

// unmap undoes anonymous.
func unmap(mem []byte) error {
	if mem == nil {
		return nil
	}
	return unix.Munmap(mem)
}

// thisThread returns the number of the calling thread.
func thisThread() int { return unix.Gettid() }

// interrupt makes a thread return from KVM_RUN: with the signal that the runtime itself uses
// for that, and expects to come for no reason.
func interrupt(thread int) error { return unix.Tgkill(unix.Getpid(), thread, unix.SIGURG) }
