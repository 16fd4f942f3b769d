package workload

import (
	"math/rand/v2"
	"testing"

	"example.com/pvlock/internal/arch"
	"example.com/pvlock/paravirt"
)

func TestEveryWaitFallsIntoItsBucket(t *testing.T) {
	waits := []uint64{0, 1, 31, 32, 63, 64, 65, 1<<maxBits - 1}
	for range 10000 {
		waits = append(waits, rand.Uint64()>>(64-maxBits)>>rand.IntN(maxBits))
	}
	for _, w := range waits {
		from, to := Bounds(Bucket(w))
		if w < from || w >= to {
			t.Fatalf("a wait of %d is in bucket %d, of %d to %d", w, Bucket(w), from, to)
		}
		if from >= 64 && to-from > from/32 {
			t.Fatalf("bucket %d, of %d to %d, is wider than a 32nd", Bucket(w), from, to)
		}
	}
	if b := Bucket(1<<64 - 1); b != Buckets-1 {
		t.Errorf("the longest wait is in bucket %d of %d", b, Buckets)
	}
}

func TestBucketsFollowEachOther(t *testing.T) {
	at := uint64(0)
	for b := range Buckets {
		from, to := Bounds(b)
		if from != at || to <= from {
			t.Fatalf("bucket %d is of %d to %d, want it to begin at %d", b, from, to, at)
		}
		at = to
	}
}

// asleep is a machine of n CPUs whose channels are plain words: a CPU that polls
// stays in Poll until it is notified, by a test that runs it in a goroutine.
func asleep(t *testing.T, n int) *paravirt.Machine {
	t.Helper()
	tokens := make([]chan struct{}, n)
	for i := range tokens {
		tokens[i] = make(chan struct{}, 1)
	}
	m, err := paravirt.New(paravirt.Config{CPUs: n, Channel: paravirt.WordChannel(
		func(c *paravirt.CPU, _ *arch.U32, _ uint32) { <-tokens[c.ID()] },
		func(_ *paravirt.CPU, cpu uint32, _ *arch.U32) { tokens[cpu] <- struct{}{} },
	)})
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		if err := m.CPU(i).Up(); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

func TestTheWatchTellsLostFromSlow(t *testing.T) {
	const n = 3
	m := asleep(t, n)
	for _, i := range []int{0, 1} {
		woken := make(chan struct{})
		go func() { m.CPU(i).Poll(); close(woken) }()
		for !m.Asleep(i) {
		}
		defer func() { m.Rescue(i); <-woken }()
	}
	for name, tt := range map[string]struct {
		phases [n]Phase
		want   []Verdict // of looks that follow each other, with no acquisition in between
	}{
		"two sleep, one holds": {[n]Phase{Locking, Locking, Holding},
			[]Verdict{Slow, Slow, Slow}},
		"two sleep, one unlocks": {[n]Phase{Locking, Locking, Unlocking},
			[]Verdict{Slow, Slow, Slow}},
		"two sleep, one spins": {[n]Phase{Locking, Locking, Locking},
			[]Verdict{Slow, Slow, Slow}},
		"two sleep, one thinks": {[n]Phase{Locking, Locking, Thinking},
			[]Verdict{Slow, Slow, Slow}},
		"two sleep, one is done": {[n]Phase{Locking, Locking, Done},
			[]Verdict{Slow, Lost, Slow, Lost}},
		"all are done":                  {[n]Phase{Done, Done, Done}, []Verdict{Finished}},
		"one sleeps, one thinks awake ": {[n]Phase{Locking, Thinking, Done}, []Verdict{Slow, Slow}},
	} {
		t.Run(name, func(t *testing.T) {
			clients := make([]Client, n)
			for i, phase := range tt.phases {
				clients[i].phase.Set(uint32(phase))
			}
			var w Watch
			for i, want := range tt.want {
				if got := w.Look(m, clients); got != want {
					t.Errorf("look %d: verdict %d, want %d", i, got, want)
				}
			}
			clients[0].Acquisitions.Add(1)
			if got := w.Look(m, clients); got != Progress && got != Finished {
				t.Errorf("after an acquisition: verdict %d, want progress", got)
			}
		})
	}
}

func TestTheCriticalSectionSeesAStranger(t *testing.T) {
	m := asleep(t, 2)
	c := m.CPU(0)
	for name, tt := range map[string]struct {
		meddle func(s *Shared)
		want   uint64
	}{
		"alone":                  {func(*Shared) {}, 0},
		"somebody is inside":     {func(s *Shared) { c.Store32(&s.first.holder, 2) }, 1},
		"an update was lost":     {func(s *Shared) { c.Store32(&s.first.count, 5) }, 1},
		"the other line's count": {func(s *Shared) { c.Store32(&s.second.count, 5) }, 1},
	} {
		t.Run(name, func(t *testing.T) {
			var s Shared
			var cl Client
			tt.meddle(&s)
			cl.critical(c, &s)
			if got := cl.Violations.Value(); got != tt.want {
				t.Errorf("%d violations, want %d", got, tt.want)
			}
		})
	}
}
