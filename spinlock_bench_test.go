package pvlock

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"example.com/pvlock/internal/arch"
	"example.com/pvlock/paravirt"
	"example.com/pvlock/spinlock"
)

// unpinned is a Spinlock whose holder can be preempted: the same lock, on a machine whose CPUs park
// without a P to give up.
type unpinned16 struct{ lock spinlock.PVQSpin }

var cpus16 = sync.OnceValue(func() chan *paravirt.CPU {
	var c arch.Core
	m := makeMachine(16, func(cpu *paravirt.CPU, who uint32) { cpu.Park(who, 0) })
	free := make(chan *paravirt.CPU, 16)
	for i := range 16 {
		if err := m.CPU(i).Up(); err != nil {
			c.Fatal(err.Error())
		}
		free <- m.CPU(i)
	}
	return free
})

type counted struct {
	n int
	_ [128]byte
}

// Sixteen goroutines on two Ps, a critical section of about 100 ns, and nothing between two.
func BenchmarkSpinlock(b *testing.B) {
	var c arch.Core
	run := func(name string, worker func(each func(lock, unlock func()))) {
		b.Run(name, func(b *testing.B) {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2))
			var left, longest atomic.Int64
			left.Store(int64(b.N))
			var done sync.WaitGroup
			var inside counted
			for range 16 {
				done.Go(func() {
					worker(func(lock, unlock func()) {
						var most int64
						for left.Add(-1) >= 0 {
							began := c.Nanotime()
							lock()
							most = max(most, c.Nanotime()-began)
							inside.n++
							c.Work(100)
							unlock()
						}
						for old := longest.Load(); most > old &&
							!longest.CompareAndSwap(old, most); old = longest.Load() {
						}
					})
				})
			}
			done.Wait()
			if inside.n != b.N {
				b.Errorf("%d increments were counted as %d", b.N, inside.n)
			}
			b.ReportMetric(float64(longest.Load())/float64(time.Millisecond), "longest-ms")
		})
	}
	run("pinned", func(each func(lock, unlock func())) { each(pinnedLock.Lock, pinnedLock.Unlock) })
	run("unpinned", func(each func(lock, unlock func())) {
		cpu := <-cpus16()
		each(func() { unpinnedLock.lock.Lock(cpu) }, func() { unpinnedLock.lock.Unlock(cpu) })
		cpus16() <- cpu
	})
	run("Mutex", func(each func(lock, unlock func())) {
		each(mutexBeside.Lock, mutexBeside.Unlock)
	})
	run("sync.Mutex", func(each func(lock, unlock func())) {
		each(syncBeside.Lock, syncBeside.Unlock)
	})
}

var (
	pinnedLock   Spinlock
	unpinnedLock unpinned16
	mutexBeside  Mutex
	syncBeside   sync.Mutex
)
