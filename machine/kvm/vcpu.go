//go:build linux && amd64 && !purego && !race

package kvm

import (
	"fmt"
	"sync/atomic"

	"example.com/pvlock/paravirt"
)

// vcpu is a virtual CPU. But for stop and ring, its methods are called by its own
// thread.
type vcpu struct {
	vm   *vm
	c    *paravirt.CPU
	bell int // event descriptor: its doorbell

	bells uint64  // guest-physical address of the doorbells
	peers []int32 // event descriptors of all CPUs

	fd      int
	page    *runPage
	thread  int
	stopped atomic.Bool
	rings   uint64 // what was last read of bell

	exits [exitKinds]uint64
}

// Kinds of exits.
const (
	exitToWait = iota
	exitToKick
	exitBySignal
	exitAtEnd
	exitByFault
	exitKinds
)

var exitNames = [exitKinds]string{ExitWait, ExitKick, ExitSignal, ExitEnd, ExitFault}

// exits returns how often all vCPUs left the guest for the VMM, by kind.
func (v *vm) exits() map[string]uint64 {
	sum := make(map[string]uint64)
	for kind, name := range exitNames {
		for _, cpu := range v.vcpus {
			sum[name] += cpu.exits[kind]
		}
	}
	return sum
}

// bringUp makes vCPU c, which the calling thread is going to be.
func (v *vm) bringUp(c *paravirt.CPU) (tearDown func(), err error) {
	cpu := v.vcpus[c.ID()]
	if err := cpu.create(); err != nil {
		return cpu.destroy, err
	}
	return cpu.destroy, cpu.prepare()
}

func (cpu *vcpu) create() error {
	fd, err := ioctl(cpu.vm.fd, ioctlCreateVCPU, uintptr(cpu.c.ID()))
	if err != nil {
		return fmt.Errorf("making it: %w", err)
	}
	page, err := mapRunPage(int(fd), cpu.vm.runSize)
	if err != nil {
		closeFD(int(fd))
		return fmt.Errorf("mapping its page: %w", err)
	}
	cpu.vm.mu.Lock()
	defer cpu.vm.mu.Unlock()
	cpu.fd, cpu.page, cpu.thread = int(fd), page, thisThread()
	if cpu.vm.why != nil {
		cpu.stop()
	}
	return nil
}

// destroy ends it. From then on stop leaves it alone.
func (cpu *vcpu) destroy() {
	cpu.vm.mu.Lock()
	defer cpu.vm.mu.Unlock()
	if cpu.fd < 0 {
		return
	}
	// Neither can fail, but for a number that is wrong.
	_ = cpu.page.unmap(cpu.vm.runSize)
	_ = closeFD(cpu.fd)
	cpu.fd, cpu.page = -1, nil
}

// Bits of control registers.
const (
	cr0 = 1<<0 | 1<<1 | 1<<4 | 1<<5 | 1<<16 | 1<<31 // PE MP ET NE WP PG
	cr4 = 1<<5 | 1<<9 | 1<<10                       // PAE OSFXSR OSXMMEXCPT

	efer = 1<<8 | 1<<10 | 1<<11 // LME LMA NXE; not SCE: a system call is a fault
)

// prepare sets the registers: long mode, user mode, at the entry, on its own stack.
func (cpu *vcpu) prepare() error {
	s, err := getSregs(cpu.fd)
	if err != nil {
		return fmt.Errorf("reading its registers: %w", err)
	}
	i := int(cpu.c.ID())
	s.cr0, s.cr3, s.cr4, s.efer = cr0, 0, cr4, efer
	s.cs = segment{limit: 0xffffffff, selector: 0x0b, typ: 11, present: 1, dpl: 3, s: 1, l: 1, g: 1}
	data := segment{limit: 0xffffffff, selector: 0x13, typ: 3, present: 1, dpl: 3, db: 1, s: 1,
		g: 1}
	s.ds, s.es, s.fs, s.gs, s.ss = data, data, data, data, data
	s.fs.base = cpu.vm.stacks.context(i) + tlsBase
	// No interrupts and no exceptions: an exception is the end of the machine.
	s.idt = descriptorTable{}
	s.gdt = descriptorTable{}
	if err := setSregs(cpu.fd, s); err != nil {
		return fmt.Errorf("setting its control registers: %w", err)
	}
	r := regs{
		rip: uint64(entryPC()), rflags: 1 << 1,
		rax: addressOfCPU(cpu.c), rbx: addressOfBody(&cpu.vm.body),
		// As after a call from nowhere.
		rsp: cpu.vm.stacks.high(i) - 8,
	}
	if err := setRegs(cpu.fd, r); err != nil {
		return fmt.Errorf("setting its registers: %w", err)
	}
	return nil
}

// run runs the body on vCPU c, the calling thread's.
func (v *vm) run(c *paravirt.CPU) {
	cpu := v.vcpus[c.ID()]
	switch done, errno := cpu.guest(); {
	case done:
		cpu.exits[exitAtEnd]++
	case !cpu.stopped.Load():
		cpu.exits[exitByFault]++
		v.stop(cpu.fault(errno))
	}
}

// A wait, from both sides; see also paravirt.WordChannel:
//
//	waiter                                 kicker
//	(1) word: clear → sleeping             (3) word: sleeping → pending
//	(2) word is sleeping still: exit,      (4) ring: the bell counts up
//	    block until the bell has counted
//
// If (3) comes before the look in (2), there is no exit, and the count is left for the next wait,
// which it ends early. If after, the count ends this one, whether it comes before or after the
// read.

// ring signals the doorbell.
func (cpu *vcpu) ring() {
	// It can fail only by counting 2^64 rings.
	_ = signalEvent(cpu.bell)
}

// stop makes the vCPU leave the guest, or its wait, for good. It is called with vm.mu held.
func (cpu *vcpu) stop() {
	cpu.stopped.Store(true)
	cpu.ring()
	if cpu.fd >= 0 {
		cpu.page.exitAtOnce()
		// A thread that is gone has nothing to stop.
		_ = interrupt(cpu.thread)
	}
}
