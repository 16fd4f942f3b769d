package arch

import (
	"bytes"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"testing"
)

// A collection never waits for a spin: spinning is in Go, and the runtime can stop it.
func TestCollectionDuringSpin(t *testing.T) {
	var c Core
	var w Word
	var spinning sync.WaitGroup
	for i := range runtime.GOMAXPROCS(0) + 1 {
		spinning.Go(func() {
			switch i % 3 {
			case 0:
				c.SpinWhile8(w.Byte(0), 0xff, 0, Forever)
			case 1:
				c.SpinWhile16(w.Half(0), 0xffff, 0, Forever)
			case 2:
				c.SpinWhile32(w.Whole(), ^uint32(0), 0, Forever)
			}
		})
	}
	for range 3 {
		runtime.GC() // hangs otherwise
	}
	c.Store32(w.Whole(), 1)
	spinning.Wait()
}

func TestUnparkBeforeParkIsNotLost(t *testing.T) {
	if !HasFutex {
		t.Skip("no futex on this platform")
	}
	var c Core
	var turn U32
	c.ParkThread(&turn, 1) // another value: returns at once
	const rounds = 3000
	var both sync.WaitGroup
	for me := range uint32(2) {
		both.Go(func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			for range rounds {
				for c.Load32(&turn) != me {
					c.ParkThread(&turn, me^1) // may return for no reason
				}
				c.Xchg32(&turn, me^1)
				c.UnparkThread(&turn, 1)
			}
		})
	}
	both.Wait()
}

// litmus runs SB: x=1 [fence0] r0=y ∥ y=1 [fence1] r1=x, on two threads, and counts how often both
// read 0, which no interleaving of the two gives.
func litmus(rounds uint32, fence0, fence1 func(Core)) (reordered int) {
	var shared struct {
		_    [64]byte
		x    U32
		_    [60]byte
		y    U32
		_    [60]byte
		gate [2]struct {
			U32
			_ [60]byte
		}
	}
	var r [2][]uint32
	var both sync.WaitGroup
	for me := range 2 {
		r[me] = make([]uint32, rounds)
		mine, other := &shared.x, &shared.y
		fence := fence0
		if me == 1 {
			mine, other, fence = other, mine, fence1
		}
		both.Go(func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			var c Core
			for i := uint32(1); i <= rounds; i++ {
				// Start each round together. x and y count up, so need no reset.
				c.Xchg32(&shared.gate[me].U32, i)
				for n := 0; c.Load32(&shared.gate[1-me].U32) < i; n++ {
					if n > 1000 {
						runtime.Gosched()
					}
				}
				c.Store32(mine, i)
				fence(c)
				r[me][i-1] = c.Load32(other)
			}
		})
	}
	both.Wait()
	for i := range rounds {
		if r[0][i] < i+1 && r[1][i] < i+1 {
			reordered++
		}
	}
	return reordered
}

func TestStoreBuffering(t *testing.T) {
	if runtime.GOMAXPROCS(0) < 2 || runtime.NumCPU() < 2 {
		t.Skip("needs two CPUs")
	}
	const rounds = 200000
	none, fence := func(Core) {}, Core.Fence
	t.Run("fence on both sides", func(t *testing.T) {
		if n := litmus(rounds, fence, fence); n != 0 {
			t.Errorf("%d of %d rounds reordered", n, rounds)
		}
	})
	t.Run("membarrier on one side", func(t *testing.T) {
		if err := membarrier.setUp(); err != nil {
			t.Skip(err)
		}
		if n := litmus(rounds/10, none, Core.FenceAll); n != 0 {
			t.Errorf("%d of %d rounds reordered", n, rounds/10)
		}
	})
	t.Run("no fence is seen to reorder", func(t *testing.T) {
		n := 0
		for i := 0; i < 5 && n == 0; i++ {
			n = litmus(rounds, none, none)
		}
		if t.Logf("%d of %d rounds reordered", n, rounds); n == 0 {
			t.Skip("this machine, or this build, shows no reordering: the tests beside it prove " +
				"little here")
		}
	})
}

func TestPinNests(t *testing.T) {
	var c Core
	a := c.Pin()
	b := c.Pin()
	c.Unpin()
	c.Unpin()
	if a != b || CanPin && (a < 0 || a >= runtime.GOMAXPROCS(0)) {
		t.Errorf("pinned to %d, then to %d, of %d", a, b, runtime.GOMAXPROCS(0))
	}
}

func TestFatalEndsTheProgram(t *testing.T) {
	if os.Getenv("PVLOCK_TEST_FATAL") != "" {
		defer func() { recover(); os.Exit(0) }()
		Core{}.Fatal("pvlock: the end")
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestFatalEndsTheProgram$")
	cmd.Env = append(os.Environ(), "PVLOCK_TEST_FATAL=1")
	out, err := cmd.CombinedOutput()
	if err != nil && strings.Contains(err.Error(), "exec format error") {
		t.Skip("this program runs under an emulator, and can't run itself")
	}
	if err == nil || cmd.ProcessState.ExitCode() != 2 ||
		!bytes.Contains(out, []byte("fatal error: pvlock: the end")) {
		t.Errorf("exit %v, output:\n%s", err, out)
	}
}

func TestCalibrate(t *testing.T) {
	Calibrate()
	if PauseNanos() <= 0 || TicksCost() < 0 || WorkUnits(1000000) == 0 || TicksToNanos(1<<40) == 0 {
		t.Errorf("pause %v ns, reading %v, %v units a ms", PauseNanos(), TicksCost(),
			WorkUnits(1000000))
	}
	if got := TicksToNanos(1 << 20); got == 0 || TicksToNanos(1<<21) < 2*got-1 ||
		TicksToNanos(1<<21) > 2*got+1 {
		t.Errorf("2^20 ticks are %d ns, 2^21 are %d", got, TicksToNanos(1<<21))
	}
	for last, i := (Core{}).Now(), 0; i < 100000; i++ {
		now := Core{}.Now()
		if now < last {
			t.Fatalf("Now went back from %d to %d", last, now)
		}
		last = now
	}
}

func TestRandStreams(t *testing.T) {
	seen := map[uint32]bool{}
	for i := range uint64(200) {
		a, b := NewRand(42, i), NewRand(42, i)
		first := a.Uint32()
		if first != b.Uint32() {
			t.Errorf("stream %d does not repeat", i)
		}
		if seen[first] {
			t.Errorf("stream %d begins as another one", i)
		}
		seen[first] = true
	}
	r := NewRand(1, 0)
	var counts [10]int
	for range 10000 {
		v := r.Below(10)
		if v >= 10 {
			t.Fatalf("Below(10) is %d", v)
		}
		counts[v]++
	}
	for v, n := range counts {
		if n < 800 || n > 1200 {
			t.Errorf("%d came %d times of 10000", v, n)
		}
	}
	if r.Below(0) != 0 {
		t.Error("Below(0) is not 0")
	}
}
