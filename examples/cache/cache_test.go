package cache

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"example.com/pvlock"
)

func Example() {
	c := New[string, int](16, 1000)
	c.Put("answer", 42)
	fmt.Println(c.Get("answer"))
	fmt.Println(c.Get("question"))
	// Output:
	// 42 true
	// 0 false
}

// A caller that may not wait passes a context, and goes without the value when it is done.
func ExampleCache_GetContext() {
	c := New[string, int](1, 1000)
	c.Put("answer", 42)

	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	// Whatever the context says: a lock that can be had at once is taken.
	fmt.Println(c.GetContext(ctx, "answer"))

	c.shards[0].mu.Lock() // somebody takes long
	fmt.Println(c.GetContext(ctx, "answer"))
	c.shards[0].mu.Unlock()
	// Output:
	// 42 true <nil>
	// 0 false context canceled
}

func TestTheOneNotUsedForLongestIsForgotten(t *testing.T) {
	c := New[string, int](1, 2)
	c.Put("a", 1)
	c.Put("b", 2)
	c.Get("a")
	c.Put("c", 3)
	for key, want := range map[string]bool{"a": true, "b": false, "c": true} {
		if _, ok := c.Get(key); ok != want {
			t.Errorf("%s is there: %v, want %v", key, ok, want)
		}
	}
}

func TestManyGoroutinesLoseNoUpdate(t *testing.T) {
	const (
		goroutines = 8
		keys       = 100
		times      = 2000
	)
	c := New[int, int](4, keys)
	var done sync.WaitGroup
	for g := range goroutines {
		done.Go(func() {
			// Each has keys of its own, spread over shards that all share.
			for i := range times {
				key := g*keys/goroutines + i%(keys/goroutines)
				n, _ := c.Get(key)
				c.Put(key, n+1)
			}
		})
	}
	done.Wait()
	sum := 0
	for key := range keys {
		n, _ := c.Get(key)
		sum += n
	}
	if sum != goroutines*times {
		t.Errorf("%d updates are left of %d", sum, goroutines*times)
	}
}

// TestAWaitThatIsGivenUpIsCounted is about a wait of known length: the shard is held until the
// waiter has given up.
func TestAWaitThatIsGivenUpIsCounted(t *testing.T) {
	c := New[string, int](1, 10)
	c.Put("answer", 42)
	observers := c.Observe()
	for _, o := range observers {
		defer o.Stop()
	}
	ctx, cancel := context.WithCancel(t.Context())

	c.shards[0].mu.Lock()
	gaveUp := make(chan error)
	go func() {
		_, _, err := c.GetContext(ctx, "answer")
		gaveUp <- err
	}()
	cancel()
	if err := <-gaveUp; !errors.Is(err, context.Canceled) {
		t.Errorf("the wait ended with %v, want %v", err, context.Canceled)
	}
	c.shards[0].mu.Unlock()

	if v, ok, err := c.GetContext(ctx, "answer"); v != 42 || !ok || err != nil {
		t.Errorf("after it: %v, %v, %v: want 42", v, ok, err)
	}
	var counts pvlock.MutexCounts
	for _, o := range observers {
		counts.GaveUp += o.Counts().GaveUp
	}
	if counts.GaveUp != 1 {
		t.Errorf("%d gave up, want 1", counts.GaveUp)
	}
}

// BenchmarkGet is the cache read by all CPUs, with as many shards as are asked for.
func BenchmarkGet(b *testing.B) {
	for _, shards := range []int{1, 16} {
		b.Run(fmt.Sprintf("shards=%d", shards), func(b *testing.B) {
			const keys = 1024
			c := New[int, int](shards, keys)
			for key := range keys {
				c.Put(key, key)
			}
			observers := c.Observe()
			b.RunParallel(func(pb *testing.PB) {
				for i := 0; pb.Next(); i++ {
					c.Get(i % keys)
				}
			})
			var contended uint64
			for _, o := range observers {
				contended += o.Counts().Contended
				o.Stop()
			}
			b.ReportMetric(float64(contended)/float64(b.N), "contended/op")
		})
	}
}
