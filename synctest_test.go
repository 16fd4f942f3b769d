package pvlock

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"example.com/pvlock/internal/arch"
)

// chanMutex is the mutex that programs write for testing/synctest: a channel. Made outside of all
// bubbles it may be shared by them.
type chanMutex chan struct{}

func (m chanMutex) Lock()   { m <- struct{}{} }
func (m chanMutex) Unlock() { <-m }

func (m chanMutex) LockContext(ctx context.Context) error {
	select {
	case m <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// byContext locks by LockContext.
type byContext struct {
	m interface {
		LockContext(context.Context) error
		Unlock()
	}
	ctx func() context.Context
}

func (b byContext) Lock() {
	if err := b.m.LockContext(b.ctx()); err != nil {
		panic(err)
	}
}

func (b byContext) Unlock() { b.m.Unlock() }

// shareable returns new mutexes that bubbles share, by name. It is called outside of all.
func shareable(t *testing.T) map[string]sync.Locker {
	shared := t.Context()
	shared.Done() // makes the channel, which is a bubble's if it is made there
	ctx := func() context.Context { return shared }
	return map[string]sync.Locker{
		"sync.Mutex":                   new(sync.Mutex),
		"channel, send":                make(chanMutex, 1),
		"channel, select":              byContext{make(chanMutex, 1), ctx},
		"Lock":                         new(Mutex),
		"LockContext, never cancelled": byContext{new(Mutex), context.Background},
		"LockContext":                  byContext{new(Mutex), ctx},
	}
}

// A package-level mutex may be shared by bubbles that run at the same time, and by goroutines
// outside.
func TestMutexSharedByBubbles(t *testing.T) {
	arch.NoSpin(true)
	defer arch.NoSpin(false)
	const bubbles, loops = 4, 200
	for name, m := range shareable(t) {
		t.Run(name, func(t *testing.T) {
			n := 0
			work := func() {
				for range loops {
					m.Lock()
					n++
					runtime.Gosched()
					m.Unlock()
				}
			}
			var all sync.WaitGroup
			for range bubbles {
				all.Go(func() {
					synctest.Test(t, func(*testing.T) {
						for range 2 {
							go work()
						}
					})
				})
				all.Go(work)
			}
			all.Wait()
			if want := bubbles * 3 * loops; n != want {
				t.Errorf("%d increments were counted as %d", want, n)
			}
		})
	}
}

// A wait in a bubble for a holder outside leaves the bubble's clock alone.
func TestMutexHeldOutsideStopsTheBubblesClock(t *testing.T) {
	arch.NoSpin(true)
	defer arch.NoSpin(false)
	for name, m := range shareable(t) {
		t.Run(name, func(t *testing.T) {
			m.Lock()
			var waits, jumped atomic.Bool
			var unlocker sync.WaitGroup
			unlocker.Go(func() {
				for !waits.Load() {
					runtime.Gosched()
				}
				for range 1000 {
					runtime.Gosched()
				}
				m.Unlock()
			})
			synctest.Test(t, func(t *testing.T) {
				timer := time.AfterFunc(time.Hour, func() { jumped.Store(true) })
				waits.Store(true)
				m.Lock()
				if jumped.Load() {
					t.Error("the clock jumped by an hour while a goroutine waited for one outside")
				}
				timer.Stop()
				m.Unlock()
			})
			unlocker.Wait()
		})
	}
}

// Cancellation works in a bubble, and what a bubble leaves behind doesn't hurt outside, nor in
// another bubble.
func TestLocksInBubbles(t *testing.T) {
	arch.NoSpin(true)
	defer arch.NoSpin(false)
	all := func(t *testing.T) {
		var m Mutex
		m.Lock()
		ctx, cancel := context.WithCancel(t.Context())
		got := make(chan error)
		lock := func() { got <- m.LockContext(ctx) }
		go lock()
		someoneSleeps(&m)
		m.Unlock()
		if err := <-got; err != nil {
			t.Error(err)
		}
		go lock()
		someoneSleeps(&m)
		cancel()
		if err := <-got; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want Canceled", err)
		}
		go func() { m.Lock(); got <- nil }()
		someoneSleeps(&m)
		m.Unlock()
		<-got
		exclude(t, 1, 8, 500)
		spinExclude(t, 8, 500)
	}
	for range 2 {
		synctest.Test(t, all)
		all(t)
	}
}
