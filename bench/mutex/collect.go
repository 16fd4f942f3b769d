package mutex

import (
	"runtime"
	"runtime/metrics"
	"sync"
	"time"

	"example.com/pvlock/result"
)

// collections is how many are measured. Each halves the stacks that are four times as large as they
// have to be; the later ones find nothing more to do.
const collections = 3

// collect measures garbage collections while the cell's goroutines sleep for a mutex of a kind.
func collect(cell *result.MutexCell, kind func(n int) mutexes) window {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(cell.Procs))
	runtime.GC()
	set := kind(cell.Mutexes)
	set.lock()
	var done sync.WaitGroup
	for range cell.Goroutines {
		done.Go(func() {
			growStack(30 << 10)
			set.lock()
			set.unlock()
		})
	}
	for goroutinesAsleep() < cell.Goroutines {
		time.Sleep(time.Millisecond)
	}
	w := window{ops: []uint64{collections}}
	began, cpu := time.Now(), processCPU()
	for range collections {
		runtime.GC()
	}
	w.seconds, w.cpu = time.Since(began).Seconds(), (processCPU() - cpu).Seconds()
	set.unlock()
	done.Wait()
	return w
}

// growStack has the goroutine use so much stack, in bytes.
//
//go:noinline
func growStack(bytes int) byte {
	var frame [512]byte
	if bytes <= len(frame) {
		return frame[bytes-1]
	}
	return growStack(bytes-len(frame)) + frame[bytes%len(frame)]
}

// goroutinesAsleep returns how many goroutines wait for something.
func goroutinesAsleep() int {
	sample := []metrics.Sample{{Name: "/sched/goroutines/waiting:goroutines"}}
	metrics.Read(sample)
	return int(sample[0].Value.Uint64())
}
