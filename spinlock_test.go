package pvlock

import (
	"os"
	"os/exec"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"example.com/pvlock/internal/arch"
)

var _ sync.Locker = new(Spinlock)

func TestSpinlockSize(t *testing.T) {
	if s := reflect.TypeFor[Spinlock]().Size(); s != 4 {
		t.Errorf("a Spinlock has %d bytes, want 4", s)
	}
}

func spinExclude(t *testing.T, goroutines, loops int) {
	var a, b Spinlock
	n, m := 0, 0
	var done sync.WaitGroup
	for g := range goroutines {
		done.Go(func() {
			for i := range loops {
				if (g+i)%4 != 0 || !a.TryLock() {
					a.Lock()
				}
				n++
				if i%8 == 0 {
					b.Lock()
					m++
					b.Unlock()
				}
				a.Unlock()
				if i%16 == 0 {
					b.Lock()
					m++
					b.Unlock()
				}
			}
		})
	}
	done.Wait()
	if want := goroutines * loops; n != want {
		t.Errorf("%d increments were counted as %d", want, n)
	}
	if want := goroutines * ((loops+7)/8 + (loops+15)/16); m != want {
		t.Errorf("inner lock: %d increments were counted as %d", want, m)
	}
	for p := range runtime.GOMAXPROCS(0) {
		if n := (arch.Core{}).Holds(p); n != 0 {
			t.Errorf("P %d is left holding %d locks", p, n)
		}
	}
}

func TestSpinlockExcludes(t *testing.T) {
	withProcs(t, func(t *testing.T) {
		spinExclude(t, 2, 20000)
		spinExclude(t, 16, 5000)
		spinExclude(t, 200, 200)
	})
}

// More goroutines wait than there are CPUs to borrow.
func TestSpinlockMoreWaitersThanCPUs(t *testing.T) {
	var l Spinlock
	var done sync.WaitGroup
	n := 0
	for range 2 * poolCPUs {
		done.Go(func() {
			for range 3 {
				l.Lock()
				n++
				l.Unlock()
			}
		})
	}
	done.Wait()
	if n != 6*poolCPUs {
		t.Errorf("%d increments were counted as %d", 6*poolCPUs, n)
	}
}

// The holder keeps its P.
func TestSpinlockPins(t *testing.T) {
	if !SpinlockPins {
		t.Skip("this build doesn't pin")
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4))
	var l Spinlock
	var c arch.Core
	for range 100 {
		l.Lock()
		before := c.Pin()
		c.Unpin()
		c.Work(1000)
		after := c.Pin()
		c.Unpin()
		l.Unlock()
		if before != after {
			t.Fatalf("the holder came from P %d to P %d", before, after)
		}
	}
}

// The CPUs that waiters borrow are of use everywhere, even if the first who needed one was in a
// bubble of testing/synctest. The first is the first of a program.
func TestSpinlockFirstInABubble(t *testing.T) {
	if os.Getenv("PVLOCK_FIRST") == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
		cmd.Env = append(os.Environ(), "PVLOCK_FIRST=1")
		out, err := cmd.CombinedOutput()
		if err != nil && strings.Contains(err.Error(), "exec format error") {
			t.Skip("this program runs under an emulator, and can't run itself")
		}
		if err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	borrows := func() {
		var l Spinlock
		l.lock.TryLock(&noCPU) // pinned, it would hold up a collection until the waiter comes
		done := make(chan struct{})
		go func() {
			l.Lock()
			l.Unlock() //nolint:staticcheck // that it was had is the point
			close(done)
		}()
		for len(freeCPUs) != poolCPUs-1 {
			runtime.Gosched()
		}
		l.lock.Unlock(kicker.Load())
		<-done
	}
	synctest.Test(t, func(*testing.T) { borrows() })
	borrows()
	synctest.Test(t, func(*testing.T) { borrows() })
}
