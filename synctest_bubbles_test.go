//go:build pvlockbubbles && !purego

package pvlock

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"example.com/pvlock/internal/arch"
)

// While a goroutine of the bubble holds the mutex, those of the bubble that wait for it block
// durably: the clock goes on, for the holder and for contexts. A sync.Mutex would stop it for ever.
func TestWaitsInABubbleAreDurable(t *testing.T) {
	arch.NoSpin(true)
	defer arch.NoSpin(false)
	synctest.Test(t, func(t *testing.T) {
		var m Mutex
		began := time.Now()
		m.Lock()
		var all sync.WaitGroup
		for range 3 {
			all.Go(func() {
				m.Lock()
				time.Sleep(time.Hour)
				m.Unlock()
			})
			all.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				if err := m.LockContext(ctx); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("got %v, want DeadlineExceeded", err)
				}
				if d := time.Since(began); d != time.Minute {
					t.Errorf("the wait of a minute took %v", d)
				}
			})
		}
		time.Sleep(time.Hour)
		m.Unlock()
		all.Wait()
		if d := time.Since(began); d != 4*time.Hour {
			t.Errorf("four hours took %v", d)
		}
	})
}

// A holder outside takes the mutex while goroutines of a bubble sleep durably for it: from then on
// the bubble's clock stands still. It goes on when one of the bubble holds it again, though one
// outside waits.
func TestWaitsInABubbleChangeWithTheHolder(t *testing.T) {
	arch.NoSpin(true)
	defer arch.NoSpin(false)
	var m Mutex
	outside := make(chan func())
	var done sync.WaitGroup
	done.Go(func() {
		for f := range outside {
			f()
		}
	})
	synctest.Test(t, func(t *testing.T) {
		m.Lock()
		began := time.Now()
		var all sync.WaitGroup
		outside <- func() {
			m.Lock() // waits for the bubble, whose clock goes on
			for range 1000 {
				runtime.Gosched() // holds it, and the bubble's clock stands still
			}
			m.Unlock()
		}
		someoneSleeps(&m)
		all.Go(func() {
			m.Lock()
			if d := time.Since(began); d != time.Hour {
				t.Errorf("the clock was moved on by %v, and not by an hour", d)
			}
			m.Unlock()
		})
		time.Sleep(time.Hour)
		m.Unlock()
		all.Wait()
	})
	close(outside)
	done.Wait()
}

// A deadlock in a bubble is found.
func TestDeadlockInABubbleIsFound(t *testing.T) {
	arch.NoSpin(true)
	defer arch.NoSpin(false)
	defer func() {
		if recover() == nil {
			t.Error("a deadlock was not found")
		}
	}()
	synctest.Test(t, func(t *testing.T) {
		var m Mutex
		m.Lock()
		m.Lock()
	})
}
