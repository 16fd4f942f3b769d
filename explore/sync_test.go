package explore

import (
	"sync"
	"sync/atomic"
	"testing"
)

func TestSyncMutex(t *testing.T) {
	for _, tt := range []struct{ threads, rounds int }{{2, 1}, {2, 2}, {3, 1}} {
		var mu sync.Mutex
		n := 0
		body := func() {
			for range tt.rounds {
				mu.Lock()
				n++
				mu.Unlock()
			}
		}
		bodies := make([]func(), tt.threads)
		for i := range bodies {
			bodies[i] = body
		}
		final := func() { Assert(n == tt.threads*tt.rounds) }
		want(t, "", Config{Final: final}, bodies...)
	}
}

// A mutex that is locked twice in different orders.
func TestMutexDeadlock(t *testing.T) {
	var a, b sync.Mutex
	lock := func(x, y *sync.Mutex) func() {
		return func() {
			x.Lock()
			y.Lock()
			y.Unlock()
			x.Unlock()
		}
	}
	want(t, "deadlock", Config{}, lock(&a, &b), lock(&b, &a))
}

func TestUnlockOfUnlocked(t *testing.T) {
	var mu sync.Mutex
	want(t, "fatal error", Config{}, func() { mu.Unlock() })
}

func TestRWMutex(t *testing.T) {
	for _, tt := range []struct {
		name  string
		write func(*sync.RWMutex)
		want  string
	}{{"Lock", (*sync.RWMutex).Lock, ""}, {"RLock where Lock is meant", (*sync.RWMutex).RLock, "assertion"}} {
		t.Run(tt.name, func(t *testing.T) {
			var mu sync.RWMutex
			n, m := 0, 0
			writer := func() {
				tt.write(&mu)
				n++
				m++
				if tt.want == "" {
					mu.Unlock()
				} else {
					mu.RUnlock()
				}
			}
			reader := func() {
				mu.RLock()
				Assert(n == m)
				mu.RUnlock()
			}
			want(t, tt.want, Config{}, writer, reader, reader)
		})
	}
}

// A once that marks itself done before it is.
type eagerOnce struct{ done atomic.Bool }

func (o *eagerOnce) Do(f func()) {
	if o.done.CompareAndSwap(false, true) {
		f()
	}
}

func TestOnce(t *testing.T) {
	for _, tt := range []struct {
		name string
		once interface{ Do(func()) }
		want string
	}{{"sync.Once", new(sync.Once), ""}, {"done before it is", new(eagerOnce), "assertion"}} {
		t.Run(tt.name, func(t *testing.T) {
			n := 0
			body := func() {
				tt.once.Do(func() { n++ })
				Assert(n == 1)
			}
			want(t, tt.want, Config{}, body, body)
		})
	}
}

func TestWaitGroup(t *testing.T) {
	for _, tt := range []struct {
		name string
		add  int
		want string
	}{{"waits for both", 2, ""}, {"waits for one", 1, "assertion"}} {
		t.Run(tt.name, func(t *testing.T) {
			var wg sync.WaitGroup
			var n atomic.Int32
			wg.Add(tt.add)
			worker := func() {
				if tt.want == "" || n.Load() == 0 {
					n.Add(1)
					wg.Done()
				}
			}
			waiter := func() {
				wg.Wait()
				Assert(n.Load() == 2)
			}
			cfg := Config{}
			if tt.want != "" {
				want(t, tt.want, cfg, worker, waiter)
				return
			}
			want(t, tt.want, cfg, worker, worker, waiter)
		})
	}
}

func TestCond(t *testing.T) {
	for _, tt := range []struct {
		name string
		wake func(*sync.Cond)
		want string
	}{{"Broadcast", (*sync.Cond).Broadcast, ""}, {"Signal where two wait", (*sync.Cond).Signal, "deadlock"}} {
		t.Run(tt.name, func(t *testing.T) {
			var mu sync.Mutex
			c := sync.NewCond(&mu)
			ready := false
			waiter := func() {
				mu.Lock()
				for !ready {
					c.Wait()
				}
				mu.Unlock()
			}
			waker := func() {
				mu.Lock()
				ready = true
				mu.Unlock()
				tt.wake(c)
			}
			want(t, tt.want, Config{}, waiter, waiter, waker)
		})
	}
}
