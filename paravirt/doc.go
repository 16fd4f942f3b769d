// Package paravirt is what a paravirtual lock asks of the machine beneath it.
//
// A [Machine] is a set of CPUs, and everything that a lock needs to know about
// them: which are online, where each one's queue nodes are, which lock each one
// waits for, which node waits for which lock. A lock is told by its caller which
// [CPU] executes it; there is no "current CPU", and no other state than the
// Machine's, so that any number of machines live side by side in a process.
//
// What differs between machines is how a CPU sleeps and how it is woken. Two
// contracts describe it, one from each of the documents that pvlock implements:
//
//   - An event channel per CPU (2008), as Xen has it: clear pending, test pending,
//     poll until pending, notify. It is polled and never delivered.
//   - Wait and Kick (2015): Wait(p, v) sleeps only if *p == v; it may return for no
//     reason. A kick that comes first is not lost; a needless kick is harmless.
//     [WaitEvent] and [KickEvent] build them on the event channel.
//
// A machine supplies the first as a [ChannelOps], the second as the Wait
// and Kick of its [Config] if it has something better.
//
// Everything that CPUs share is made of arch cells and holds no Go pointer: CPUs are
// numbers, nodes are indices, locks are addresses taken as numbers.
package paravirt
