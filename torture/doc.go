// Package torture tries to break locks: more vCPUs than there are CPUs hammer a lock, or several,
// on every machine that there is, while everything around them misbehaves. It is to these locks
// what locktorture is to a kernel's.
//
// # What runs
//
// A cell is one lock on one machine at one overcommit. A cell makes machine after machine, each for
// about a second; on each the vCPUs run the same client, text that a KVM guest can run as well. A
// tormentor chooses what goes on, spell by spell: the clients do some of it themselves, told by
// knobs in shared memory; the rest is done to them.
//
// # What must hold
//
// Exclusion is told by data: three cache lines that the lock protects are updated one after the
// other, and a name stands in one of them meanwhile. A locker finds the lines in agreement and no
// name, an unlocker finds its own name and its own counts; otherwise somebody else was there. A
// counter alone misses a client that comes and goes between two updates. The sums of all counts are
// compared at the end: that finds updates that were lost.
//
// A wake-up is lost when all waiters of a lock sleep with nothing pending, and nobody holds it or
// is in the middle of its Unlock: then nobody is left who would wake them. Time does not come into
// it, and no pause of the whole process, however long, looks like it. What is slow is told apart:
// somebody is awake who has the lock, wants it, or is about to wake the others. The watchdog sees
// sleep on event channels alone; of the mutex and the spinlock that a program imports, which sleep
// by themselves, it can only say that nobody gets anywhere.
//
// Progress: when a machine is stopped, each vCPU that waits gets its lock once more before it ends,
// within the time that Patience gives all of them together between two acquisitions. Before that an
// unfair lock may pass over a vCPU as long as it likes; how few times the unluckiest one had a lock
// is in the result.
//
// Memory that was a lock is used for something else as soon as the last of those who were to take
// it has released it, while others may still be in the middle of their Unlock. A lock that writes
// to it then is found. The mutex is left out: its memory is the collector's, and an Unlock that is
// under way keeps it.
//
// Nothing may be left behind: goroutines, threads, open files; waiters, queue nodes, entries of the
// table of waiting nodes, lock words.
//
// # What tells that all this sees anything
//
// The controls: locks that are broken on purpose, each in one way (see controls.go). A control that
// shows nothing is as bad as a fault. Those of the catalogue that are kept with their faults may
// lose wake-ups, and nothing else.
//
// # What a machine allows
//
// vCPUs go down and come up by themselves between two acquisitions, on every machine, and use locks
// in between, as a CPU may that isn't up yet; and a machine ends and another is made. To take a
// vCPU down that holds a lock, or waits for one, is not allowed by package paravirt. In a virtual
// machine nothing is done to the guest that isn't done to a thread: its vCPUs' threads are moved,
// signalled and stopped. Needless kicks and late notifications are within the contract of
// paravirt.ChannelOps; while kicks are needless, a wake-up that was lost may be made good unseen.
//
// # What repeats
//
// A seed repeats what is chosen: budgets, spells, dice. When a vCPU loses its CPU in the course of
// that is up to the host.
package torture
