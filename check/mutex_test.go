package check

import (
	"os"
	"strings"
	"testing"
)

func mutexOf(cpus int, client Client, spin uint32) Config {
	return Config{Lock: Mutex(), CPUs: cpus, Client: Goroutines(client), Spin: spin}
}

// The mutex is right, whichever waiter gives up and whenever, and with any spinning.
func TestMutex(t *testing.T) {
	for _, c := range Set(Mutex(), os.Getenv("PVLOCK_CHECK") == "full") {
		if testing.Short() && c.CPUs > 2 {
			continue
		}
		r := explore(t, c)
		clean(t, r)
		if !r.Progress {
			t.Errorf("%s: it wasn't checked that the clients come to their end", r.Client)
		}
	}
}

// The membarrier and the fence are needed, each alone, because stores are buffered: with sequential
// consistency nobody misses them. (TestScenarios asserts what is found.)
func TestMutexFencesMatterUnderTSOAlone(t *testing.T) {
	named := mutexOf(2, Plain(2, 1), 0)
	named.Change = Change{At: place("mutex/mutex_slow.go", "recheck", "c.FenceAll()"), What: Drop}
	var b strings.Builder
	if err := PrintFinding(&b, explore(t, named).Finding); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"A.lock 0 → 1", "A.wait is 0", "waiters[", "].Older = 0",
		"mutex/mutex_queue.go:"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the counterexample doesn't show %q:\n%s", want, b.String())
		}
	}
	for _, at := range []string{
		place("mutex/mutex_slow.go", "recheck", "c.FenceAll()"),
		place("mutex/mutex_slow.go", "dequeueNext", "c.Fence()"),
	} {
		c := mutexOf(2, Plain(2, 2), 0)
		c.Change = Change{At: at, What: Drop}
		if r := explore(t, c); r.Finding == nil || r.Finding.Kind != LostWakeup {
			t.Errorf("without %s: found %+v, want %s", at, r.Finding, LostWakeup)
		}
		c.Model = SC
		clean(t, explore(t, c))
	}
}

// What may be done wrong in the mutex is caught.
func TestMutexMutantsAreCaught(t *testing.T) {
	const queue, slow = "mutex/mutex_queue.go", "mutex/mutex_slow.go"
	plain := mutexOf(2, Plain(2, 2), 0)
	three := mutexOf(3, Plain(3, 1), 0)
	giving := mutexOf(2, GivingUp(2, 2, 3), 0)
	for _, m := range []struct {
		name   string
		change Change
		c      Config
	}{
		{"Lock is a plain compare and store",
			Change{At: place("mutex/mutex.go", "tryLock", "c.Take("), What: Split}, plain},
		{"nobody looks after he has entered",
			Change{At: place(slow, "dequeueNext", "c.Load32(&m.lock) != free"), What: Return,
				Value: 1}, plain},
		{"the heir takes it by a plain store",
			Change{At: place(slow, "spinAsHeir", "c.Cas32(&m.lock, free, held)"), What: Split},
			plain},
		{"entered by a plain store",
			Change{At: place(queue, "enqueue", "c.Cas32(&m.wait, b, n)"), What: Split}, three},
		{"nobody is roused",
			Change{At: place(slow, "wakeNext", "c.Unpark(x, handoff, 0)"), What: Drop}, plain},
		{"who gives up takes his wake-up with him",
			Change{At: place(slow, "cancelWait", "c.ParkUntil(w.node, arch.Done{})"), What: Drop},
			giving},
		{"it isn't said how who may give up sleeps",
			Change{At: place(slow, "queueUp", "c.MayGiveUp(w.node, w.done)"), What: Drop}, giving},
		{"two wake at once",
			Change{At: place(slow, "dequeueNext", "b|heirAwake|editing"), What: Split}, three},
	} {
		t.Run(m.name, func(t *testing.T) {
			m.c.Change = m.change
			r := explore(t, m.c)
			if r.Finding == nil {
				t.Fatalf("%s: not caught", m.change)
			}
			t.Logf("%s in %d steps: %s", r.Finding.Kind, r.Finding.Steps, r.Finding.Text)
		})
	}
}

// What its heads forget makes no difference.
func TestMutexHeadsAreHeads(t *testing.T) {
	for _, client := range []Client{Plain(2, 2), GivingUp(2, 2, 3)} {
		c := mutexOf(2, client, AnySpin)
		if err := c.complete(); err != nil {
			t.Fatal(err)
		}
		x, err := newModel(c)
		if err != nil {
			t.Fatal(err)
		}
		x.wander()
		for _, a := range x.auto {
			if err := a.audit(60); err != nil {
				t.Errorf("%s: %v", client.Name, err)
			}
		}
		x.close()
	}
	// And without forgetting the same is found.
	c := mutexOf(2, Plain(2, 1), 0)
	clean(t, explore(t, c))
	c.noHeads = true
	c.States = 500_000
	if r := explore(t, c); r.Finding != nil {
		clean(t, r)
	}
	c.Change = Change{At: place("mutex/mutex_slow.go", "recheck", "c.FenceAll()"), What: Drop}
	without := explore(t, c)
	c.noHeads = false
	with := explore(t, c)
	if with.Finding == nil || without.Finding == nil || with.Finding.Kind != without.Finding.Kind ||
		with.Finding.Steps != without.Finding.Steps {
		t.Errorf("with heads %+v, without %+v", with.Finding, without.Finding)
	}
}
