package explore

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"example.com/pvlock/explore/internal/x86"
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
	}{{"Lock", (*sync.RWMutex).Lock, ""},
		{"RLock where Lock is meant", (*sync.RWMutex).RLock, "assertion"}} {
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
	}{{"Broadcast", (*sync.Cond).Broadcast, ""},
		{"Signal where two wait", (*sync.Cond).Signal, "deadlock"}} {
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

// The machine code of sync's own types, with a fault in it: a locked instruction made plain, one at
// a time, and wake-ups dropped. Some instructions these bodies don't need: how many they do is what
// a version of Go must not fall below.
func TestFaultsInSync(t *testing.T) {
	explorable(t)
	var mu sync.Mutex
	var rw sync.RWMutex
	var once sync.Once
	n, m := 0, 0
	locks := func() {
		mu.Lock()
		n++
		mu.Unlock()
	}
	writes := func() {
		rw.Lock()
		n++
		m++
		rw.Unlock()
	}
	reads := func() {
		rw.RLock()
		Assert(n == m)
		rw.RUnlock()
	}
	does := func() {
		once.Do(func() { n++ })
		Assert(n == 1)
	}
	for _, tt := range []struct {
		name   string
		bodies []func()
		final  func()
		plain  int      // locked instructions that must not be plain
		wakes  []string // functions that must not be left out
	}{
		{"Mutex", []func(){locks, locks, locks}, func() { Assert(n == 3) },
			5, []string{"internal/sync.runtime_Semrelease"}},
		{"RWMutex", []func(){writes, reads, writes}, func() { Assert(n == 2) },
			9, []string{"sync.runtime_Semrelease", "internal/sync.runtime_Semrelease"}},
		{"Once", []func(){does, does}, nil,
			2, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if r := Run(Config{Final: tt.final}, tt.bodies...); r.Finding != nil || !r.Complete {
				t.Fatalf("as it is: %s", r)
			}
			faults := make(map[string]Config)
			found := make(map[string]string)
			plain := 0
			for _, b := range tt.bodies {
				for _, at := range placesOf(b,
					func(in *instr) bool { return in.Access == x86.LockedRMW }) {
					line, fn := place(uint64(at))
					faults[fmt.Sprintf("%s at %s, %#x", fn, line, at)] = Config{
						Weaken: map[uintptr]Weakening{at: PlainRMW}}
				}
				placesOf(b, func(in *instr) bool {
					if in.Flow == x86.CallDirect &&
						slices.Contains(tt.wakes, outermost(in.Target)) {
						faults[outermost(in.Target)+
							" left out"] = Config{
							Hooks: []Hook{{Func: uintptr(in.Target), Args: 2}}}
					}
					return false
				})
			}
			for name, cfg := range faults {
				cfg.Final = tt.final
				if r := Run(cfg, tt.bodies...); r.Finding != nil {
					fn, _, _ := strings.Cut(name, " ")
					found[fn] = r.Finding.Kind
					if cfg.Weaken != nil {
						plain++
					}
					t.Logf("%s: %s", name, r.Finding.Kind)
				} else {
					t.Logf("%s: %s", name, r)
				}
			}
			if plain < tt.plain {
				t.Errorf("%d locked instructions are found to be needed, want %d or more", plain,
					tt.plain)
			}
			for _, fn := range tt.wakes {
				if found[fn] != "deadlock" {
					t.Errorf("%s is left out: found %q, want a deadlock", fn, found[fn])
				}
			}
		})
	}
}
