package mutex

import (
	"runtime"
	"time"

	"example.com/pvlock"
	"example.com/pvlock/internal/arch"
)

// pvlockMutexes are what the workers of a cell contend for. drive_sync.go is this file with
// sync.Mutex in place of pvlock.Mutex (a test compares them): written out, because through an
// interface or a type parameter the fast paths would not inline.
type pvlockMutexes []struct {
	mu pvlock.Mutex
	guarded
}

func newPvlock(n int) mutexes { return make(pvlockMutexes, n) }

func (s pvlockMutexes) entries() (first, second uint64) {
	for i := range s {
		s[i].mu.Lock()
		first, second = first+s[i].first, second+s[i].second
		s[i].mu.Unlock()
	}
	return first, second
}

func (s pvlockMutexes) lock()   { s[0].mu.Lock() }
func (s pvlockMutexes) unlock() { s[0].mu.Unlock() }

// alone is a worker without contention.
func (s pvlockMutexes) alone(w *worker) {
	switch {
	case len(s) > 1:
		for !w.stopped() {
			for i := range s {
				s[i].mu.Lock()
				s[i].first++
				s[i].second++
				s[i].mu.Unlock()
			}
			w.ops.Add(uint64(len(s)))
		}
	case w.cell.Empty:
		m := &s[0].mu
		for !w.stopped() {
			for range burst {
				m.Lock()
				m.Unlock() //nolint:staticcheck // nothing in between is what is measured
			}
			w.ops.Add(burst)
		}
	default:
		x := &s[0]
		for !w.stopped() {
			for range burst {
				x.mu.Lock()
				x.first++
				x.second++
				x.mu.Unlock()
			}
			w.ops.Add(burst)
		}
	}
}

// contend is a worker that works inside and outside.
func (s pvlockMutexes) contend(w *worker) {
	var c arch.Core
	i := w.id
	for !w.stopped() {
		if i++; i >= len(s) {
			i = 0
		}
		x := &s[i]
		if w.timed {
			began := c.Ticks()
			x.mu.Lock()
			w.wait(c.Ticks() - began)
		} else {
			x.mu.Lock()
		}
		x.first++
		c.Work(w.inside)
		x.second++
		x.mu.Unlock()
		w.ops.Add(1)
		c.Work(w.outside)
	}
}

// block is a worker that blocks while it holds the mutex.
func (s pvlockMutexes) block(w *worker) {
	i := w.id
	for !w.stopped() {
		if i++; i >= len(s) {
			i = 0
		}
		x := &s[i]
		x.mu.Lock()
		x.first++
		switch w.cell.Block {
		case "gosched":
			runtime.Gosched()
		case "sleep":
			time.Sleep(10 * time.Microsecond)
		case "channel":
			w.ask <- struct{}{}
			<-w.answer
		}
		x.second++
		x.mu.Unlock()
		w.ops.Add(1)
	}
}

// bench is a worker of one of Go's own benchmarks.
func (s pvlockMutexes) bench(w *worker) {
	m := &s[0].mu
	x := &s[0]
	foo := 0
	switch w.cell.Bench {
	case "MutexUncontended":
		m = new(pvlockMutexes1).mutex()
		for !w.stopped() {
			for range burst {
				m.Lock()
				m.Unlock() //nolint:staticcheck // as in Go's
			}
			w.ops.Add(burst)
		}
	case "Mutex", "MutexSlack":
		for !w.stopped() {
			m.Lock()
			m.Unlock() //nolint:staticcheck // as in Go's
			w.ops.Add(1)
		}
	case "MutexWork", "MutexWorkSlack":
		for !w.stopped() {
			m.Lock()
			m.Unlock() //nolint:staticcheck // as in Go's
			foo = doubleAndHalve(foo)
			w.ops.Add(1)
		}
	case "MutexNoSpin":
		c := make(chan bool)
		var data [4 << 10]uint64
		for i := 0; !w.stopped(); i++ {
			if i%4 == 0 {
				m.Lock()
				x.first++
				x.second++
				m.Unlock()
			} else {
				touch(data[:])
				// Gosched, but onto the local run queue.
				go func() { c <- true }()
				<-c
			}
			w.ops.Add(1)
		}
	case "MutexSpin":
		var data [16 << 10]uint64
		for !w.stopped() {
			m.Lock()
			x.first++
			x.second++
			m.Unlock()
			touch(data[:])
			w.ops.Add(1)
		}
	}
	w.sink = foo
}

// pvlockMutexes1 is a mutex with cache lines of its own.
type pvlockMutexes1 struct {
	mu pvlock.Mutex
	_  [128]byte
}

func (p *pvlockMutexes1) mutex() *pvlock.Mutex { return &p.mu }
