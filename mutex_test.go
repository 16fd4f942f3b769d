package pvlock

import (
	"context"
	"errors"
	"reflect"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"example.com/pvlock/internal/arch"
)

var _ sync.Locker = new(Mutex)

// The first tests are those of Go's own mutex (sync/mutex_test.go), rewritten.

func hammer(m *Mutex, loops int) {
	for i := range loops {
		if i%3 == 0 {
			if m.TryLock() {
				m.Unlock()
			}
			continue
		}
		m.Lock()
		m.Unlock() //nolint:staticcheck // an empty critical section is the point
	}
}

func TestMutexHammer(t *testing.T) {
	runtime.SetMutexProfileFraction(1)
	defer runtime.SetMutexProfileFraction(0)
	var m Mutex
	m.Lock()
	if m.TryLock() {
		t.Fatal("TryLock took a locked mutex")
	}
	m.Unlock()
	if !m.TryLock() {
		t.Fatal("TryLock didn't take an unlocked mutex")
	}
	m.Unlock()

	var done sync.WaitGroup
	for range 10 {
		done.Go(func() { hammer(&m, 1000) })
	}
	done.Wait()
}

// One goroutine wants the mutex all the time and holds it for 100 µs: the other must get it
// nevertheless.
func TestMutexFairness(t *testing.T) {
	var m Mutex
	var stop atomic.Bool
	defer stop.Store(true)
	go func() {
		for !stop.Load() {
			m.Lock()
			time.Sleep(100 * time.Microsecond)
			m.Unlock()
		}
	}()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 10 {
			time.Sleep(100 * time.Microsecond)
			m.Lock()
			m.Unlock() //nolint:staticcheck // as above
		}
	}()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Fatal("no chance to take the mutex in 10 s")
	}
}

func TestMutexSize(t *testing.T) {
	if s := reflect.TypeFor[Mutex]().Size(); s != 8 {
		t.Errorf("a Mutex has %d bytes, want 8", s)
	}
}

// Any goroutine may unlock.
func TestMutexUnlockElsewhere(t *testing.T) {
	var m Mutex
	for range 1000 {
		m.Lock()
		go m.Unlock()
	}
	m.Lock()
	m.Unlock() //nolint:staticcheck // as above
	checkIdle(t, &m)
}

// checkIdle checks that nothing is left of past waits.
func checkIdle(t *testing.T, m *Mutex) {
	t.Helper()
	var c arch.Core
	if lock, wait := c.Load32(&m.lock), c.Load32(&m.wait)&^onUnlock; lock != free || wait != 0 {
		t.Errorf("an idle mutex is %#x, %#x; want 0, 0", lock, wait)
	}
}

func withProcs(t *testing.T, f func(t *testing.T)) {
	for _, procs := range []int{1, 2, 4, 16} {
		t.Run("procs="+itoa(procs), func(t *testing.T) {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
			f(t)
		})
	}
}

func itoa(n int) string {
	if n < 10 {
		return string(rune('0' + n))
	}
	return itoa(n/10) + itoa(n%10)
}

// exclude has goroutines count under mutexes, each in its own way, and checks the count.
func exclude(t *testing.T, mutexes, goroutines, loops int) {
	type guarded struct {
		m Mutex
		n int
	}
	all := make([]guarded, mutexes)
	var done sync.WaitGroup
	for g := range goroutines {
		done.Go(func() {
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			for i := range loops {
				x := &all[(g+i)%mutexes]
				switch (g + i) % 8 {
				case 0:
					if !x.m.TryLock() {
						x.m.Lock()
					}
				case 1:
					if err := x.m.LockContext(ctx); err != nil {
						t.Error(err)
					}
				default:
					x.m.Lock()
				}
				x.n++
				if (g*7+i)%64 == 0 {
					runtime.Gosched()
				}
				x.m.Unlock()
			}
		})
	}
	done.Wait()
	sum := 0
	for i := range all {
		sum += all[i].n
		checkIdle(t, &all[i].m)
	}
	if sum != goroutines*loops {
		t.Errorf("%d increments were counted as %d", goroutines*loops, sum)
	}
}

func TestMutexExcludes(t *testing.T) {
	withProcs(t, func(t *testing.T) {
		exclude(t, 1, 8, 20000)
		exclude(t, 1, 200, 500)
		exclude(t, 100, 50, 2000)
	})
}

// Every wait parks: nobody may be left asleep, whatever the interleaving of announcement and
// unlock.
func TestMutexWithoutSpinning(t *testing.T) {
	arch.NoSpin(true)
	defer arch.NoSpin(false)
	loops := 20000
	if testing.Short() {
		loops = 2000
	}
	var stop atomic.Bool
	var collector sync.WaitGroup
	collector.Go(func() {
		for !stop.Load() {
			runtime.GC()
		}
	})
	withProcs(t, func(t *testing.T) {
		exclude(t, 1, 3, loops)
		exclude(t, 3, 16, loops)
	})
	stop.Store(true)
	collector.Wait()
}

func TestLockContext(t *testing.T) {
	t.Run("free", func(t *testing.T) {
		var m Mutex
		if err := m.LockContext(context.Background()); err != nil {
			t.Fatal(err)
		}
		m.Unlock()
		checkIdle(t, &m)
	})
	t.Run("done before, locked", func(t *testing.T) {
		var m Mutex
		m.Lock()
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if err := m.LockContext(ctx); !errors.Is(err, context.Canceled) {
			t.Fatalf("got %v, want Canceled", err)
		}
		m.Unlock()
		checkIdle(t, &m)
	})
	t.Run("deadline", func(t *testing.T) {
		var m Mutex
		m.Lock()
		ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
		defer cancel()
		if err := m.LockContext(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("got %v, want DeadlineExceeded", err)
		}
		var c arch.Core
		if youngest(c.Load32(&m.wait)) != 0 {
			t.Error("who gave up is still in the queue")
		}
		m.Unlock()
		checkIdle(t, &m)
	})
}

// Those who give up take nobody's wake-up with them, and leave the queue in order, wherever they
// were in it.
func TestLockContextLeavesNoTrace(t *testing.T) {
	withProcs(t, func(t *testing.T) {
		var m Mutex
		n, failed := 0, atomic.Int64{}
		var done sync.WaitGroup
		for g := range 32 {
			done.Go(func() {
				for i := range 300 {
					if g%2 == 0 {
						m.Lock()
					} else {
						ctx, cancel := context.WithTimeout(context.Background(),
							time.Duration(i%20)*time.Microsecond)
						err := m.LockContext(ctx)
						cancel()
						if err != nil {
							failed.Add(1)
							continue
						}
					}
					n++
					if i%16 == 0 {
						runtime.Gosched()
					}
					m.Unlock()
				}
			})
		}
		done.Wait()
		if got := n + int(failed.Load()); got != 32*300 {
			t.Errorf("%d attempts became %d", 32*300, got)
		}
		checkIdle(t, &m)
	})
}

// A context that is never done makes no difference.
func TestLockContextThatIsNeverDoneSleepsAndWakes(t *testing.T) {
	arch.NoSpin(true)
	defer arch.NoSpin(false)
	for _, ctx := range []context.Context{context.Background(),
		context.WithoutCancel(t.Context())} {
		var m Mutex
		m.Lock()
		got := make(chan error)
		go func() { got <- m.LockContext(ctx) }()
		someoneSleeps(&m)
		m.Unlock()
		if err := <-got; err != nil {
			t.Error(err)
		}
		m.Unlock()
	}
}

// someoneSleeps returns when the mutex's queue isn't empty.
func someoneSleeps(m *Mutex) {
	for youngest((arch.Core{}).Load32(&m.wait)) == 0 {
		runtime.Gosched()
	}
}

// The holder of a Spinlock may unlock a Mutex: whichever way it is handed over, the P stays.
func TestUnlockOfAMutexWithASpinlock(t *testing.T) {
	arch.NoSpin(true)
	defer arch.NoSpin(false)
	for _, lock := range []func(*Mutex, context.Context) error{
		func(m *Mutex, _ context.Context) error { m.Lock(); return nil },
		(*Mutex).LockContext,
	} {
		var m Mutex
		var l Spinlock
		m.Lock()
		got := make(chan error)
		go func() { got <- lock(&m, t.Context()) }()
		someoneSleeps(&m)
		(arch.Core{}).Or32(&m.wait, reserved) // as a heir leaves it that has waited for long
		l.Lock()
		m.Unlock()
		l.Unlock()
		if err := <-got; err != nil {
			t.Error(err)
		}
		m.Unlock()
		checkIdle(t, &m)
	}
}

// The number of any waiter fits beside the flags.
func TestWaitersFitBesideTheFlags(t *testing.T) {
	all := uint32(arch.MaxWaiter<<youngestShift | flags)
	if youngest(all) != arch.MaxWaiter || arch.MaxWaiter<<youngestShift&flags != 0 {
		t.Errorf("waiter %#x beside all flags is %#x, and read as %#x", uint32(arch.MaxWaiter), all,
			youngest(all))
	}
}
