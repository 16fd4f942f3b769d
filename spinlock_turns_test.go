package pvlock

import (
	"fmt"
	"math"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"example.com/pvlock/internal/arch"
)

// loopBeside loops over sections of a lock on the only P while beside runs, and returns how much
// time it spent in the sections, in ns. It stops when that is too much.
func loopBeside(l sync.Locker, section int64, atMost int64, beside func()) (spent int64) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	var c arch.Core
	var done atomic.Bool
	go func() {
		beside()
		done.Store(true)
	}()
	for spent < atMost && !done.Load() {
		began := c.Nanotime()
		l.Lock()
		for c.Nanotime()-began < section {
		}
		l.Unlock()
		spent += section
	}
	for !done.Load() {
		runtime.Gosched()
	}
	return spent
}

// A goroutine that does nothing but lock and unlock a lock of its own lets the others of its P
// run, and collections, as one that does so with a sync.Mutex. Both spend 10 to 100 ms in sections
// for each of them. Without the ends of turns it is seconds with a Spinlock.
func TestSpinlockLoopLetsOthersRun(t *testing.T) {
	if !SpinlockPins {
		t.Skip("this build doesn't pin")
	}
	const times, atMost = 2, 10 * 2 * 100e6
	// To look whether a collection is due renews requests, too, on one P at a time.
	defer collectionLook.Store(collectionLook.Swap(math.MaxInt64))
	for _, section := range []time.Duration{time.Microsecond, 10 * time.Microsecond,
		100 * time.Microsecond} {
		for name, beside := range map[string]func(){
			"sleeps":      func() { time.Sleep(time.Millisecond) },
			"collections": runtime.GC,
		} {
			t.Run(fmt.Sprintf("%s/%v", name, section), func(t *testing.T) {
				for lock, l := range map[string]sync.Locker{"Spinlock": new(Spinlock),
					"sync.Mutex": new(sync.Mutex)} {
					spent := loopBeside(l, int64(section), atMost, func() {
						for range times {
							beside()
						}
					})
					t.Logf("%s: %v of sections for each", lock, time.Duration(spent/times))
					if spent >= atMost {
						t.Errorf("%s: the loop kept others from running", lock)
					}
				}
			})
		}
	}
}

// What is allocated in sections is collected. Without the ends of turns nothing of it is.
func TestAllocationsInSpinlockSectionsAreCollected(t *testing.T) {
	if !SpinlockPins {
		t.Skip("this build doesn't pin")
	}
	const total, size = 512 << 20, 1 << 10
	defer debug.SetGCPercent(debug.SetGCPercent(100))
	for name, l := range map[string]sync.Locker{"Spinlock": new(Spinlock),
		"sync.Mutex": new(sync.Mutex)} {
		runtime.GC()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range total / size {
			l.Lock()
			kept = make([]byte, size)
			l.Unlock()
		}
		runtime.ReadMemStats(&after)
		collections := after.NumGC - before.NumGC
		grown := int64(after.HeapSys) - int64(before.HeapSys)
		t.Logf("%s: %d collections, the heap grew by %d MB", name, collections, grown>>20)
		if grown > total/4 {
			t.Errorf("%s: of %d MB that were allocated in sections the heap grew by %d, in %d "+
				"collections",
				name, total>>20, grown>>20, collections)
		}
	}
}

// kept makes an allocation one on the heap.
var kept []byte
