// Package xen is the machine whose vCPUs have Xen's own event channels: the ones that the
// 2008 document blocks on. It runs in a Xen domain, dom0 or another, whose kernel has
// /dev/xen/evtchn; each vCPU is an OS thread, scheduled by the domain's kernel.
//
// # The channel of a vCPU
//
// A vCPU opens the device and binds two ports with it, both of them its domain's own: one that it
// waits on, and one at the other end. A notification sent from that end, by a hypercall, makes the
// first pending. Then the domain's kernel takes an upcall, keeps the port masked, puts its number
// where a read of the descriptor finds it, and so makes the descriptor readable. The operations of
// a channel are
//
//	Clear    read without blocking; a port that was read is written back, which unmasks it
//	Test     has a notification been sent that wasn't cleared, or is the descriptor readable?
//	Poll     poll(2) until it is
//	Notify   ioctl(IOCTL_EVTCHN_NOTIFY) at the other end
//	Set      the same, by the CPU itself
//
// What these channels do, and tests show:
//
//   - Notifications coalesce: while a port is pending, or masked, any number of them is one. They
//     count nothing; who is woken looks at memory.
//   - Binding the other end leaves it pending, since Xen can't know whether notifications
//     were sent before. Bind takes that one away, and never unmasks that end again.
//   - A notification is on its way for a while, as an interrupt is: an emulated CPU that is to take
//     it may not run for tens of milliseconds. So who sends one says so in memory first, for else a
//     sleeper who is being woken looks like one who is forgotten. Poll and Clear go by what has
//     arrived alone: no note wakes anybody. Clear does not take away what has not arrived; the next
//     Poll then returns early.
//
// # Memory order
//
// Clear and Notify are full fences: each executes one, since the kernel's own ones are no promise
// to user space.
//
//	waiter                         kicker
//	Clear: read, [fence]           store to the lock
//	look at the lock               Notify: [fence], hypercall
//	Poll
//
// The fence of Clear pairs with that of Notify: either the waiter's look, which comes after the
// one, sees the store that comes before the other, or the hypercall comes after the waiter's read,
// and its notification is there for Poll. A port that was read is unmasked after the read; Xen
// keeps what is sent to a masked port pending, and delivers it then.
//
// # What is left behind
//
// Nothing. Ports are unbound and descriptors closed when a CPU goes down, also if another one
// couldn't come up. When the process is killed, the kernel closes its descriptors, and
// with them its ports.
package xen
