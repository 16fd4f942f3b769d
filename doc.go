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
//   - Where two or a few goroutines fight for a lock all the time, with sections of up to a few µs: it takes up to twice
//     sync.Mutex's time and CPU there. (The table below has the cells.) With very short sections and many goroutines
//     it is the faster one.
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
// a control. On 2 vCPUs of an AMD EPYC (Zen 4), Linux 6.18, Go 1.26.8, otherwise idle, medians of 7 rounds of 100 ms, as
// ratios to sync.Mutex, from
//
//	pvlock bench mutex --groups alone,go,contended --rounds 7 --duration 100ms
//
//	                                              time  control   CPU time  control
//	uncontended, empty section                    0.49   1.00       0.49      1.01
//	uncontended, two lines                        0.46   1.02       0.46      1.01
//	1000 mutexes in turn                          0.68   1.00       0.68      1.00
//	Go's seven benchmarks, geometric mean         0.93   1.00       0.99      1.00
//	  the worst of them, Mutex                    1.79   0.93       2.27      0.89
//	contended, geometric mean of 24 cells         0.98   0.99       1.00      1.00
//	  2 goroutines, 10 ns sections, 0 between     1.63   1.05       2.42      0.89
//	  2 goroutines, 1 µs sections, 1 µs between   1.93   1.01       1.90      1.00
//	  8 goroutines, 10 ns sections, 0 between     0.58   1.10       0.46      1.13
//	  8 goroutines, 1 µs sections, 1 µs between   1.76   0.98       2.02      1.03
//	  100 goroutines, 10 ns sections, 0 between   0.28   0.90       0.20      0.90
//	  100 goroutines, 1 µs sections, 1 µs between 1.42   0.96       1.18      1.01
//	  100 goroutines, 10 µs sections, 10 between  0.87   1.01       0.99      1.01
//
// Its 99.9th percentile of waiting is below sync.Mutex's where goroutines outnumber CPUs and sections are of a µs and
// more (0.2 to 0.6 of it in most cells), and above it with 2 goroutines. Where the holder blocks it is as fast as
// sync.Mutex, on a busy machine (--groups parking: 1.02, control 1.04).
//
// Spinlock does 1.7 to 2.2 times as much as the same lock unpinned, 16 goroutines on 2 Ps, and its longest wait there
// was 34 to 68 ms, on a busy machine (go test -run '^$' -bench Spinlock -benchtime 300ms -count 3).
package pvlock
