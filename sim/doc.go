// Package sim runs the locks' own text on a simulated host: any number of virtual CPUs over any
// number of physical ones, any scheduler, any price for an instruction, a wake-up or a switch.
//
// It is a discrete-event simulation in virtual nanoseconds, all integers: the same [Config] gives
// the same result on any machine, with any number of processors. Each vCPU, or thread or goroutine
// on one, runs the twin of the workload that "pvlock bench" measures with, and that calls the twin
// of the lock; every access to shared memory, PAUSE, park and unpark is an event of the engine. A
// run in which a lock doesn't exclude is an error.
//
// # Time
//
// Each task has a clock of its own, which computation moves on without telling anybody. An access
// to memory waits until all that is due before it has happened. Where nothing is, it happens at
// once; otherwise the engine executes what is, and switches coroutines only where another task's
// text goes on. Two events of the same nanosecond are executed in an order that depends on who does
// them alone, so it makes no difference how they came to be queued.
//
// Spins are skipped: while nobody writes the line that a vCPU spins on, none of its looks is an
// event. A write finds out how many rounds there were before it, and queues the look that is the
// first to come after it; so do the end of the budget, and the loss of the CPU. [Config.StepByStep]
// makes each look an event; a test finds no difference in any result.
//
// # Memory
//
// Memory is sequentially consistent; store buffers are the model checker's business. It costs time
// by lines of 64 bytes. A physical CPU has a line alone and may write it, or shares it and may read
// it; any other access fetches it from the socket or the other one, in turn with the others that
// ask for it. A plain store doesn't wait for its line, but a reader of it and the next locked
// instruction do. What accesses take is hidden, up to [Costs.Overlap], by computation next to them:
// CPUs execute out of order.
//
// Caches have no size and forget nothing, lines have no homes, and there are no buses: the only
// thing that is contended is a line. Translation, branches and the instructions between two
// accesses cost nothing; the workload's computation takes what it says.
//
// # Scheduling
//
// A layer has seats and units that take turns on them: physical CPUs and vCPUs; if [Config.Threads]
// says so, vCPUs and threads; if [Config.Goroutines] does, these and goroutines. A seat whose unit
// has lost its own seat stands still, with the rest of its slice. A unit can lose its seat between
// any two instructions, and inside what takes time. A seat with nothing to run goes to sleep as a
// unit of the layer below.
//
// Round-robin is one queue. [Credit] is one queue in three classes, with ticks and accounting as
// Xen has them, without its limit on how often a vCPU is preempted. [Fair] has a queue for each CPU
// and serves the least served first; a unit that wakes is placed by what it was owed when it slept
// and takes the CPU from one that has had it for a third of a slice; an idle CPU takes from the
// longest queue. It is neither CFS nor EEVDF: no groups, no bandwidth, no deadlines. Its slices end
// with ticks that come a little sooner or later, which matters: with exact ones the queue of a fair
// lock falls into step with the scheduler. The guests' and Go's schedulers are one queue, without
// priorities, work that goes to its last place if that is free.
//
// Going to sleep costs [Costs.Block] on the CPU, waking somebody [Costs.Kick]; he is ready
// [Costs.Wake] after that and runs when the scheduler lets him, after a [Costs.Switch]. It makes no
// difference whether the one who is woken is on an idle CPU or a busy one, near or far: real
// wake-ups differ by a factor of ten there. Event channels are a word for each CPU on which it
// parks, as on real threads; a hypercall that a hypervisor would need more is part of these costs.
//
// # Policies that a lock has no seam for
//
// Some experiments need what the text can't say. They are the engine's, and off unless asked for.
//
//   - [Config.StealTime]: a waiter of pvqspin that looks whether the one before it sleeps is told
//     yes if that one's vCPU doesn't run. That is what Linux did with vcpu_is_preempted.
//   - [Config.Kick]: of all kicks of an unlock the first is sent, and sent to another waiter that
//     has announced itself; the others are not. Interrupts, for whose sake xen kicks all, don't
//     exist here.
//   - [Config.BoostHead]: the host knows the holder of the lock and the oldest waiter.
//   - A stopped world is stopped for 50 µs after all have stopped, and doesn't collect.
package sim
