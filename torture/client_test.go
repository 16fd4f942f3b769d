package torture

import (
	"testing"

	"example.com/pvlock/internal/arch"
	"example.com/pvlock/paravirt"
	"example.com/pvlock/spinlock"
)

// spinKind is a lock that is right and doesn't sleep.
func spinKind() spinlock.Kind {
	for _, k := range spinlock.Kinds() {
		if k.Name == "tas" {
			return k
		}
	}
	panic("no tas")
}

// Somebody has come and gone while another was in the middle: all counts are right, and both were
// not alone.
func TestTheDataShowsWhatACounterDoesNot(t *testing.T) {
	var c arch.Core
	t.Run("who comes and goes meanwhile", func(t *testing.T) {
		g := new(guarded)
		n, whole := g.enter(c, 1)
		if !whole {
			t.Fatal("a line was torn before anybody came")
		}
		m, whole := g.enter(c, 2)
		if whole {
			t.Error("the second one doesn't see that the first is there")
		}
		g.leave(c, 2, m)
		if g.leave(c, 1, n) {
			t.Error("the first one doesn't see that the second was there")
		}
		if got := g.entries(c); got != [3]uint32{2, 2, 2} {
			t.Errorf("the lines count %v: this is not what a counter misses", got)
		}
	})
	t.Run("who comes meanwhile and stays", func(t *testing.T) {
		g := new(guarded)
		n, _ := g.enter(c, 1)
		g.enter(c, 2)
		if g.leave(c, 1, n) {
			t.Error("the first one doesn't see that the second is there")
		}
	})
	t.Run("who leaves no name", func(t *testing.T) {
		for _, l := range []func(*guarded) *arch.U32{
			func(g *guarded) *arch.U32 { return &g.first.count },
			func(g *guarded) *arch.U32 { return &g.second.count },
			func(g *guarded) *arch.U32 { return &g.third.count },
		} {
			g := new(guarded)
			n, _ := g.enter(c, 1)
			c.Add32(l(g), 1)
			if g.leave(c, 1, n) {
				t.Error("a change of a line is not seen")
			}
		}
	})
	t.Run("nobody", func(t *testing.T) {
		g := new(guarded)
		for range 3 {
			n, whole := g.enter(c, 1)
			if !g.leave(c, 1, n) || !whole {
				t.Error("one who was alone says that he was not")
			}
		}
	})
}

func TestALateWriteToFreedMemoryIsFound(t *testing.T) {
	var c arch.Core
	for name, write := range map[string]func(o *object){
		"clingy's":             func(o *object) { c.Store16(o.word.Half(1), 0) },
		"a byte of a lock":     func(o *object) { c.Store8(o.word.Byte(0), 0) },
		"a lock's second word": func(o *object) { c.Store32(o.more.Whole(), 0) },
		"an addition":          func(o *object) { c.Add32(o.word.Whole(), 1) },
	} {
		o := new(object)
		o.overwrite(c)
		if !o.untouched(c) {
			t.Error("it is found although nobody wrote")
		}
		if write(o); o.untouched(c) {
			t.Errorf("%s is not found", name)
		}
	}
}

// crowd makes clients in given states, for a watch.
type crowd struct {
	clients []client
	sleeps  []bool
	watch   *watch
}

func newCrowd(n int) *crowd {
	w := &crowd{clients: make([]client, n), sleeps: make([]bool, n)}
	w.watch = newWatch(w.clients, func(i int) bool { return w.sleeps[i] })
	return w
}

func (w *crowd) set(i int, phase, want, held uint32, asleep bool) {
	w.clients[i].state.Set(phase | want<<wantShift | held<<heldShift)
	w.sleeps[i] = asleep
}

func TestAWatchTellsALostWakeUpFromASlowOne(t *testing.T) {
	const lock0 = 1
	for _, tt := range []struct {
		name string
		set  func(w *crowd)
		lost bool
	}{
		{"all waiters sleep, nobody has it", func(w *crowd) {
			w.set(0, locking, 0, 0, true)
			w.set(1, locking, 0, 0, true)
		}, true},
		{"one sleeps, and nobody else is there", func(w *crowd) { w.set(0, locking, 0, 0, true) },
			true},
		{"they hold other locks", func(w *crowd) { w.set(0, locking, 1, lock0, true) }, true},
		{"the group's object is a lock too", func(w *crowd) { w.set(2, locking, own, 0, true) },
			true},
		{"one is awake", func(w *crowd) {
			w.set(0, locking, 0, 0, true)
			w.set(1, locking, 0, 0, false)
		}, false},
		{"somebody has it", func(w *crowd) {
			w.set(0, locking, 0, 0, true)
			w.set(1, thinking, 0, lock0, false)
		}, false},
		{"its holder sleeps for another", func(w *crowd) {
			w.set(0, locking, 0, 0, true)
			w.set(1, locking, 1, lock0, false)
		}, false},
		{"nobody waits", func(w *crowd) { w.set(0, thinking, 0, 0, false) }, false},
		{"all are done", func(w *crowd) {
			for i := range 4 {
				w.set(i, done, 0, 0, false)
			}
		}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newCrowd(4)
			tt.set(w)
			if s := w.watch.look(); len(s.lost) > 0 {
				t.Error("one look is enough to call it lost")
			}
			if s := w.watch.look(); (len(s.lost) > 0) != tt.lost {
				t.Errorf("lost: %v, want %v; %s", s.lost, tt.lost, w.watch.describe())
			}
		})
	}
	t.Run("somebody had it between two looks", func(t *testing.T) {
		w := newCrowd(2)
		for i := range 5 {
			w.set(0, locking, 0, 0, true)
			w.clients[1].counts[0].Add(1)
			if s := w.watch.look(); len(s.lost) > 0 {
				t.Fatalf("look %d calls it lost", i)
			}
		}
	})
	t.Run("the object of another group", func(t *testing.T) {
		w := newCrowd(4)
		w.set(0, locking, own, 0, true)
		w.set(2, thinking, 0, 1<<own, false)
		w.watch.look()
		if s := w.watch.look(); len(s.lost) != 1 || s.lost[0] != maxLocks {
			t.Errorf("lost %v, want the first group's", s.lost)
		}
		if who := w.watch.sleepers(maxLocks); len(who) != 1 || who[0] != 0 {
			t.Errorf("%v sleep, want 0", who)
		}
	})
}

func TestAStallIsCountedOnce(t *testing.T) {
	w := newCrowd(2)
	w.set(0, locking, 0, 0, true)
	w.set(1, thinking, 0, 1, false)
	stalls := 0
	for range 5 * stallLooks {
		stalls += w.watch.look().stalls
	}
	if stalls != 1 {
		t.Errorf("%d stalls, want 1", stalls)
	}
}

// What an injector adds, a machine may do by itself; what it leaves out, it may not.
func TestAnInjectorEndsSleepsEarlyAndLosesNothing(t *testing.T) {
	a := new(arena)
	in := newInjector(a, 2, 10, 1)
	polls, notified, rescued := 0, 0, 0
	m, err := paravirt.New(paravirt.Config{CPUs: 2, Channel: in.around(paravirt.ChannelOps{
		Poll:   func(*paravirt.CPU) { polls++ },
		Notify: func(_ *paravirt.CPU, cpu uint32) { notified++ },
		Test:   func(*paravirt.CPU) bool { return false },
		Rescue: func(*paravirt.CPU, uint32) { rescued++ },
	})})
	if err != nil {
		t.Fatal(err)
	}
	c := m.CPU(0)
	const times = 1000
	run := func() {
		polls, notified = 0, 0
		for range times {
			c.Poll()
			c.Notify(1)
		}
	}
	run()
	if polls != times || notified != times {
		t.Errorf("nothing is injected: %d polls and %d notifications of %d", polls, notified, times)
	}
	c.Store32(&a.knobs, knobSpurious|knobDelay)
	run()
	if polls == times || polls == 0 || notified != times {
		t.Errorf("%d polls and %d notifications of %d: want some sleeps ended early, and all "+
			"notifications sent", polls, notified, times)
	}
	if s := &in.cpus[0]; s.spurious.Value() != uint64(times-polls) || s.delayed.Value() == 0 {
		t.Errorf("%d early and %d late are counted, %d were early", s.spurious.Value(),
			s.delayed.Value(), times-polls)
	}
	if m.Rescue(1); rescued != 1 {
		t.Error("a rescue did not come through")
	}
}
