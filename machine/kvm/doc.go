// Package kvm is the machine whose vCPUs are real: virtual CPUs of a KVM virtual machine,
// which the kernel schedules as a hypervisor does, more of them than there are CPUs.
//
// There is no guest kernel and no image. The guest is this very program: its text, its data and its
// heap are mapped into the virtual machine at their own addresses, and a vCPU starts, in long
// mode and in user mode (CPL 3), at the function that every other machine runs too. So
// what is measured is the machine code that the Go compiler made of the lock's text.
//
// # What a body may do
//
// In the guest there is no Go runtime: no goroutine, no scheduler, no system call, no garbage
// collector that knows of the guest's stack. A body, and all that it calls, computes, uses its
// paravirt.CPU and arch cells, and reads Go data that doesn't change. It must not allocate, store a
// pointer, grow its stack beyond 64 kB, block, or panic. A test walks the call graph of what
// package bench runs here and shows that it keeps to that. A body that does not keep to it faults,
// and ends its machine with an error that says where; it doesn't end the process.
//
// # Why the Go heap may be mapped
//
// KVM's memory slots are ranges of this process's own address space, so guest and host see the same
// pages, and that goes on when the kernel moves or drops one. The collector doesn't move heap
// objects. What a body reaches, it reaches from its closure and its CPU, which Run keeps alive
// until the last vCPU has stopped, through pointers that the guest only reads; so all of it was
// allocated before Run mapped the heap, and stays reachable, whatever the collector does meanwhile.
// The guest stores no pointers, so it needs no write barriers, and what its stack holds needs no
// scanning. A heap that grows during the run grows unseen by the guest.
//
// # Waiting and kicking
//
// Doorbells are addresses without memory behind them. A store to one leaves the guest:
//
//   - to the wait doorbell, for the VMM: the vCPU's thread blocks on its event
//     descriptor, in the kernel, until it is rung;
//   - to a CPU's kick doorbell, for the kernel, which signals that CPU's event descriptor and goes
//     on with the guest (ioeventfd); where it can't, for the VMM, which does the same.
//
// The word of the event channel (paravirt.WordChannel) says when either is needed.
package kvm
