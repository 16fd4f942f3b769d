package spinlock_test

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"example.com/pvlock/internal/arch"
	"example.com/pvlock/internal/chanmachine"
	"example.com/pvlock/paravirt"
	"example.com/pvlock/spinlock"
)

// subprocess runs this test binary with one test, in which inside returns true.
func subprocess(t *testing.T, test string) (out string, code int) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^"+test+"$")
	cmd.Env = append(os.Environ(), "PVLOCK_TEST_INSIDE="+test)
	b, err := cmd.CombinedOutput()
	if errors.Is(err, syscall.ENOEXEC) {
		t.Skip("this program runs under an emulator, and can't run itself")
	}
	return string(b), cmd.ProcessState.ExitCode()
}

func inside(test string) bool { return os.Getenv("PVLOCK_TEST_INSIDE") == test }

// The doors' tables are the process's, so what depends on when they are filled runs in a process of
// its own: native before, installed once, sealed by the first CPU; and the locks exclude.
func TestDoors(t *testing.T) {
	if !inside("TestDoors") {
		if out, code := subprocess(t, "TestDoors"); code != 0 {
			t.Errorf("exit %d:\n%s", code, out)
		}
		return
	}
	if !spinlock.NativeUnlock() {
		t.Error("the default unlock is not native")
	}
	for op, want := range map[string]string{
		"Queued.SlowPath": "queuedNativeSlow", "Queued.Unlock": "queuedNativeUnlock",
		"Queued.Wait": "waitNothing", "Queued.Kick": "kickNothing",
		"Ticket.Spinning": "ticketSpinNothing", "Ticket.Kick": "ticketKickNothing",
		"Raw.Lock": "(*NativeTicket).Lock",
	} {
		for _, e := range spinlock.Tables() {
			if e.Op == op && !strings.HasSuffix(e.Func, "."+want) {
				t.Errorf("%s is %s at first, want %s", op, e.Func, want)
			}
		}
	}
	for _, err := range []error{
		spinlock.InstallQueued(spinlock.QueuedOps{}),
		spinlock.InstallQueued(
			spinlock.QueuedOps{SlowPath: spinlock.PVQueued().SlowPath,
				Unlock: spinlock.PVQueued().Unlock}),
		spinlock.InstallRaw(spinlock.RawOps{Lock: spinlock.XenRaw().Lock}),
		spinlock.InstallTicket(spinlock.TicketOps{Spinning: spinlock.PVTicketOps().Spinning}),
		spinlock.InstallTicket(spinlock.TicketOps{Kick: spinlock.PVTicketOps().Kick}),
	} {
		if !errors.Is(err, spinlock.ErrIncomplete) {
			t.Errorf("half a table: %v", err)
		}
	}
	for _, step := range []struct {
		err    error
		native bool
	}{
		{spinlock.InstallQueued(spinlock.VirtQueued()), true},
		{spinlock.InstallQueued(spinlock.NativeQueued()), true},
		{spinlock.InstallRaw(spinlock.XenRaw()), true},
		{spinlock.InstallTicket(spinlock.PVTicketOps()), true},
	} {
		if step.err != nil || spinlock.NativeUnlock() != step.native {
			t.Errorf("%v, native unlock: %v", step.err, spinlock.NativeUnlock())
		}
	}
	if err := spinlock.InstallQueued(spinlock.PVQueued()); err != nil || spinlock.NativeUnlock() {
		t.Errorf("%v, native unlock: %v", err, spinlock.NativeUnlock())
	}

	m, err := chanmachine.New(paravirt.Config{CPUs: 3, Stats: true,
		Tunables: paravirt.Tunables{Spin: 3, Steal: 1}}, chanmachine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := m.CPU(0).Bind(); err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{spinlock.InstallQueued(spinlock.NativeQueued()),
		spinlock.InstallRaw(spinlock.ByteRaw()),
		spinlock.InstallTicket(spinlock.NativeTicketOps())} {
		if !errors.Is(err, spinlock.ErrSealed) {
			t.Errorf("installed after a CPU came up: %v", err)
		}
	}
	var q spinlock.Queued
	var r spinlock.Raw
	var tk spinlock.Ticket
	var nq, nr, nt int
	chanmachine.Run(m, func(c *paravirt.CPU) {
		for range 1000 {
			q.Lock(c)
			nq++
			q.Unlock(c)
			r.Lock(c)
			nr++
			r.Unlock(c)
			tk.Lock(c)
			nt++
			tk.Unlock(c)
			if q.TryLock(c) {
				q.Unlock(c)
			}
			if r.TryLock(c) {
				r.Unlock(c)
			}
			if tk.TryLock(c) {
				tk.Unlock(c)
			}
		}
	})
	if nq != 3000 || nr != 3000 || nt != 3000 {
		t.Errorf("counted %d, %d, %d of 3000", nq, nr, nt)
	}
	c := m.CPU(0)
	if q.IsLocked(c) || q.IsContended(c) || r.IsLocked(c) || r.IsContended(c) || tk.IsLocked(c) ||
		tk.IsContended(c) {
		t.Error("a free lock says that it is held or contended")
	}
}

// The table's wait and kick are what the slow path and the unlock call, whatever the machine: it is
// made without any, and with its own, which are passed by.
func TestEveryMachineHonoursTheTablesWaitAndKick(t *testing.T) {
	const name = "TestEveryMachineHonoursTheTablesWaitAndKick"
	if !inside(name) {
		if out, code := subprocess(t, name); code != 0 {
			t.Errorf("exit %d:\n%s", code, out)
		}
		return
	}
	waits, kicks := make(chan bool), make(chan uint32)
	ops := spinlock.PVQueued()
	ops.Wait = func(*paravirt.CPU, *arch.U8, uint8) { waits <- true; <-kicks }
	ops.Kick = func(_ *paravirt.CPU, cpu uint32) { kicks <- cpu }
	if err := spinlock.InstallQueued(ops); err != nil {
		t.Fatal(err)
	}
	for _, own := range []paravirt.Config{
		{},
		{
			Wait: func(*paravirt.CPU, *arch.U8, uint8) { t.Error("the machine's wait is called") },
			Kick: func(*paravirt.CPU, uint32) { t.Error("the machine's kick is called") },
		},
	} {
		own.CPUs, own.Tunables = 2, paravirt.Tunables{Spin: 3}
		m, err := chanmachine.New(own, chanmachine.Options{})
		if err != nil {
			t.Fatal(err)
		}
		var l spinlock.Queued
		l.Lock(m.CPU(0))
		done := make(chan bool)
		go func() {
			defer close(done)
			l.Lock(m.CPU(1))
			l.Unlock(m.CPU(1))
		}()
		<-waits
		l.Unlock(m.CPU(0))
		<-done
	}
}
