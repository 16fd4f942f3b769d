// Package pvlock has a mutex and a spinlock for Go programs, made for machines that are
// shared: where whoever holds a lock may not be running.
//
//	sync.Mutex   everything else; RWMutex; Cond over a lock
//	Mutex        a sync.Mutex whose uncontended Lock and Unlock take half the time
//	Spinlock     sections of some hundred ns that must not be preempted by the Go scheduler
//
// # When to use Mutex
//
// Where locks are taken often and mostly uncontended; where a wait must be given up
// (LockContext).
//
// # When not to use Mutex
//
//   - Where a hot lock is the problem: no lock makes one goroutine at a time into two. With critical sections of a µs and
//     more it takes the time that sync.Mutex takes.
//   - Where goroutines of a hot lock with sections of about 100 ns are to get equal shares within a tenth of a second: it
//     keeps the lock on one P for longer than sync.Mutex does. (Jain's index in the table.)
//   - Where Unlock of an unlocked mutex has to be caught in production: it is caught under the race detector and with
//     the build tag pvlockdebug only.
//   - Where each acquisition sleeps: a channel operation or a Sleep in the critical section. It is about as fast as
//     sync.Mutex then, and gains nothing.
//   - In a sandbox that refuses membarrier(2): then the first wait on each mutex stops the world, for tens of µs. (And
//     from then on each unlock of that mutex executes a fence.) On 386 the fast paths are calls.
//   - Where profiles are read by name: a wait on a Mutex calls itself sync.RWMutex.Lock in goroutine dumps, because
//     the runtime's own kind of wait for mutexes may not be linked; in the block and mutex profiles it is under
//     Mutex.Lock and Mutex.Unlock. A LockContext's wait is one on a channel.
//
// # When not to use Spinlock
//
// Mostly. It is for sections that are short and never block, and that are held up when the scheduler takes
// the holder away. A Mutex is faster than it, alone and contended: pinning costs three calls into the
// runtime, and whoever waits queues. It ends the program if the holder blocks; it makes the garbage collector wait for the
// section; and it helps nothing against the kernel's or the hypervisor's preemption but that waiters sleep.
//
// # Builds
//
// With the build tag purego, both do without linkname and assembly: Spinlock doesn't pin, waits are not in the mutex profile,
// and Mutex's Unlock is an atomic store. Under the race detector all of it is built on sync/atomic, so that it is
// understood as synchronisation.
//
// # Figures
//
// "pvlock bench mutex" measures Mutex beside sync.Mutex, interleaved in one process, with sync.Mutex beside itself as
// a control. On 2 vCPUs of an AMD EPYC (Zen 4), Linux 6.18, Go 1.26.8, otherwise idle, medians of 7 rounds of 100 ms, as
// ratios to sync.Mutex, from
//
//	pvlock bench mutex --groups alone,go,contended --rounds 7 --duration 100ms
//
// TABLE
package pvlock
