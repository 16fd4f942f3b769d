package mutex

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"example.com/pvlock/internal/arch"
	"example.com/pvlock/result"
	"example.com/pvlock/workload"
)

// burst is how many pairs go by between two looks at whether to stop, where a look would weigh.
const burst = 256

// guarded is what a mutex protects: a counter in each of two cache lines.
type guarded struct {
	_      [56]byte
	first  uint64
	_      [64]byte
	second uint64
	_      [64]byte
}

// mutexes are the mutexes of a cell, of one kind.
type mutexes interface {
	alone(w *worker)
	contend(w *worker)
	block(w *worker)
	bench(w *worker)
	entries() (first, second uint64)
	lock()
	unlock()
}

// worker is a goroutine of a cell.
type worker struct {
	cell    *result.MutexCell
	id      int
	inside  uint32 // units of work with the mutex
	outside uint32 // and without
	timed   bool
	stop    *atomic.Bool

	ops   arch.Counter
	waits []uint64 // by workload.Bucket, if timed

	ask, answer chan struct{}
	sink        int

	_ [64]byte
}

func (w *worker) stopped() bool { return w.stop.Load() }

func (w *worker) wait(ticks uint64) { w.waits[workload.Bucket(ticks)]++ }

// window is what was seen of a cell, of one kind of mutex, in one round.
type window struct {
	seconds, cpu float64
	ops          []uint64 // by worker, in that time
	total        uint64   // from start to end
	waits        []uint64
	lost         uint64 // updates lost: the mutex did not exclude
}

// measure drives mutexes of a kind for d.
func measure(cell *result.MutexCell, kind func(n int) mutexes, d time.Duration, timed bool,
	interrupt <-chan struct{}) window {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(cell.Procs))
	// The collector's work is not the mutex's.
	runtime.GC()
	set := kind(cell.Mutexes)
	workers := make([]worker, cell.Goroutines)
	var stop atomic.Bool
	var ready, done sync.WaitGroup
	start := make(chan struct{})
	for i := range workers {
		w := &workers[i]
		*w = worker{
			cell: cell, id: i, timed: timed, stop: &stop,
			inside: arch.WorkUnits(cell.Critical), outside: arch.WorkUnits(cell.Think),
		}
		if timed {
			w.waits = make([]uint64, workload.Buckets)
		}
		if cell.Block == "channel" {
			w.ask, w.answer = make(chan struct{}), make(chan struct{})
			go func() {
				for range w.ask {
					w.answer <- struct{}{}
				}
			}()
		}
		ready.Add(1)
		done.Go(func() {
			ready.Done()
			<-start
			switch {
			case cell.Bench != "":
				set.bench(w)
			case cell.Block != "":
				set.block(w)
			case cell.Goroutines == 1:
				set.alone(w)
			default:
				set.contend(w)
			}
			if w.ask != nil {
				close(w.ask)
			}
		})
	}
	ready.Wait()
	began, cpu := time.Now(), processCPU()
	close(start)
	timer := time.NewTimer(d)
	select {
	case <-timer.C:
	case <-interrupt:
	}
	w := window{ops: make([]uint64, len(workers))}
	for i := range workers {
		w.ops[i] = workers[i].ops.Value()
	}
	w.seconds, w.cpu = time.Since(began).Seconds(), (processCPU() - cpu).Seconds()
	stop.Store(true)
	done.Wait()
	w.waits = make([]uint64, workload.Buckets)
	for i := range workers {
		w.total += workers[i].ops.Value()
		for b, n := range workers[i].waits {
			w.waits[b] += n
		}
	}
	if cell.Bench == "" && !cell.Empty {
		first, second := set.entries()
		w.lost = max(first, second, w.total) - min(first, second, w.total)
	}
	return w
}

// latency returns quantiles of the waits, as they were seen.
func (w *window) latency() result.Latency {
	_, seen := result.NewLatency(w.waits, func(b int) (from, to uint64) {
		from, to = workload.Bounds(b)
		return arch.TicksToNanos(from), arch.TicksToNanos(to)
	}, 0)
	return seen
}

// The local work of Go's benchmarks is done by the same code for all mutexes: copies of such loops
// differ by up to 40% in speed, by where in the program they happen to lie.

//go:noinline
func touch(data []uint64) {
	for i := 0; i < len(data); i += 4 {
		data[i]++
	}
}

//go:noinline
func doubleAndHalve(foo int) int {
	for range 100 {
		foo *= 2
		foo /= 2
	}
	return foo
}
