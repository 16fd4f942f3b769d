package torture

import (
	"fmt"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"example.com/pvlock/internal/arch"
	"example.com/pvlock/machine"
	"example.com/pvlock/paravirt"
	"example.com/pvlock/rig"
)

// An event is a call of a lock and its return, by a clock that gives each moment once.
type event struct {
	what            action
	got             bool // of a TryLock: that it has the lock
	called, return_ int64
}

type action int

const (
	doLock action = iota
	doTry
	doUnlock
)

func (a action) String() string { return [...]string{"Lock", "TryLock", "Unlock"}[a] }

// operation is an event as the model is given it.
type operation struct {
	cpu  int
	what action
}

// sequential is what a lock is when its calls come one after the other: the state is who holds it,
// 0 for nobody. A weak TryLock may fail though the lock is free: where waiters can be passed over,
// it does while any wait.
func sequential(weak bool) porcupine.Model {
	return porcupine.Model{
		Init: func() any { return 0 },
		Step: func(state, in, out any) (bool, any) {
			holder, op, got := state.(int), in.(operation), out.(bool)
			switch {
			case op.what == doUnlock:
				return holder == op.cpu+1, 0
			case !got:
				return weak || holder != 0, holder
			default:
				return holder == 0, op.cpu + 1
			}
		},
		DescribeOperation: func(in, out any) string { return fmt.Sprintf("%v → %v", in, out) },
	}
}

// history runs a lock for a moment and returns what was called and when it returned.
// It yields while it holds the lock, if it may, so that others come.
func history(t *testing.T, l lock, on string, vcpus, times int, yields bool) []porcupine.Operation {
	t.Helper()
	m, err := rig.New(on, machine.Config{
		VCPUs: vcpus, HostCPUs: mayUse(t), Tunables: l.kind.Tunables, Wait: l.kind.Wait,
		Kick: l.kind.Kick,
	})
	if err != nil {
		t.Fatal(err)
	}
	var (
		clock  atomic.Int64
		ready  atomic.Int64
		word   [2]arch.Word
		events = make([][]event, vcpus)
		over   = make(chan struct{})
	)
	go func() {
		// What some of the locks lose is not what this is about.
		for {
			select {
			case <-over:
				return
			case <-time.After(look):
				for i := range vcpus {
					if m.Paravirt().Asleep(i) {
						m.Paravirt().Rescue(i)
					}
				}
			}
		}
	}()
	_, err = m.Run(func() {}, func(c *paravirt.CPU) {
		note := func(what action, f func() bool) bool {
			e := event{what: what, called: clock.Add(1)}
			e.got = f()
			e.return_ = clock.Add(1)
			events[c.ID()] = append(events[c.ID()], e)
			return e.got
		}
		for ready.Add(1); ready.Load() < int64(vcpus); {
			runtime.Gosched()
		}
		for i := range times {
			got := false
			if i%3 == 2 {
				got = note(doTry, func() bool { return l.kind.TryLock(&word[0], c) })
			} else {
				got = note(doLock, func() bool { l.kind.Lock(&word[0], c); return true })
			}
			if !got {
				continue
			}
			if c.Work(200); yields {
				runtime.Gosched()
			}
			note(doUnlock, func() bool { l.kind.Unlock(&word[0], c); return true })
		}
	})
	close(over)
	if err != nil {
		t.Fatal(err)
	}
	var ops []porcupine.Operation
	for cpu := range events {
		for _, e := range events[cpu] {
			ops = append(ops,
				porcupine.Operation{ClientId: cpu, Input: operation{cpu, e.what}, Output: e.got,
					Call: e.called, Return: e.return_})
		}
	}
	return ops
}

// Every history of a lock is one of a lock whose calls come one after the other.
func TestHistoriesAreThoseOfASequentialLock(t *testing.T) {
	weak := []string{"pvqspin", "mutex", "spinlock"}
	for _, l := range locks() {
		if l.control != "" {
			continue
		}
		t.Run(l.kind.Name, func(t *testing.T) {
			for _, on := range []string{rig.Goroutines, rig.Threads} {
				if l.on != "" && l.on != on {
					continue
				}
				for range 5 {
					ops := history(t, l, on, 3, 16, false)
					if r := porcupine.CheckOperationsTimeout(
						sequential(slices.Contains(weak,
							l.kind.Name)), ops, 20*time.Second); r != porcupine.Ok {
						t.Errorf("%s: the history of %d calls is %v", on, len(ops), r)
					}
				}
			}
		})
	}
}

// Without this the test above might see nothing.
func TestAHistoryOfALockThatDoesNotExcludeIsFound(t *testing.T) {
	open := lock{kind: controlLocks()[0].kind}
	open.kind.Lock = func(*arch.Word, *paravirt.CPU) {}
	open.kind.Unlock = open.kind.Lock
	open.kind.TryLock = func(*arch.Word, *paravirt.CPU) bool { return true }
	if porcupine.CheckOperations(sequential(true), history(t, open, rig.Goroutines, 3, 16, true)) {
		t.Error("the history of a lock that anybody gets at any time is legal")
	}
	// A TryLock that fails for no reason is told from one that may.
	idle := []porcupine.Operation{{Input: operation{0, doTry}, Output: false, Call: 1, Return: 2}}
	if porcupine.CheckOperations(sequential(false), idle) ||
		!porcupine.CheckOperations(sequential(true), idle) {
		t.Error("a TryLock that fails though nobody has the lock: wrong where it may not, right " +
			"where it may")
	}
}
