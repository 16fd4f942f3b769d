package spinlock_test

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"example.com/pvlock/internal/arch"
	"example.com/pvlock/internal/chanmachine"
	"example.com/pvlock/paravirt"
	"example.com/pvlock/spinlock"
)

// busted is a lock that does not exclude: the control that the harness must
// catch.
func busted() spinlock.Kind {
	yes := func(*spinlock.Word, *paravirt.CPU) bool { return true }
	nop := func(*spinlock.Word, *paravirt.CPU) {}
	return spinlock.Kind{Name: "busted", MaxCPUs: paravirt.MaxCPUs, Lock: nop, Unlock: nop,
		TryLock: yes, IsLocked: yes, IsContended: yes}
}

func machine(t testing.TB, n int, k spinlock.Kind, tune paravirt.Tunables,
	o chanmachine.Options) *paravirt.Machine {
	t.Helper()
	m, err := chanmachine.New(
		paravirt.Config{CPUs: n, Tunables: tune, Wait: k.Wait, Kick: k.Kick, Stats: true}, o)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// guarded is what a lock guards: two cache lines that always agree, in cells, so
// that a broken lock is a finding and not a data race; and a plain one, for the
// race detector.
type guarded struct {
	lock  spinlock.Word
	_     [60]byte
	one   arch.U32
	_     [60]byte
	two   arch.U32
	_     [60]byte
	plain int

	arrived arch.U32 // CPUs that are ready to begin
}

// enter is a critical section. It reports what it found wrong.
func (g *guarded) enter(c *paravirt.CPU, k *spinlock.Kind, yield bool) string {
	a, b := c.Load32(&g.one), c.Load32(&g.two)
	c.Store32(&g.one, a+1)
	if yield {
		runtime.Gosched()
	} else {
		g.plain++
		c.Work(60) // long enough for others to come
	}
	c.Store32(&g.two, b+1)
	switch {
	case a != b:
		return fmt.Sprintf("the lines disagree: %d, %d", a, b)
	case !k.IsLocked(&g.lock, c):
		return "IsLocked says no while the lock is held"
	}
	return ""
}

// hammer runs n CPUs that take the lock so many times each, every fourth time by TryLock
// if that succeeds. It returns how often somebody had to be rescued, and what was found.
func hammer(t *testing.T, m *paravirt.Machine, k spinlock.Kind, times int,
	yield bool) (rescues int, findings []string) {
	t.Helper()
	g := new(guarded)
	found := make([]string, m.CPUs())
	done, stopped := make(chan struct{}), make(chan int)
	go rescue(m, done, stopped)
	if err := chanmachine.Run(m, func(c *paravirt.CPU) {
		for c.Add32(&g.arrived, 1); c.Load32(&g.arrived) < uint32(m.CPUs()); {
			runtime.Gosched() // begin together
		}
		for i := range times {
			if i%4 != 3 || !k.TryLock(&g.lock, c) {
				k.Lock(&g.lock, c)
			}
			if bad := g.enter(c, &k, yield); bad != "" {
				found[c.ID()] = bad
			}
			k.Unlock(&g.lock, c)
		}
	}); err != nil {
		t.Fatal(err)
	}
	close(done)
	rescues = <-stopped
	for cpu, bad := range found {
		if bad != "" {
			findings = append(findings, fmt.Sprintf("CPU %d: %s", cpu, bad))
		}
	}
	var c arch.Core
	if got, want := int(c.Load32(&g.one)), times*m.CPUs(); got != want {
		findings = append(findings,
			fmt.Sprintf("%d critical sections of %d left their mark", got, want))
	}
	if k.Name != "busted" {
		if g.plain != times*m.CPUs() {
			findings = append(findings, fmt.Sprintf("plain count is %d", g.plain))
		}
		findings = append(findings, leftovers(m, k, &g.lock)...)
	}
	return rescues, findings
}

// rescue is the watchdog: it notifies a CPU that it has seen asleep in each of many looks in a row.
// That ends a sleep which nothing else would, and is a useless kick otherwise: it counts.
func rescue(m *paravirt.Machine, done chan struct{}, stopped chan int) {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	seen, rescues := make([]int, m.CPUs()), 0
	for {
		select {
		case <-done:
			stopped <- rescues
			return
		case <-tick.C:
		}
		for i := range seen {
			if seen[i]++; !m.Asleep(i) {
				seen[i] = 0
			}
		}
		for i := range seen {
			if seen[i] > 1000 { // a second
				m.Rescue(i)
				seen[i], rescues = 0, rescues+1
			}
		}
	}
}

// leftovers says what a lock left behind when nobody holds or awaits it.
func leftovers(m *paravirt.Machine, k spinlock.Kind, w *spinlock.Word) (bad []string) {
	var c arch.Core
	v := c.Load32(w.Whole())
	switch k.Name {
	case "ticket":
		if v>>16 != v&0xffff {
			bad = append(bad, fmt.Sprintf("head and tail differ: %#x", v))
		}
	case "pvticket":
		if v>>16 != v&0xfffe {
			bad = append(bad, fmt.Sprintf("head and tail differ: %#x", v))
		}
	default:
		if v != 0 {
			bad = append(bad, fmt.Sprintf("the word is %#x, not 0", v))
		}
	}
	if k.IsLocked(w, m.CPU(0)) || k.IsContended(w, m.CPU(0)) {
		bad = append(bad, "the lock says that it is held or contended")
	}
	for i, e := range m.Hash() {
		if c.LoadPtr(&e.Lock) != 0 {
			bad = append(bad, fmt.Sprintf("entry %d of the table is not free", i))
		}
	}
	for i := range m.CPUs() {
		if c.LoadPtr(&m.Slot(uint32(i)).Lock) != 0 {
			bad = append(bad, fmt.Sprintf("CPU %d still says that it waits", i))
		}
		if code, ok := m.CPU(i).TakeNode(); !ok || code&3 != 0 {
			bad = append(bad, fmt.Sprintf("CPU %d has nodes in use", i))
		}
		m.CPU(i).DropNode()
		if m.CPU(i).EnterWait() {
			bad = append(bad, fmt.Sprintf("CPU %d has a wait under way", i))
		}
		m.CPU(i).ExitWait()
	}
	for i := range m.Waiting() {
		if c.Load32(&m.Waiting()[i]) != 0 {
			bad = append(bad, "the mask of waiting CPUs is not empty")
		}
	}
	return bad
}

func sum(m *paravirt.Machine, e paravirt.Event) (n uint64) {
	for i := range m.CPUs() {
		n += m.CPU(i).Stats().Events[e].Value()
	}
	return n
}

// checkCounters compares the counters with what happened.
func checkCounters(t *testing.T, m *paravirt.Machine, acquisitions uint64, rescues int) {
	t.Helper()
	atMost := func(what string, a, b uint64) {
		t.Helper()
		if a > b {
			t.Errorf("%s: %d > %d", what, a, b)
		}
	}
	e := func(e paravirt.Event) uint64 { return sum(m, e) }
	kicks := e(paravirt.EventKick)
	atMost("contended, acquisitions", e(paravirt.Contended), acquisitions)
	atMost("blocked, contended", e(paravirt.Blocked), e(paravirt.Contended))
	atMost("wake-ups, kicks", e(paravirt.EventWakeup), kicks+uint64(rescues))
	atMost("waits ended by a kick, kicks", e(paravirt.KickWake), kicks+e(paravirt.EventUnbound))
	atMost("kicks at unlock, kicks", e(paravirt.KickUnlock), kicks+e(paravirt.EventUnbound))
	atMost("slow releases with a kick, kicks", e(paravirt.ReleasedSlowKicked),
		kicks+e(paravirt.EventUnbound))
	atMost("by the queue and by pending, contended",
		e(paravirt.LockSlowpath)+e(paravirt.LockPending)+e(paravirt.LockNoNode),
		e(paravirt.Contended))
	atMost("stolen, by the queue", e(paravirt.LockStealing), e(paravirt.LockSlowpath))
	atMost("pickups, slow", e(paravirt.TakenSlowPickup), e(paravirt.TakenSlow))
	atMost("early waits, waits", e(paravirt.WaitEarly), e(paravirt.WaitNode))
	atMost("waits again, waits", e(paravirt.WaitAgain), e(paravirt.WaitHead))
	atMost("unhashed, hashed", e(paravirt.KickUnlock), e(paravirt.HashHops))
	var histogram uint64
	for i := range m.CPUs() {
		for j := range paravirt.HistBuckets {
			histogram += m.CPU(i).Stats().Rounds[j].Value() + m.CPU(i).Stats().Blocking[j].Value()
		}
	}
	if histogram != e(paravirt.Contended) {
		t.Errorf("%d acquisitions in the histograms, %d contended", histogram,
			e(paravirt.Contended))
	}
}

// Every lock of the catalogue excludes, with each spin budget, leaves nothing behind, and
// counts what happened.
func TestExclusion(t *testing.T) {
	for _, k := range spinlock.Kinds() {
		for _, budget := range []uint32{paravirt.None, 1, k.Tunables.Spin} {
			for _, cpus := range []int{2, 4} {
				if !k.Sleeps && budget != k.Tunables.Spin {
					continue // it has no budget
				}
				t.Run(fmt.Sprintf("%s/spin=%d/cpus=%d", k.Name, budget, cpus), func(t *testing.T) {
					times := 4000
					long := budget > 1 && budget != paravirt.None
					if cpus > runtime.GOMAXPROCS(0) && long || cpus > 2 && !k.Sleeps {
						times = 50 // waiters that spin hold up the one they wait for
					}
					tune := k.Tunables
					tune.Spin = budget
					m := machine(t, cpus, k, tune, chanmachine.Options{Spurious: budget == 1})
					rescues, findings := hammer(t, m, k, times, false)
					for _, f := range findings {
						t.Error(f)
					}
					if rescues > 0 {
						t.Logf("%d lost wake-ups", rescues)
						if !k.LosesWakeups {
							t.Errorf("%d lost wake-ups", rescues)
						}
					}
					checkCounters(t, m, uint64(times*cpus), rescues)
				})
			}
		}
	}
}

// The harness catches a lock that does not exclude.
func TestBustedIsCaught(t *testing.T) {
	k := busted()
	m := machine(t, 4, k, k.Tunables, chanmachine.Options{})
	if _, findings := hammer(t, m, k, 1000, true); len(findings) == 0 {
		t.Error("nothing was found wrong with a lock that does nothing")
	}
}

// The queued lock's knobs: each of their extremes excludes too.
func TestExclusionWithEveryKnob(t *testing.T) {
	for _, k := range spinlock.Kinds() {
		if k.Name != "pvqspin" {
			continue
		}
		for _, tune := range []paravirt.Tunables{
			{Spin: 20, Steal: paravirt.None}, {Spin: 20, Steal: 1}, {Spin: 20, Steal: arch.Forever},
			{Spin: 20, NoWaitEarly: true}, {Spin: 20, PrevCheck: paravirt.None},
			{Spin: 20, PrevCheck: 7, Steal: 5},
			{Spin: paravirt.None, PrevCheck: 1, Steal: arch.Forever},
		} {
			t.Run(fmt.Sprintf("%+v", tune), func(t *testing.T) {
				m := machine(t, 4, k, tune, chanmachine.Options{})
				rescues, findings := hammer(t, m, k, 3000, false)
				for _, f := range findings {
					t.Error(f)
				}
				if rescues > 0 {
					t.Errorf("%d lost wake-ups", rescues)
				}
				checkCounters(t, m, 4*3000, rescues)
			})
		}
	}
}

// One CPU, nobody else: what each call does and says.
func TestAlone(t *testing.T) {
	for _, k := range spinlock.Kinds() {
		t.Run(k.Name, func(t *testing.T) {
			m := machine(t, 1, k, k.Tunables, chanmachine.Options{})
			for _, up := range []bool{false, true} { // a lock works before its CPU is up
				if up {
					m.CPU(0).Up()
				}
				c, w := m.CPU(0), new(spinlock.Word)
				for i := range 70000 { // tickets wrap
					if k.IsLocked(w, c) || k.IsContended(w, c) {
						t.Fatalf("round %d: a free lock says that it is held or contended", i)
					}
					if i%2 == 0 {
						k.Lock(w, c)
					} else if !k.TryLock(w, c) {
						t.Fatalf("round %d: TryLock fails on a free lock", i)
					}
					if !k.IsLocked(w, c) || k.IsContended(w, c) {
						t.Fatalf("round %d: held by one: IsLocked %v, IsContended %v", i,
							k.IsLocked(w, c), k.IsContended(w, c))
					}
					if i < 300 && k.TryLock(w, c) {
						t.Fatalf("round %d: TryLock takes a lock that is held", i)
					}
					k.Unlock(w, c)
				}
				if n := sum(m, paravirt.EventKick); n != 0 {
					t.Errorf("%d kicks without a waiter", n)
				}
				for _, bad := range leftovers(m, k, w) {
					t.Error(bad)
				}
			}
		})
	}
}

func TestNoAllocation(t *testing.T) {
	for _, k := range spinlock.Kinds() {
		m := machine(t, 1, k, k.Tunables, chanmachine.Options{})
		c, w := m.CPU(0), new(spinlock.Word)
		c.Up()
		if n := testing.AllocsPerRun(100, func() { k.Lock(w, c); k.Unlock(w, c) }); n != 0 {
			t.Errorf("%s: %v allocations", k.Name, n)
		}
	}
}

// await spins until cond holds. It needs no time limit of its own: go test has one.
func await(cond func() bool) {
	for !cond() {
		runtime.Gosched()
	}
}

// While the holder holds on, every waiter goes to sleep; when it lets go, each is
// woken in its turn.
func TestWaitersSleepAndAreWoken(t *testing.T) {
	for _, k := range spinlock.Kinds() {
		if !k.Sleeps {
			continue
		}
		t.Run(k.Name, func(t *testing.T) {
			const cpus = 5
			tune := k.Tunables
			tune.Spin = 1
			tune.Steal = 1 // one that may steal while the head sleeps does not sleep
			m := machine(t, cpus, k, tune, chanmachine.Options{})
			w := new(spinlock.Word)
			held, got := make(chan struct{}), 0
			chanmachine.Run(m, func(c *paravirt.CPU) {
				if c.ID() == 0 {
					k.Lock(w, c)
					close(held)
					for i := 1; i < cpus; i++ {
						await(func() bool { return m.Asleep(i) })
					}
					if !k.IsContended(w, c) {
						t.Error("four CPUs sleep, and IsContended says no")
					}
				} else {
					<-held
					k.Lock(w, c)
				}
				got++
				k.Unlock(w, c)
			})
			if got != cpus {
				t.Errorf("%d of %d CPUs had the lock", got, cpus)
			}
			if n := sum(m, paravirt.Blocked); n != cpus-1 {
				t.Errorf("%d acquisitions blocked, want %d", n, cpus-1)
			}
			for _, bad := range leftovers(m, k, w) {
				t.Error(bad)
			}
			checkCounters(t, m, cpus, 0)
		})
	}
}

// A CPU holds two locks at once, and others want both, in the same order.
func TestTwoLocksNest(t *testing.T) {
	for _, k := range spinlock.Kinds() {
		t.Run(k.Name, func(t *testing.T) {
			tune := k.Tunables
			tune.Spin = min(tune.Spin, 8)
			m := machine(t, 2, k, tune, chanmachine.Options{})
			var outer, inner spinlock.Word
			n := 0
			done, stopped := make(chan struct{}), make(chan int)
			go rescue(m, done, stopped)
			chanmachine.Run(m, func(c *paravirt.CPU) {
				for range 1000 {
					k.Lock(&outer, c)
					k.Lock(&inner, c)
					n++
					k.Unlock(&outer, c)
					n++
					k.Unlock(&inner, c)
				}
			})
			close(done)
			if r := <-stopped; r > 0 && !k.LosesWakeups {
				t.Errorf("%d lost wake-ups", r)
			}
			if n != 4000 {
				t.Errorf("counted %d of 4000", n)
			}
			for _, bad := range append(leftovers(m, k, &outer), leftovers(m, k, &inner)...) {
				t.Error(bad)
			}
		})
	}
}

// A fifth nested wait finds no queue node, and takes its lock all the same.
func TestFifthNestedWait(t *testing.T) {
	for _, k := range spinlock.Kinds() {
		t.Run(k.Name, func(t *testing.T) {
			m := machine(t, 3, k, k.Tunables, chanmachine.Options{})
			w := new(spinlock.Word)
			c, other := m.CPU(0), m.CPU(1)
			for range paravirt.Contexts {
				c.TakeNode() // as contexts do that wait
			}
			k.Lock(w, other)
			var done sync.WaitGroup
			if k.Name == "qspin" {
				done.Go(func() { // the first waiter needs no node
					k.Lock(w, m.CPU(2))
					k.Unlock(w, m.CPU(2))
				})
				await(func() bool { return k.IsContended(w, other) })
			}
			done.Go(func() {
				k.Lock(w, c)
				k.Unlock(w, c)
			})
			if k.Name == "qspin" || k.Name == "pvqspin2015" || k.Name == "pvqspin" {
				await(func() bool { return sum(m, paravirt.LockNoNode) == 1 })
			}
			k.Unlock(w, other)
			done.Wait()
			for range paravirt.Contexts {
				c.DropNode()
			}
			for _, bad := range leftovers(m, k, w) {
				t.Error(bad)
			}
		})
	}
}

// An interrupt that comes between a waiter's last look and its poll, and waits for a lock
// itself while the outer lock is released, does not swallow the outer wake-up: for each pair of
// kinds that sleep and lose none, whether the interrupt's wait sleeps, picks its lock up on its
// last look, or is in an NMI. xen2008 in itself, as the control, does swallow it.
func TestInterruptsWaitDoesNotSwallowTheOuterWakeup(t *testing.T) {
	sleepers := func() (ks []spinlock.Kind) {
		for _, k := range spinlock.Kinds() {
			if k.Sleeps && (!k.LosesWakeups || k.Name == "xen2008") {
				ks = append(ks, k)
			}
		}
		return ks
	}
	for _, outer := range sleepers() {
		for _, inner := range sleepers() {
			if outer.LosesWakeups != inner.LosesWakeups {
				continue
			}
			for _, how := range []string{"sleeps", "picks up", "nmi"} {
				if outer.LosesWakeups && how == "nmi" {
					continue
				}
				t.Run(fmt.Sprintf("%s/in/%s/%s", inner.Name, outer.Name, how), func(t *testing.T) {
					loses := outer.LosesWakeups && how == "picks up"
					if swallowed := nested(t, outer, inner, how); swallowed != loses {
						t.Errorf("wake-up swallowed: %v, want %v", swallowed, loses)
					}
				})
			}
		}
	}
}

// nested: CPU 0 waits for a, which CPU 1 holds; before it polls, an interrupt on it
// makes CPU 1 release a, which kicks CPU 0, and then waits for b, which CPU 2 holds until CPU 0
// sleeps, or is at its last look. It reports whether CPU 0 sleeps on with a free.
func nested(t *testing.T, outer, inner spinlock.Kind, how string) (swallowed bool) {
	nmi := how == "nmi"
	releaseB, releasedB := make(chan struct{}), make(chan struct{})
	var a, b spinlock.Word
	var m *paravirt.Machine
	release, released, holding, interrupted, got := make(chan struct{}), make(chan struct{}),
		make(chan struct{}, 2), make(chan struct{}), make(chan struct{})
	polls := 0
	m = machine(t, 3, spinlock.Kind{},
		paravirt.Tunables{Spin: 1, PrevCheck: 1, Steal: arch.Forever}, chanmachine.Options{
			BeforeClear: func(c *paravirt.CPU) {
				if how == "picks up" && c.ID() == 0 && isClosed(interrupted) &&
					!isClosed(releaseB) {
					close(releaseB)
					<-releasedB
				}
			},
			BeforePoll: func(c *paravirt.CPU) {
				if c.InNMI() {
					t.Error("a CPU is about to sleep in an NMI")
				}
				if c.ID() != 0 {
					return
				}
				if polls++; polls != 1 {
					return
				}
				close(release)
				<-released
				enter := c.EnterInterrupt
				if nmi {
					enter = c.EnterNMI
				}
				was := enter()
				close(interrupted)
				inner.Lock(&b, c)
				inner.Unlock(&b, c)
				c.ExitInterrupt(was)
			}})
	err := chanmachine.Run(m, func(c *paravirt.CPU) {
		switch c.ID() {
		case 0:
			<-holding
			<-holding
			outer.Lock(&a, c)
			outer.Unlock(&a, c)
			close(got)
		case 1:
			outer.Lock(&a, c)
			holding <- struct{}{}
			<-release
			outer.Unlock(&a, c)
			close(released)
			// From here on the watchdog. The lock a is free: a sleeper sleeps on for nothing,
			// once CPU 2 has let b go too.
			<-interrupted
			await(func() bool { return !inner.IsLocked(&b, c) || isClosed(got) })
			for i := 0; i < 200 && !isClosed(got); {
				runtime.Gosched()
				if m.Asleep(0) && !inner.IsLocked(&b, c) {
					i++
				} else {
					i = 0
				}
			}
			if swallowed = !isClosed(got); swallowed {
				m.Rescue(0)
			}
		case 2:
			inner.Lock(&b, c)
			holding <- struct{}{}
			<-interrupted
			switch {
			case nmi: // it spins
				await(func() bool { return inner.Name == "xen" || inner.IsContended(&b, c) })
			case how == "picks up" && inner.Name != "pvqspin":
				<-releaseB
			// it sleeps, or is kept awake by the outer one's kick and then counts its waits
			default:
				await(func() bool { return m.Asleep(0) || sum(m, paravirt.WaitHead) >= 2 })
			}
			inner.Unlock(&b, c)
			close(releasedB)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return swallowed
}

func isClosed(ch chan struct{}) bool {
	select {
	case <-ch:
		return true
	default:
		return false
	}
}

// What the 2008 seed does when its interrupt can't be bound.
func TestACPUWhoseChannelCantBeBoundIsOnlineAndSpins(t *testing.T) {
	const deaf = 1
	refused := errors.New("no channel left")
	for _, k := range spinlock.Kinds() {
		if k.Name == "pvqspin2015" {
			continue // which kicks it: scenario pvqspin2015-kick-unbound
		}
		t.Run(k.Name, func(t *testing.T) {
			m, err := paravirt.New(
				paravirt.Config{CPUs: 3, Tunables: paravirt.Tunables{Spin: 3}, Wait: k.Wait,
					Kick: k.Kick, Channel: paravirt.ChannelOps{
						Bind: func(c *paravirt.CPU) error {
							if c.ID() == deaf {
								return refused
							}
							return nil
						},
						Unbind: func(c *paravirt.CPU) {
							if c.ID() == deaf {
								t.Error("what was not bound is freed")
							}
						},
						Clear: func(*paravirt.CPU) {}, Set: func(*paravirt.CPU) {},
						Test: func(*paravirt.CPU) bool { return true },
						Poll: func(c *paravirt.CPU) {
							if c.ID() == deaf {
								t.Error("it sleeps, and has no channel")
							}
							runtime.Gosched()
						},
						Notify: func(_ *paravirt.CPU, cpu uint32) {
							if cpu == deaf {
								t.Error("it is notified, and has no channel")
							}
						},
					}})
			if err != nil {
				t.Fatal(err)
			}
			for i := range m.CPUs() {
				c := m.CPU(i)
				if err := c.Up(); (i == deaf) != errors.Is(err, refused) || !c.Online() ||
					c.Bound() == (i == deaf) {
					t.Fatalf("CPU %d: %v, online %v, bound %v", i, err, c.Online(), c.Bound())
				}
			}
			var w spinlock.Word
			var running sync.WaitGroup
			const each = 300
			counted := 0
			for i := range m.CPUs() {
				running.Go(func() {
					for range each {
						k.Lock(&w, m.CPU(i))
						counted++
						k.Unlock(&w, m.CPU(i))
					}
					m.CPU(i).Down()
				})
			}
			if running.Wait(); counted != 3*each {
				t.Errorf("counted %d, want %d", counted, 3*each)
			}
		})
	}
}
