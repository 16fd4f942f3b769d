package pvlock

import (
	"flag"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"example.com/pvlock/internal/arch"
)

var stress = flag.Int64("stress", 2e5, "operations of TestMutexStress")

// Every wait sleeps, the collector runs, and Ps are few or many: a wake-up that is lost leaves
// everybody asleep, which a watchdog sees. (It was seen to pass without the membarrier: the model
// checker is what shows that it is needed.)
func TestMutexStress(t *testing.T) {
	arch.NoSpin(true)
	defer arch.NoSpin(false)
	var stop atomic.Bool
	var others sync.WaitGroup
	others.Go(func() {
		for !stop.Load() {
			runtime.GC()
			runtime.Gosched()
		}
	})
	const goroutines = 6
	for _, procs := range []int{2, 4} {
		func() {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
			var m Mutex
			var n int64
			var progress atomic.Int64
			each := *stress / 2 / goroutines
			var done sync.WaitGroup
			for g := range int64(goroutines) {
				done.Go(func() {
					for i := range each {
						m.Lock()
						n++
						if (i+g)&15 == 0 {
							runtime.Gosched() // so that others come, and sleep
						}
						m.Unlock()
						if i&1023 == 0 {
							progress.Add(1)
						}
					}
				})
			}
			finished := make(chan struct{})
			go func() { done.Wait(); close(finished) }()
			for last := int64(-1); ; {
				select {
				case <-finished:
				case <-time.After(30 * time.Second):
					if now := progress.Load(); now != last {
						last = now
						continue
					}
					var c arch.Core
					t.Fatalf("no progress in 30 s: lock %#x, wait %#x", c.Load32(&m.lock),
						c.Load32(&m.wait))
				}
				break
			}
			if n != each*goroutines {
				t.Errorf("%d increments were counted as %d", each*goroutines, n)
			}
			checkIdle(t, &m)
		}()
	}
	stop.Store(true)
	others.Wait()
}
