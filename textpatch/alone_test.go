//go:build linux && (amd64 || 386 || arm64) && !purego

package textpatch

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
)

// hammer runs f on several threads until the test's body ends, and returns how often it was called.
func hammer(threads int, f func()) (stop func() int64) {
	var done atomic.Bool
	var n atomic.Int64
	var running sync.WaitGroup
	old := runtime.GOMAXPROCS(0)
	runtime.GOMAXPROCS(threads + 2)
	for range threads {
		running.Go(func() {
			calls := int64(0)
			for !done.Load() {
				f()
				calls++
			}
			n.Add(calls)
		})
	}
	return func() int64 {
		done.Store(true)
		running.Wait()
		runtime.GOMAXPROCS(old)
		return n.Load()
	}
}

func TestQuietIsWhileNothingElseRuns(t *testing.T) {
	var count atomic.Int64
	stop := hammer(2, func() { count.Add(1) })
	procs := runtime.GOMAXPROCS(0)
	for count.Load() == 0 {
		runtime.Gosched()
	}
	for range 100 {
		ran := false
		alone(func() {
			before := count.Load()
			for range 100_000 {
				ran = ran || count.Load() != before
			}
		})
		if ran {
			t.Fatal("another goroutine runs meanwhile")
		}
		if now := runtime.GOMAXPROCS(0); now != procs {
			t.Fatalf("GOMAXPROCS is %d afterwards, and was %d", now, procs)
		}
	}
	between := count.Load()
	for count.Load() == between {
		runtime.Gosched() // and they go on
	}
	stop()
}
