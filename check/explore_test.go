package check

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"example.com/pvlock/internal/twin/arch"
	"example.com/pvlock/internal/twin/paravirt"
	"example.com/pvlock/internal/twin/spinlock"
	"example.com/pvlock/result"
)

// Every lock that ought to be right is: its default set of clients, or, with
// PVLOCK_CHECK=full, the full one, which takes minutes.
func TestLocks(t *testing.T) {
	full := os.Getenv("PVLOCK_CHECK") == "full"
	for _, k := range spinlock.Kinds() {
		if k.LosesWakeups {
			continue
		}
		t.Run(k.Name, func(t *testing.T) {
			for _, c := range Set(k, full) {
				if testing.Short() && c.CPUs > 2 {
					continue
				}
				c.Memory = 6 << 30
				r := explore(t, c)
				clean(t, r)
				if !r.Progress {
					t.Errorf("%s: it wasn't checked that the clients come to their end", r.Client)
				}
			}
		})
	}
}

func TestBustedIsCaught(t *testing.T) {
	for _, model := range []Model{TSO, SC} {
		r := explore(t, Config{Lock: Busted(), CPUs: 2, Client: Plain(2, 1), Model: model})
		if r.Finding == nil || r.Finding.Kind != TwoHolders {
			t.Errorf("%s: a lock that doesn't exclude: %+v", model, r.Finding)
		}
	}
}

// broken is test-and-set with something wrong.
func broken(lock, unlock func(w *spinlock.Word, c *paravirt.CPU)) spinlock.Kind {
	k := Busted()
	k.Name = "broken"
	k.Lock = func(w *spinlock.Word, c *paravirt.CPU) {
		for !c.Cas32(w.Whole(), 0, 1) {
			c.SpinWhile32(w.Whole(), ^uint32(0), 1, arch.Forever)
		}
	}
	k.Unlock = func(w *spinlock.Word, c *paravirt.CPU) { c.Store32(w.Whole(), 0) }
	if lock != nil {
		k.Lock = lock
	}
	if unlock != nil {
		k.Unlock = unlock
	}
	return k
}

// Each thing that the checker looks for and that no scenario or mutant has.
func TestBrokenLocksAreCaught(t *testing.T) {
	for _, b := range []struct {
		name string
		lock spinlock.Kind
		want ViolationKind
	}{
		{"never released", broken(nil, func(*spinlock.Word, *paravirt.CPU) {}), EndlessAwait},
		{"never released, looked at in turn", broken(func(w *spinlock.Word, c *paravirt.CPU) {
			for !c.Cas32(w.Whole(), 0, 1) {
				c.Head(0)
			}
		}, func(*spinlock.Word, *paravirt.CPU) {}), Livelock},
		{"a loop that looks at nothing", broken(nil, func(w *spinlock.Word, c *paravirt.CPU) {
			for !c.Bound() || c.Load32(w.Whole()) != 7 {
				if c.Bound() {
					c.Head(0)
				}
			}
		}), Livelock},
		{"a word beside the lock", broken(nil, func(w *spinlock.Word, c *paravirt.CPU) {
			c.Store8(w.Byte(4), 1)
			c.Store32(w.Whole(), 0)
		}), WrongPlace},
		{"another CPU's node", broken(nil, func(w *spinlock.Word, c *paravirt.CPU) {
			c.Store32(&c.Machine().Node(paravirt.TailCode(1-c.ID(), 0)).Next, 1)
			c.Store32(w.Whole(), 0)
		}), NodeTouched},
		{"two entries", broken(nil, func(w *spinlock.Word, c *paravirt.CPU) {
			for i := range 2 {
				c.CasPtr(&c.Machine().Hash()[i].Lock, 0, c.Addr(w))
			}
			c.Store32(w.Whole(), 0)
		}), DoubleHash},
		{"a crash", broken(nil,
			func(w *spinlock.Word, c *paravirt.CPU) { c.Machine().Node(c.Load32(w.Whole()) - 1) }),
			Misuse},
		{"a fatal error",
			broken(nil, func(w *spinlock.Word, c *paravirt.CPU) { c.Fatal("misused") }), Misuse},
	} {
		t.Run(b.name, func(t *testing.T) {
			r := explore(t, Config{Lock: b.lock, CPUs: 2, Client: Plain(2, 1)})
			if r.Finding == nil || r.Finding.Kind != b.want {
				t.Fatalf("found %+v, want %s", r.Finding, b.want)
			}
		})
	}
}

// The store-buffer litmus tests: what x86 may show is shown, what it mustn't isn't.
func TestLitmus(t *testing.T) {
	// Each CPU stores to its own byte, and looks at the other's; two holders are two that saw 0.
	sb := func(fence func(c *paravirt.CPU)) spinlock.Kind {
		k := broken(nil, nil)
		k.TryLock = func(w *spinlock.Word, c *paravirt.CPU) bool {
			c.Store8(w.Byte(uintptr(c.ID())), 1)
			fence(c)
			return c.Load8(w.Byte(uintptr(1-c.ID()))) == 0
		}
		k.Unlock = func(w *spinlock.Word, c *paravirt.CPU) {}
		return k
	}
	try := Client{Name: "try", Keep: true, Body: func(p *Proc) {
		p.At(0)
		if p.TryLock(0) {
			p.At(1) // and keep it
		}
	}}
	one := func(c *paravirt.CPU) {
		if c.ID() == 0 {
			c.Membarrier()
		}
	}
	for _, l := range []struct {
		name  string
		fence func(c *paravirt.CPU)
		model Model
		both  bool
	}{
		{"SB", func(*paravirt.CPU) {}, TSO, true},
		{"SB under SC", func(*paravirt.CPU) {}, SC, false},
		{"SB+fences", func(c *paravirt.CPU) { c.Fence() }, TSO, false},
		{"SB+one fence", func(c *paravirt.CPU) {
			if c.ID() == 0 {
				c.Fence()
			}
		}, TSO, true},
		{"SB+membarrier on one side", one, TSO, false},
	} {
		t.Run(l.name, func(t *testing.T) {
			r := explore(t, Config{Lock: sb(l.fence), CPUs: 2, Client: try, Model: l.model})
			if both := r.Finding != nil && r.Finding.Kind == TwoHolders; both != l.both {
				t.Errorf("both read 0: %v, want %v", both, l.both)
			}
		})
	}

	// Stores become visible in order: a flag that is seen brings its data.
	mp := broken(func(w *spinlock.Word, c *paravirt.CPU) {
		if c.ID() == 0 {
			c.Store8(w.Byte(1), 1)
			c.Store8(w.Byte(2), 1)
			return
		}
		c.SpinWhile8(w.Byte(2), 0xff, 0, arch.Forever)
		if c.Load8(w.Byte(1)) == 0 {
			c.Fatal("the flag came before the data")
		}
	}, func(*spinlock.Word, *paravirt.CPU) {})
	t.Run("MP", func(t *testing.T) {
		r := explore(t, Config{Lock: mp, CPUs: 2, Client: Client{Name: "mp", Body: func(p *Proc) {
			p.At(0)
			p.x.cfg.Lock.Lock(p.word(0), p.CPU)
		}}})
		clean(t, r)
	})
}

func TestRunsRepeat(t *testing.T) {
	for _, c := range []Config{
		{Lock: lock("pvticket"), CPUs: 2, Client: Nested(2, 1), Spin: AnySpin, Spurious: true,
			Interrupts: 1},
		{Lock: lock("xen2008"), CPUs: 2, Client: keep(Plain(2, 2)), Spin: AnySpin},
		{Lock: lock("pvqspin2015"), CPUs: 2, Client: keep(Plain(2, 2)), Spin: AnySpin},
	} {
		var first *Result
		for _, workers := range []int{1, 1, 2, 4} {
			c.Workers = workers
			r := explore(t, c)
			r.Seconds = 0
			if first == nil {
				first = r
				continue
			}
			a, _ := json.Marshal(first)
			b, _ := json.Marshal(r)
			if !bytes.Equal(a, b) {
				t.Errorf("%s with %d workers: %d states, %d transitions, %d places, and not %d, "+
					"%d, %d; or another counterexample",
					r.Lock, workers, r.States, r.Transitions, r.Places, first.States,
					first.Transitions, first.Places)
			}
		}
	}
}

func TestCounterexamplesReplay(t *testing.T) {
	c := Config{Lock: lock("xen2008"), CPUs: 2, Client: keep(Plain(2, 2)), Spin: AnySpin}
	r := explore(t, c)
	if err := c.complete(); err != nil {
		t.Fatal(err)
	}
	x, err := newModel(c)
	if err != nil {
		t.Fatal(err)
	}
	defer x.close()
	x.wander()
	rows, v := x.replay(r.acts)
	if v == nil || *v != r.Finding.Violation {
		t.Fatalf("replayed, it ends with %+v, want %+v", v, r.Finding.Violation)
	}
	what := func(rows []result.CheckRow) (all []string) {
		for _, r := range rows {
			all = append(all, r.What)
		}
		return all
	}
	if !slices.Equal(what(rows), what(r.Finding.Rows)) {
		t.Errorf("replayed, it is another one")
	}
	var b strings.Builder
	if err := PrintFinding(&b, r.Finding); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"CPU 0", "CPU 1", "spinlock/xen2008.go:", "A.byte0",
		"reaches memory", "lost wake-up: "} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the counterexample doesn't show %q:\n%s", want, b.String())
		}
	}
}

// Forgetting at heads changes nothing but the number of states: without it the same is found,
// as far as it can be explored.
func TestHeadsForgetNothingThatMatters(t *testing.T) {
	for _, name := range []string{"tas", "ticket", "bytelock", "qspin"} {
		c := Config{Lock: lock(name), CPUs: 2, Client: Plain(2, 2)}
		with := explore(t, c)
		c.noHeads = true
		without := explore(t, c)
		clean(t, with)
		clean(t, without)
	}
	c := Config{Lock: lock("xen2008"), CPUs: 2, Client: keep(Plain(2, 2)), Spin: AnySpin}
	with := explore(t, c)
	c.noHeads = true
	without := explore(t, c)
	if without.Finding == nil || with.Finding == nil || with.Finding.Kind != without.Finding.Kind ||
		with.Finding.Steps != without.Finding.Steps {
		t.Errorf("with heads %+v, without %+v", with.Finding, without.Finding)
	}
}

// What a Head forgets makes no difference: the text does the same from there however it came there.
func TestHeadsAreHeads(t *testing.T) {
	for _, k := range append(spinlock.Kinds(), forgetful()) {
		for _, client := range []Client{Plain(2, 2), Nested(2, 1)} {
			c := Config{Lock: k, CPUs: 2, Client: client, Spin: AnySpin, Spurious: true}
			if client.Handler != nil {
				c.Interrupts = 1
			}
			if err := c.complete(); err != nil {
				t.Fatal(err)
			}
			x, err := newModel(c)
			if err != nil {
				t.Fatal(err)
			}
			x.wander()
			err = x.auto[0].audit(60)
			x.close()
			if bad := k.Name == "forgetful"; bad != (err != nil) {
				t.Errorf("%s, %s: %v", k.Name, client.Name, err)
			}
		}
	}
}

// forgetful is a lock whose head forgets how often it has looked, which it will want to know.
func forgetful() spinlock.Kind {
	k := broken(func(w *spinlock.Word, c *paravirt.CPU) {
		for i := range 3 {
			c.Head(0)
			if i == 2 || c.Cas32(w.Whole(), 0, 1) {
				break
			}
			c.SpinWhile32(w.Whole(), ^uint32(0), 1, uint32(3-i))
		}
	}, nil)
	k.Name = "forgetful"
	return k
}

func TestBoundsAreSaid(t *testing.T) {
	c := Config{Lock: lock("pvqspin"), CPUs: 3, Client: Plain(3, 1), Spin: AnySpin, Spurious: true}
	c.States = 1000
	if r := explore(t, c); r.Complete || r.Bound != "1000 states" {
		t.Errorf("bounded by states: complete %v, bound %q", r.Complete, r.Bound)
	}
	c.States, c.Memory = 0, 1<<20
	if r := explore(t, c); r.Complete || r.Bound != "1 MB of memory" {
		t.Errorf("bounded by memory: complete %v, bound %q", r.Complete, r.Bound)
	}
	c.Memory = 0
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if r, err := Run(ctx, c); err != nil || r.Complete || r.Bound != "time" {
		t.Errorf("bounded by time: %v, %+v", err, r)
	}
}

// A bound on memory is kept within a level too: what is used exceeds it by no more than each
// worker's piece of a level.
func TestMemoryBoundWithinALevel(t *testing.T) {
	c := Config{Lock: lock("pvqspin"), CPUs: 3, Client: Plain(3, 1), Spin: AnySpin, Spurious: true,
		Memory: 40 << 20, Workers: 2}
	if err := c.complete(); err != nil {
		t.Fatal(err)
	}
	x, err := newModel(c)
	if err != nil {
		t.Fatal(err)
	}
	defer x.close()
	x.wander()
	e := &explorer{model: x, stopped: t.Context()}
	r := e.run()
	for r == nil {
		x.dirty.Store(false)
		e = &explorer{model: x, stopped: t.Context()}
		r = e.run()
	}
	if e.cut.Load() == nil || r.Bound != "40 MB of memory" {
		t.Fatalf("cut by %q, and not in the middle of a level", r.Bound)
	}
	bytes := e.seen.count.Load()*visitBytes*3/2 + int64(len(e.edges))*edgeBytes
	if most := c.Memory + c.Memory/8; bytes > most {
		t.Errorf("%d bytes of states and edges, with a bound of %d", bytes, c.Memory)
	}
}

// A client that touches more memory than a state has room for is an error, and no crash.
func TestTooMuchSharedMemoryIsAnError(t *testing.T) {
	for _, grains := range []int{1, 3, 6} {
		c := Config{Lock: lock("pvqspin"), CPUs: 2, Client: Plain(2, 1), grains: grains}
		r, err := Run(t.Context(), c)
		if want := fmt.Sprintf("more than %d bytes of shared memory", 8*grains); err == nil ||
			!strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%d grains: %v, %+v; want one line with %q", grains, err, r, want)
		}
	}
}

// The command's output says how far it went, and what cut it.
func TestOutputSaysWhatWasCut(t *testing.T) {
	var b strings.Builder
	if _, err := Main(t.Context(), Options{Locks: []string{"tas", "pvqspin"}, States: 500},
		&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"explorations, ", "cut by a bound\n",
		"  cut: pvqspin, 2×3, spin any, spurious: 500 states\n"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in:\n%s", want, b.String())
		}
	}
	b.Reset()
	rep, err := Main(t.Context(), Options{Locks: []string{"mutex"}, States: 200, Necessity: true},
		&b)
	if err != nil {
		t.Fatal(err)
	}
	open := 0
	for _, n := range rep.Necessity[0].Needs {
		if n.Breaks == "" && !n.Complete {
			open++
			if len(n.Cut) == 0 {
				t.Errorf("%s %s: neither found nor explored to the end, and nothing says why", n.At,
					n.Change)
			}
		}
	}
	if want := fmt.Sprintf("%d are not found, cut by a bound\n", open); open == 0 ||
		!strings.Contains(b.String(), want) || !strings.Contains(b.String(), ": 200 states, ") {
		t.Errorf("no %q in:\n%s", want, b.String())
	}
}

// How far a waiter is passed over: fair locks serve it next, unfair ones when it happens.
func TestPassing(t *testing.T) {
	const times = 4
	for name, most := range map[string]int{"ticket": 1, "pvticket": 1, "qspin": 1,
		"bytelock": times, "xen": times} {
		c := Config{Lock: lock(name), CPUs: 2, Client: Passing(times), Spurious: true, Bypass: true}
		r := explore(t, c)
		clean(t, r)
		if r.Passed > most || most == times && r.Passed < 2 {
			t.Errorf("%s: passed over %d times", name, r.Passed)
		}
	}
}

// A vCPU that was kicked twice for one acquisition is waste, and no violation: 2015's lock kicks at
// the head of the queue, and again at the unlock. With the kick delayed to the unlock a CPU is
// kicked again only when another has taken the lock past it.
func TestWaste(t *testing.T) {
	at := place("spinlock/pvqspin2015.go", "pvUnlockSlow2015", "c.Load8(node.State()) == halted")
	r := explore(t,
		Config{Lock: lock("pvqspin2015"), CPUs: 3, Client: keep(Plain(3, 1)), Kicks: true,
			Change: Change{At: at, What: Return, Value: 1}})
	if r.Finding != nil || r.Kicks != 2 {
		t.Errorf("pvqspin2015: %d kicks for one acquisition at most, want 2; found %+v", r.Kicks,
			r.Finding)
	}
}

// Without names, a client is run over the locks that it is for.
func TestClientsFindTheirLocks(t *testing.T) {
	for client, want := range map[string]struct{ mutex, others bool }{"plain": {true, true},
		"nested": {false, true}, "giving-up": {true, false}} {
		o := Options{Client: client, CPUs: 2, Times: 1}
		p, err := o.plan()
		if err != nil {
			t.Fatal(err)
		}
		var mutex, others bool
		for _, c := range p.runs {
			mutex = mutex || c.mutex()
			others = others || !c.mutex()
		}
		if mutex != want.mutex || others != want.others {
			t.Errorf("%s: mutex %v, others %v; want %v", client, mutex, others, want)
		}
	}
}

func TestBadOptions(t *testing.T) {
	for _, c := range []struct {
		o    Options
		want string
	}{
		{Options{Locks: []string{"nosuch"}}, "want one of bytelock, ticket"},
		{Options{Model: "arm"}, "want tso or sc"},
		{Options{Client: "nosuch", CPUs: 2, Times: 1}, "want one of [plain"},
		{Options{Client: "plain", CPUs: 9, Times: 1}, "want 1 to 4"},
		{Options{Client: "plain", CPUs: 2, Times: 0}, "want 1 to 8"},
		{Options{Client: "plain", CPUs: 2, Times: 1, Spin: "7"}, "want 0, 1 or any"},
		{Options{Client: "nested", CPUs: 2, Times: 1, Interrupts: 9}, "want 0 to 4"},
		{Options{Buffer: 99}, "want 1 to 8"},
		{Options{States: -1}, "want 0 (none) or more"},
		{Options{Locks: []string{"mutex"}, Client: "nested", CPUs: 2, Times: 1},
			"want one of [plain try giving-up]"},
		{Options{Locks: []string{"xen"}, Client: "giving-up", CPUs: 2, Times: 1},
			"is for the mutex"},
		{Options{Scenarios: []string{"nosuch"}}, "want all, or some of xen2008-fence"},
	} {
		err := c.o.Check()
		if err == nil || !strings.Contains(err.Error(), c.want) ||
			strings.Contains(err.Error(), "\n") {
			t.Errorf("%+v: %v, want one line with %q", c.o, err, c.want)
		}
	}
}
