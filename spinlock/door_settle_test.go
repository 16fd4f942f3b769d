package spinlock_test

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"example.com/pvlock/paravirt"
	"example.com/pvlock/spinlock"
)

// bareMachine returns a machine of whose CPUs none comes up: they may take free locks, and
// release them.
func bareMachine(t *testing.T, cpus int) *paravirt.Machine {
	t.Helper()
	m, err := paravirt.New(
		paravirt.Config{CPUs: cpus, Channel: paravirt.ChannelOps{Poll: func(*paravirt.CPU) {}}})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// An unlock that has looked at the old tables is over before the new ones are in force: else a
// waiter that sleeps by the new ones may be released by the old unlock, and never kicked.
func TestAnInstallWaitsForUnlocksThatLookedBefore(t *testing.T) {
	const name = "TestAnInstallWaitsForUnlocksThatLookedBefore"
	if !inside(name) {
		if out, code := subprocess(t, name); code != 0 {
			t.Errorf("exit %d:\n%s", code, out)
		}
		return
	}
	var entered, leave = make(chan bool), make(chan bool)
	var left atomic.Bool
	slow := spinlock.NativeQueued()
	native := slow.Unlock
	slow.Unlock = func(l *spinlock.Queued, c *paravirt.CPU) {
		close(entered)
		<-leave
		native(l, c)
		left.Store(true)
	}
	if err := spinlock.InstallQueued(slow); err != nil {
		t.Fatal(err)
	}
	c := bareMachine(t, 1).CPU(0)
	go func() {
		var q spinlock.Queued
		q.Lock(c)
		q.Unlock(c)
	}()
	<-entered
	go func() {
		// Long enough for an install that doesn't wait.
		for range 10_000 {
			runtime.Gosched()
		}
		close(leave)
	}()
	err := spinlock.Install(spinlock.PVOps(), func([]spinlock.Call) bool {
		if !left.Load() {
			t.Error("calls are patched while an unlock is under way by the old table")
		}
		return false
	})
	if err != nil || !left.Load() {
		t.Errorf("installed (%v) while an unlock was under way by the old table", err)
	}
}

// The race detector, in a build with it, says whether the tables are read as they are written.
func TestTablesMayChangeWhileCPUsThatNeverCameUpLockAndUnlock(t *testing.T) {
	const name = "TestTablesMayChangeWhileCPUsThatNeverCameUpLockAndUnlock"
	if !inside(name) {
		if out, code := subprocess(t, name); code != 0 {
			t.Errorf("exit %d:\n%s", code, out)
		}
		return
	}
	const cpus, each = 4, 5
	m := bareMachine(t, cpus)
	var running sync.WaitGroup
	var done atomic.Bool
	for i := range cpus {
		running.Go(func() {
			var q spinlock.Queued
			var tk spinlock.Ticket
			for c := m.CPU(i); !done.Load(); {
				q.Lock(c)
				q.Unlock(c)
				tk.Lock(c)
				tk.Unlock(c)
				if q.IsLocked(c) || tk.IsLocked(c) {
					t.Error("a lock was released and is held")
					return
				}
			}
		})
	}
	for range each {
		for _, ops := range []spinlock.Ops{spinlock.PVOps(), spinlock.VirtOps(),
			spinlock.NativeOps()} {
			if err := spinlock.Install(ops, nil); err != nil {
				t.Error(err)
			}
		}
	}
	done.Store(true)
	running.Wait()
}
