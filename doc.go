// Package pvlock has a mutex and a spinlock for Go programs, made for machines that are
// shared: where the holder of a lock may not be running.
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
//   - Where a hot lock is the problem: no lock makes one goroutine at a time into two. With
//     critical sections of a µs and more it takes the time that sync.Mutex takes.
//   - Where goroutines of a hot lock with sections of about 100 ns are to get equal shares within a
//     tenth of a second: it keeps the lock on one P for longer than sync.Mutex does. (Jain's index
//     in the table.)
//   - Where Unlock of an unlocked mutex has to be caught in production: it is caught under the race
//     detector and with the build tag pvlockdebug only.
//   - Where each acquisition sleeps: a channel operation or a Sleep in the critical section. It is
//     about as fast as sync.Mutex then, and gains nothing.
//   - In a sandbox that refuses membarrier(2), on Linux on amd64 and 386: then the first wait on
//     each mutex stops the world, for tens of µs, and from then on each unlock of that mutex
//     executes a fence. A seccomp filter may return an error for it, from the start or later. A
//     filter that kills or traps instead ends the program at the first wait, some without a
//     message. So allow membarrier with the commands 8 (PRIVATE_EXPEDITED) and 16 (its
//     registration). The tag purego does without.
//   - On 386, where the fast paths are calls.
//   - Where profiles are read by name: a wait on a Mutex calls itself sync.RWMutex.Lock in
//     goroutine dumps, because the runtime's own kind of wait for mutexes may not be linked; in the
//     block and mutex profiles it is under Mutex.Lock and Mutex.Unlock. LockContext's wait calls
//     itself semacquire, and is not in the mutex profile.
//   - Where the mutex profile is always on and thousands of goroutines wait: while it is on they
//     sleep on one semaphore, as sync.Mutex's do, and collections take as long as with sync.Mutex.
//   - Where goroutine leaks are looked for: the goroutineleak profile of Go 1.27 reports a
//     goroutine that waits for an unreachable sync.Mutex, and never one that waits for a Mutex. The
//     garbage collector sees no way from a Mutex, which has no pointers, to the semaphores of its
//     waiters. They are global, so that nothing is reported that isn't leaked. A goroutine dump
//     shows such a goroutine, and how long it has waited.
//
// # When to use Spinlock
//
// For short sections beside goroutines that compute: the scheduler can't take the holder away in
// the middle of one.
//
// # When not to use Spinlock
//
//   - Where a section can panic. The program ends then ("panic holding locks"), in spite of recover
//     and of a deferred Unlock.
//   - Where a section blocks, or is longer than some µs: a blocked holder ends the program, and a
//     garbage collection waits for a running one.
//   - Where a Mutex does. It is faster, alone and contended: pinning costs three calls into the
//     runtime, and waiters queue.
//   - Against preemption by the kernel or the hypervisor. There its waiters sleep, and that is all.
//
// # Builds
//
// With the build tag purego, both do without linkname and assembly: Spinlock doesn't pin, waits are
// not in the mutex profile, and Mutex's Unlock is an atomic store. Under the race detector all of
// it is built on sync/atomic, so that it is understood as synchronisation.
//
// With the build tag pvlockbubbles, which is for tests with testing/synctest, a wait for a Mutex
// blocks durably while a goroutine of the same bubble holds it: the bubble's clock goes on, and a
// deadlock is reported. A wait for a holder of another bubble, or outside, leaves the clock alone.
// Each acquisition takes microseconds then, and waits are not in the mutex profile.
//
//	go test -tags pvlockbubbles ./...
//
// # Figures
//
// "pvlock bench mutex" measures Mutex beside sync.Mutex, interleaved in one process, with
// sync.Mutex beside itself as a control. On 2 vCPUs of an AMD EPYC (Zen 4), Linux 6.18, Go 1.26.8,
// otherwise idle, medians of 7 rounds of 100 ms, as ratios to sync.Mutex, from
//
//	pvlock bench mutex --rounds 7 --duration 100ms
//	pvlock bench mutex --groups contended,hogs --all --rounds 7 --duration 100ms
//
// The floor is what the work alone takes, on both CPUs: no mutex can be below.
//
//	                                              time  control  floor  CPU time  control
//	uncontended, empty section                    0.48   0.99             0.48      0.96
//	uncontended, two lines                        0.49   0.99             0.50      0.98
//	1000 mutexes in turn                          0.69   0.97             0.67      0.98
//	Go's seven benchmarks, geometric mean         0.75   1.02             0.76      1.00
//	  the worst of them, MutexSpin                1.05   0.98             1.07      0.99
//	contended, geometric mean of 64 cells         0.91   1.01   0.76      0.84      1.01
//	  2 goroutines, 10 ns sections, 50 ns between 1.27   1.08   0.84      1.29      1.06
//	  1000, 1 µs sections, 1 µs between           1.39   0.95   0.77      0.97      0.97
//	  1000, 10 µs sections, 10 µs between         1.23   0.95   0.85      1.03      1.01
//	  8, 1 µs sections, 1 µs between              0.79   1.08   0.61      0.96      0.94
//	  100, 10 ns sections, 0 between              0.36   1.13   0.32      0.28      1.19
//	  100, 100 ns sections, 0 between             0.67   1.02   0.63      0.38      1.04
//	the holder blocks, 6 cells                    1.00   1.07             0.98      0.96
//	beside 2, 4 and 8 busy processes, 54 cells    0.93   0.99             0.92      0.98
//	1, 2, 4 and 16 Ps, 1 and 100 mutexes, 16      1.02   1.00   0.79      0.97      0.99
//	  8 goroutines on 4 Ps, 100 mutexes           1.19   1.09   1.00      1.20      1.02
//
// Where goroutines outnumber CPUs, its 99.9th percentile of waiting is 0.05 to 0.9 of sync.Mutex's
// with sections of a µs and more, in most cells; with shorter sections it is anything from 0.3 to 7
// times as long, and more where sync.Mutex's is about a µs, because the lock stays on one P for
// longer: 100 goroutines with sections of 100 ns have a Jain's index of 0.3 in a tenth of a second
// there, and 0.97 with sync.Mutex. Hundreds of mutexes whose cache lines wander between CPUs take
// 1.0 to 1.2 of sync.Mutex's time: Lock looks before it takes, which fetches the line twice.
//
// Of a Spinlock, 16 goroutines on 2 Ps with sections of 100 ns wait for 11 ms at most, of the same
// lock unpinned for 86 to 121 ms, at 0.9 of the throughput: waiters that sleep when their budget is
// used up need no pin to survive, and pinning costs (go test -run '^$' -bench Spinlock -benchtime
// 500ms -count 4).
package pvlock
