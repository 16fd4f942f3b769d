package arch

import (
	"maps"
	"sync"
	"sync/atomic"
)

// Seen is what somebody who asked for it is told of one lock: sums, whose meaning is the lock's.
type Seen struct{ Sums [8]atomic.Uint64 }

// Tell adds n to sum i. On nil it does nothing.
func (s *Seen) Tell(i int, n uint64) {
	if s != nil {
		s.Sums[i].Add(n)
	}
}

// observers is who asked, by the lock's first cell; nil if nobody did. It is replaced, never
// changed.
var observers struct {
	sync.Mutex
	of atomic.Pointer[map[*U32]*Seen]
	n  map[*U32]int // how many ask for each
}

// Observed returns who asked to be told of the lock, or nil.
func (Core) Observed(cell *U32) *Seen {
	if of := observers.of.Load(); of != nil {
		return (*of)[cell]
	}
	return nil
}

// Observe asks to be told of a lock, until stop is called. All who ask for the same lock share what
// is seen.
func Observe(cell *U32) (s *Seen, stop func()) {
	observers.Lock()
	defer observers.Unlock()
	of := make(map[*U32]*Seen)
	if old := observers.of.Load(); old != nil {
		of = maps.Clone(*old)
	}
	if s = of[cell]; s == nil {
		s = new(Seen)
		of[cell] = s
		observers.of.Store(&of)
	}
	if observers.n == nil {
		observers.n = make(map[*U32]int)
	}
	observers.n[cell]++
	return s, sync.OnceFunc(func() { unobserve(cell) })
}

func unobserve(cell *U32) {
	observers.Lock()
	defer observers.Unlock()
	if observers.n[cell]--; observers.n[cell] > 0 {
		return
	}
	delete(observers.n, cell)
	of := maps.Clone(*observers.of.Load())
	delete(of, cell)
	if len(of) == 0 {
		observers.of.Store(nil)
		return
	}
	observers.of.Store(&of)
}
