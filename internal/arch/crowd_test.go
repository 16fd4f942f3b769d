package arch

import (
	"runtime"
	"testing"
	"time"
)

// A goroutine that wakes in a crowd has the waiter that was unparked, in whatever order they fell
// asleep.
func TestWhoWakesInACrowdTakesTheWaiterOver(t *testing.T) {
	if !CanBlame {
		t.Skip("this build has no waits in the mutex profile")
	}
	defer runtime.SetMutexProfileFraction(runtime.SetMutexProfileFraction(1))
	var c Core
	var cell U32
	for _, lifo := range []bool{false, true} {
		const n = 4
		var waiters [n]uint32
		woke := make(chan [2]uint32, n)
		for i := range waiters {
			waiters[i] = c.TakeWaiter()
			c.MayGiveUp(waiters[i], Done{})
			others := c.JoinOthers(&cell, waiters[i], lifo)
			go func() { woke <- [2]uint32{waiters[i], c.ParkAmong(others, waiters[i], 0)} }()
			time.Sleep(time.Millisecond) // so that they most likely fall asleep in this order
		}
		moved := 0
		for i := range n {
			x := waiters[i]
			if !lifo {
				x = waiters[n-1-i]
			}
			c.Unpark(x, false, 0)
			got := <-woke
			if got[1] != x {
				t.Errorf("waiter %d was unparked, and the goroutine that woke has %d", x, got[1])
			}
			if got[0] != x {
				moved++
			}
		}
		if moved == 0 {
			t.Error("the goroutines woke in the order in which they were unparked: nothing is " +
				"tested")
		}
		for _, x := range waiters {
			c.DropWaiter(x)
		}
		if len(crowds.of) != 0 {
			t.Errorf("%d crowds are left", len(crowds.of))
		}
	}
}

// As long as the mutex profile is off, each waiter has a semaphore of its own: in one semaphore's
// queue they would make a collection's time grow with their square.
func TestNoCrowdsWithoutTheProfile(t *testing.T) {
	defer runtime.SetMutexProfileFraction(runtime.SetMutexProfileFraction(0))
	var c Core
	var cell U32
	i := c.TakeWaiter()
	defer c.DropWaiter(i)
	c.MayGiveUp(i, Done{})
	if o := c.JoinOthers(&cell, i, false); o.crowd != nil || bedOf(i).crowd.Load() != nil {
		t.Error("a waiter sleeps on the others' semaphore")
	}
}
