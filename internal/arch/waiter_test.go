package arch

import (
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
)

// chunksWithMemory returns how many chunks of the table have memory.
func chunksWithMemory() (n int) {
	for _, w := range *table.chunks.Load() {
		if w.waiters != nil {
			n++
		}
	}
	return n
}

// The memory of waiters is given back when fewer wait, in whatever order they leave, and no number
// is given to two.
func TestWaitersMemoryIsGivenBack(t *testing.T) {
	const most = 50_000
	var c Core
	for range 3 {
		for _, order := range []string{"first in, first out", "last in, first out", "at random"} {
			all := make([]uint32, most)
			for i := range all {
				all[i] = c.TakeWaiter()
				c.Store32(&c.Waiter(all[i]).Flags, all[i])
			}
			if n := chunksWithMemory(); n < most/chunk {
				t.Fatalf("%d waiters have %d chunks", most, n)
			}
			sorted := slices.Clone(all)
			slices.Sort(sorted)
			if sorted[0] == 0 || len(slices.Compact(sorted)) != most {
				t.Fatal("two waiters have the same number, or one has none")
			}
			switch order {
			case "last in, first out":
				slices.Reverse(all)
			case "at random":
				rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
			}
			for _, i := range all {
				if c.Load32(&c.Waiter(i).Flags) != i {
					t.Fatalf("waiter %d has another's memory", i)
				}
				c.DropWaiter(i)
			}
			if n := chunksWithMemory(); n > keptWaiters/chunk+1 {
				t.Errorf("%s: with nobody waiting %d chunks have memory", order, n)
			}
		}
	}
}

// A number of waiters that goes up and down by one at the edge of a chunk allocates nothing.
func TestWaitersAtTheEdgeOfAChunk(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	var some [1]uint32
	var taken []uint32
	for range 20 * chunk {
		takeShared(some[:])
		taken = append(taken, some[0])
		if n := testing.AllocsPerRun(10, func() {
			takeShared(some[:])
			dropShared(some[:])
		}); n >= 1 {
			t.Fatalf("with %d waiters, another one allocates each time", len(taken))
		}
	}
	dropShared(taken)
}
