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
// (LockContext). Contended it behaves as sync.Mutex does, and costs what it does.
//
// # When not to use Mutex
//
//   - Where a hot lock is the problem: no lock makes one goroutine at a time into two. On CPUs whose locked
//     instructions are cheap, sync.Mutex is at its floor there, and so is this.
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
// a control. On 2 vCPUs of an AMD EPYC (Zen 4), Linux 6.18, Go 1.26.8, on a busy machine (so that single cells are good to ±0.2 in
// time at best, ±0.1 in CPU time; the controls of single cells went from 0.54 to 1.8), medians of 7 rounds of 25 ms, as ratios to sync.Mutex, from
//
//	pvlock bench mutex --groups alone,go,parking,contended --duration 25ms
//
//	                                        time  control   CPU time  control
//	uncontended, empty section              0.46   0.98       0.50      1.01
//	uncontended, two lines                  0.44   0.89       0.50      1.01
//	1000 mutexes in turn                    0.64   1.26       0.69      1.03
//	Go's seven benchmarks, geometric mean   0.78   1.07       0.79      1.06
//	the holder blocks, mean of 6 cells      1.02   1.04       1.01      0.96
//	contended, mean of 24 cells             0.96   1.02       0.97      1.01
//
// The losing cells, beyond the control. In time: 2 and 8 goroutines with 100 ns sections and nothing between two (1.1); 8
// goroutines with 10 µs sections 10 µs apart (1.3); a channel operation in the section (1.1). In CPU time: 8 goroutines
// with 100 ns sections 100 ns apart (1.1), 100 goroutines with 1 µs sections and nothing between two (1.1). In
// fairness: 8 goroutines with 100 ns sections and nothing between two (Jain's index 0.3 against 0.5). Spinlock does
// 1.7 to 2.2 times as much as the same lock unpinned, 16 goroutines on 2 Ps, and its longest wait there was 34 to 68 ms
// (go test -run '^$' -bench Spinlock -benchtime 300ms -count 3).
package pvlock
