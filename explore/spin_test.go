package explore

import (
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
)

type locker interface {
	lock(me int)
	unlock(me int)
}

type tasLock struct{ word atomic.Uint32 }

func (l *tasLock) lock(int) {
	for !l.word.CompareAndSwap(0, 1) {
		for l.word.Load() != 0 {
		}
	}
}
func (l *tasLock) unlock(int) { l.word.Store(0) }

type ticketLock struct{ next, owner uint32 }

func (l *ticketLock) lock(int) {
	t := atomic.AddUint32(&l.next, 1) - 1
	for atomic.LoadUint32(&l.owner) != t {
	}
}
func (l *ticketLock) unlock(int) { l.owner++ }

// mcsLock is Mellor-Crummey and Scott's, its nodes by number.
type mcsLock struct {
	tail  atomic.Uint32
	nodes [4]struct{ next, locked atomic.Uint32 }
}

func (l *mcsLock) lock(me int) {
	n := &l.nodes[me]
	n.next.Store(0)
	n.locked.Store(1)
	if prev := l.tail.Swap(uint32(me + 1)); prev != 0 {
		l.nodes[prev-1].next.Store(uint32(me + 1))
		for n.locked.Load() != 0 {
		}
	}
}

func (l *mcsLock) unlock(me int) {
	n := &l.nodes[me]
	if n.next.Load() == 0 {
		if l.tail.CompareAndSwap(uint32(me+1), 0) {
			return
		}
		for n.next.Load() == 0 {
		}
	}
	l.nodes[n.next.Load()-1].locked.Store(0)
}

// excludes is n threads that take the lock k times each and count without any other protection.
func excludes(l locker, n, k int) (cfg Config, bodies []func()) {
	count := new(int)
	for me := range n {
		bodies = append(bodies, func() {
			for range k {
				l.lock(me)
				*count++
				l.unlock(me)
			}
		})
	}
	cfg.Final = func() { Assert(*count == n*k) }
	return cfg, bodies
}

// A lock that gives the next waiter its turn before the critical section's stores.
type earlyTicket struct{ ticketLock }

func (l *earlyTicket) lock(me int) {
	l.ticketLock.lock(me)
	l.owner++
}
func (l *earlyTicket) unlock(int) {}

func TestSpinLocks(t *testing.T) {
	for _, tt := range []struct {
		name string
		lock func() locker
		n, k int
		want string
	}{
		{"tas", func() locker { return new(tasLock) }, 3, 2, ""},
		{"ticket", func() locker { return new(ticketLock) }, 3, 2, ""},
		{"mcs", func() locker { return new(mcsLock) }, 2, 2, ""},
		{"a ticket lock that releases early", func() locker { return new(earlyTicket) }, 2, 1,
			"assertion"},
	} {
		t.Run(fmt.Sprintf("%s %d×%d", tt.name, tt.n, tt.k), func(t *testing.T) {
			cfg, bodies := excludes(tt.lock(), tt.n, tt.k)
			want(t, tt.want, cfg, bodies...)
		})
	}
}

// BenchmarkExplore is how fast spin locks are explored, with one worker and with all.
func BenchmarkExplore(b *testing.B) {
	for _, bench := range []struct {
		name string
		lock func() locker
		n, k int
	}{
		{"tas", func() locker { return new(tasLock) }, 5, 4},
		{"mcs", func() locker { return new(mcsLock) }, 3, 4},
		{"ticket", func() locker { return new(ticketLock) }, 4, 6},
	} {
		for _, workers := range []int{1, runtime.GOMAXPROCS(0)} {
			b.Run(fmt.Sprintf("%s%d×%d/workers=%d", bench.name, bench.n, bench.k, workers),
				func(b *testing.B) {
					states, bytes := 0, 0.0
					for range b.N {
						cfg, bodies := excludes(bench.lock(), bench.n, bench.k)
						cfg.Workers = workers
						r := Run(cfg, bodies...)
						if r.Finding != nil || !r.Complete {
							b.Fatal(r)
						}
						states += r.States
						bytes = r.StateBytes
					}
					b.ReportMetric(float64(states)/b.Elapsed().Seconds(), "states/s")
					b.ReportMetric(float64(states)/float64(b.N), "states")
					b.ReportMetric(bytes, "B/state")
				})
		}
	}
}
