package arch

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
)

// SB, store buffering: two CPUs each store to one cell and then load the other's. Both
// loads find the old value only if the loads passed the stores.
//
//	P0            P1
//	x = 1         y = 1
//	r0 = y        r1 = x
//
// sb runs it n times and returns how often r0 == r1 == 0. Each side is given as a function of the
// cells that it stores to and loads.
func sb(n int, p0, p1 func(store, load *U32) uint32) (both int) {
	type padded struct {
		U32
		_ [124]byte
	}
	var x, y padded
	var r [2]uint32
	var c Core
	var arrived atomic.Int32
	var start atomic.Uint64
	const lead = 1000 // ticks, more than it takes to meet
	meet := func(phase int32) {
		arrived.Add(1)
		for spins := 0; arrived.Load() < 2*phase; spins++ {
			if spins > 1000 {
				runtime.Gosched()
			}
		}
	}
	var done sync.WaitGroup
	for side := range 2 {
		done.Go(func() {
			for i := range int32(n) {
				if side == 0 {
					start.Store(c.Ticks() + lead)
				}
				meet(3*i + 1)
				// Both start at the same time, give or take some units of work.
				for at := start.Load(); c.Ticks() < at; {
				}
				c.Work(uint32(i>>(5*side)) % 32)
				if side == 0 {
					r[0] = p0(&x.U32, &y.U32)
				} else {
					r[1] = p1(&y.U32, &x.U32)
				}
				meet(3*i + 2)
				if side == 0 {
					if r[0] == 0 && r[1] == 0 {
						both++
					}
					c.Store32(&x.U32, 0)
					c.Store32(&y.U32, 0)
				}
				meet(3*i + 3)
			}
		})
	}
	done.Wait()
	return both
}

func plain(store, load *U32) uint32 {
	var c Core
	c.Store32(store, 1)
	return c.Load32(load)
}

func fenced(store, load *U32) uint32 {
	var c Core
	c.Store32(store, 1)
	c.Fence()
	return c.Load32(load)
}

func paying(store, load *U32) uint32 {
	var c Core
	c.Store32(store, 1)
	c.FenceAll()
	return c.Load32(load)
}

// Without a fence the reordering is seen on real hardware: this is what FenceAll is for.
func TestSBIsObservable(t *testing.T) {
	if !StoreLoadBarrier {
		t.Skip("a store followed by a load is ordered here")
	}
	if runtime.NumCPU() < 2 {
		t.Skip("takes two CPUs")
	}
	for range 20 {
		if n := sb(20000, plain, plain); n > 0 {
			t.Logf("%d of 20000 runs", n)
			return
		}
	}
	t.Skip("not seen in 400,000 runs: the CPUs are too busy, or stronger than they promise")
}

// With fences on both sides it is not.
func TestSBFenced(t *testing.T) {
	if n := sb(10000, fenced, fenced); n != 0 {
		t.Errorf("loads passed stores over a fence, in %d of 10000 runs", n)
	}
}

// With FenceAll on one side, the other needs none: the mutex's Unlock is plain, and who enters the
// queue pays.
func TestSBAsymmetric(t *testing.T) {
	if !StoreLoadBarrier {
		t.Skip("a store followed by a load is ordered here")
	}
	if n := sb(10000, plain, paying); n != 0 {
		t.Errorf("a load passed a store although the other side executed FenceAll, in %d of "+
			"10000 runs", n)
	}
}

// Where membarrier is refused, a stop of the world does the same.
func TestSBStopTheWorld(t *testing.T) {
	if !StoreLoadBarrier {
		t.Skip("a store followed by a load is ordered here")
	}
	stopping := func(store, load *U32) uint32 {
		var c Core
		c.Store32(store, 1)
		stopTheWorld()
		return c.Load32(load)
	}
	if n := sb(300, plain, stopping); n != 0 {
		t.Errorf("a load passed a store although the other side stopped the world, in %d of 300 "+
			"runs", n)
	}
}
