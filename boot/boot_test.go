package boot

import (
	"errors"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strings"
	"sync"
	"testing"

	"example.com/pvlock"
	"example.com/pvlock/internal/arch"
	"example.com/pvlock/paravirt"
	"example.com/pvlock/spinlock"
	"example.com/pvlock/textpatch"
)

var shared struct {
	queued spinlock.Queued
	raw    spinlock.Raw
}

func contend(t *testing.T) {
	t.Helper()
	if err := Exercise(300); err != nil {
		t.Error(err)
	}
}

func TestEachModeInstallsItsTablesAndItsLocksExclude(t *testing.T) {
	if !inChild(t) {
		for _, mode := range []string{"native", "pv", "tas"} {
			for _, patch := range []string{"0", "1"} {
				mustPass(t, "PVLOCK="+mode, "PVLOCK_PATCH="+patch)
			}
		}
		return
	}
	r, err := Boot(Config{})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string][3]string{
		//        queued's slow path, ticket's kick, raw's lock
		"native": {"queuedNativeSlow", "ticketKickNothing", "(*NativeTicket).Lock"},
		"pv":     {"queuedPVSlow", "pvTicketKick", "(*Xen).Lock"},
		"tas":    {"queuedVirtSlow", "ticketKickNothing", "(*ByteLock).Lock"},
	}[os.Getenv(EnvMode)]
	have := map[string]string{}
	for _, e := range r.After {
		have[e.Op] = opName(e.Func)
	}
	if got := [3]string{have["Queued.SlowPath"], have["Ticket.Kick"],
		have["Raw.Lock"]}; got != want {
		t.Errorf("the tables have %v, want %v", got, want)
	}
	if native := os.Getenv(EnvMode) != "pv"; spinlock.NativeUnlock() != native ||
		r.Decision.Mode.String() != os.Getenv(EnvMode) {
		t.Errorf("native unlock: %v, decision %v", spinlock.NativeUnlock(), r.Decision)
	}
	found, patched, unsure := r.Patch.Sites()
	t.Logf("%d calls, %d patched, %d unsure, in %v: %+v", found, patched, unsure, r.Patch.Took,
		r.Patch.Calls)
	contend(t)
}

// opName returns a function's name without its package's.
func opName(name string) string {
	name = name[strings.LastIndex(name, "/")+1:]
	return name[strings.Index(name, ".")+1:]
}

// What a table's name stands for: the functions of the lock of that name, and no others.
var tableFuncs = map[string]string{
	"ticket": "(*NativeTicket).", "byte": "(*ByteLock).", "xen2008": "(*Xen2008).",
	"xen2008text": "(*Xen2008Text).", "xen": "(*Xen).",
}

func TestATableIsInstalledByNameAndAllItsCallsArePatched(t *testing.T) {
	if !inChild(t) {
		for _, name := range tableNames() {
			mustPass(t, "PVLOCK="+name, "PVLOCK_PATCH=1")
		}
		mustPass(t, "PVLOCK=native,xen2008,pvqspin2015", "PVLOCK_PATCH=1")
		return
	}
	r, err := Boot(Config{})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{}
	for word := range strings.SplitSeq(os.Getenv(EnvMode), ",") {
		switch word {
		case "native":
		case "virt":
			want["Queued.SlowPath"], want["Queued.Unlock"] = "queuedVirtSlow", "queuedNativeUnlock"
		case "pvqspin2015":
			want["Queued.SlowPath"], want["Queued.Unlock"] = "queuedPVSlow2015",
				"queuedPVUnlock2015"
			want["Queued.Wait"], want["Queued.Kick"] = "WaitEvent2015", "KickEvent2015"
		case "pvqspin":
			want["Queued.SlowPath"], want["Queued.Wait"] = "queuedPVSlow", "(*CPU).Wait"
		default:
			for _, op := range []string{"IsLocked", "IsContended", "Lock", "TryLock", "Unlock"} {
				want["Raw."+op] = tableFuncs[word] + op
			}
		}
	}
	for _, e := range r.After {
		if w := want[e.Op]; w != "" && opName(e.Func) != w {
			t.Errorf("%s is %s, want %s", e.Op, e.Func, w)
		}
	}
	if canPatch(t) {
		found, patched, unsure := r.Patch.Sites()
		if !r.Patch.Done || found == 0 || patched != found || unsure != 0 {
			t.Errorf("%d calls, %d patched, %d unsure: %s", found, patched, unsure, r.Patch.Why)
		}
		for _, c := range r.Patch.Calls {
			if c.Became == "" {
				t.Errorf("%s is not patched: its operation does not count as the package's own",
					c.Name)
			}
		}
	}
	contend(t)
}

// canPatch says that this build, on this machine, must be able to: else a test that finds nothing
// patched would show nothing.
func canPatch(t *testing.T) bool {
	if !textpatch.Supported {
		return false
	}
	if runtime.GOARCH == "arm64" {
		if f, err := os.ReadFile("/proc/sys/kernel/ostype"); err != nil || len(f) == 0 {
			t.Skip("no /proc")
		}
	}
	return true
}

// TestPatchingIsNotSilentlyLeftOut is for the fault of the 2015 seed, whose 32-bit half was
// compiled out by a misspelt option, and nobody noticed.
func TestPatchingIsNotSilentlyLeftOut(t *testing.T) {
	if !inChild(t) {
		if want := runtime.GOOS == "linux" &&
			(runtime.GOARCH == "amd64" || runtime.GOARCH == "386" ||
				runtime.GOARCH == "arm64"); textpatch.Supported != want && !purego {
			t.Errorf("patching is in this build: %v, want %v", textpatch.Supported, want)
		}
		for _, patch := range []string{"1", "calls"} {
			mustPass(t, "PVLOCK=native", "PVLOCK_PATCH="+patch)
			mustPass(t, "PVLOCK=pv", "PVLOCK_PATCH="+patch)
		}
		return
	}
	r, err := Boot(Config{})
	if err != nil {
		t.Fatal(err)
	}
	if !canPatch(t) {
		if r.Patch.Done || !strings.Contains(r.Patch.Why, "no patching in a build") {
			t.Errorf("%+v", r.Patch)
		}
		return
	}
	if !r.Patch.Done {
		t.Fatalf("not patched: %s", r.Patch.Why)
	}
	native := spinlock.NativeUnlock()
	for _, c := range r.Patch.Calls {
		// What this file's functions call at least, and the slow paths: two waits and a kick of the
		// lock of today, and two and two of the seed's.
		least := map[string]int{"Queued.Lock's slow path": 1, "Queued.Unlock": 2,
			"Queued's wait": 4, "Queued's kick": 3,
			"Ticket's spinning": 1, "Ticket's kick": 1, "Raw.Lock": 1, "Raw.Unlock": 1}[c.Name]
		if c.Found < least || c.Patched != c.Found {
			t.Errorf("%s: %d found, %d patched, want all, and at least %d", c.Name, c.Found,
				c.Patched, least)
		}
		want := "call"
		switch {
		case textpatch.Bodies:
			want = "body"
		case native && c.Name == "Queued.Unlock" && !raceEnabled && !arch.Debug &&
			os.Getenv(EnvPatch) != "calls":
			want = "store"
		case native &&
			(strings.HasPrefix(c.Name, "Queued's") || strings.HasPrefix(c.Name, "Ticket's")):
			want = "nop"
		}
		if c.Became != want {
			t.Errorf("%s became a %q, want %q", c.Name, c.Became, want)
		}
	}
	if textpatch.Bodies {
		return
	}
	var doors []uintptr
	for _, c := range r.Patch.Calls {
		doors = append(doors, c.entry)
	}
	if left, _, err := textpatch.Calls(doors...); err != nil || len(left) != 0 {
		t.Errorf("calls that are still there: %v, %v", left, err)
	}
}

func TestNothingChangesOnceACPUHasComeUp(t *testing.T) {
	if !inChild(t) {
		mustPass(t)
		return
	}
	first, err := Boot(Config{Mode: Native, Patch: PatchOff})
	if err != nil {
		t.Fatal(err)
	}
	second, err := Boot(Config{Mode: TestAndSet, Patch: PatchOff})
	if err != nil || first == second || second.Decision.Mode != TestAndSet {
		t.Fatalf("before a CPU comes up: %+v, %v", second, err)
	}
	contend(t)
	if r, err := Boot(Config{Mode: Paravirtual}); !errors.Is(err, spinlock.ErrSealed) || r != nil {
		t.Errorf("another mode: %v, %v", r, err)
	}
	if r, err := Boot(Config{Mode: TestAndSet, Patch: PatchOn}); !errors.Is(err,
		spinlock.ErrSealed) || r != nil {
		t.Errorf("patching: %v, %v", r, err)
	}
	if r, err := Boot(Config{Mode: TestAndSet}); err != nil || r != second {
		t.Errorf("the same again: %v, %v", r, err)
	}
	if tables := spinlock.Tables(); tables[0].Func != second.After[0].Func {
		t.Errorf("the tables have changed: %v", tables)
	}
}

func TestNothingChangesOnceSomebodyHasWaited(t *testing.T) {
	for name, wait := range map[string]func(){
		"queued": func() {
			// The lock is held, and becomes free when the waiter has been seen to wait.
			m := bareMachine(t)
			shared.queued.Lock(m.CPU(0))
			done := make(chan bool)
			go func() {
				defer close(done)
				shared.queued.Lock(m.CPU(1))
			}()
			for !shared.queued.IsContended(m.CPU(0)) {
				runtime.Gosched()
			}
			shared.queued.Unlock(m.CPU(0))
			<-done
		},
		"raw": func() { shared.raw.Lock(bareMachine(t).CPU(0)) },
	} {
		t.Run(name, func(t *testing.T) {
			if !inChild(t) {
				mustPass(t)
				return
			}
			wait()
			if _, err := Boot(Config{Mode: Paravirtual}); !errors.Is(err, spinlock.ErrSealed) {
				t.Errorf("%v, want %v", err, spinlock.ErrSealed)
			}
		})
	}
}

// bareMachine returns a machine of whose CPUs none is up.
func bareMachine(t *testing.T) *paravirt.Machine {
	m, err := paravirt.New(
		paravirt.Config{CPUs: 2,
			Channel: paravirt.ChannelOps{Poll: func(*paravirt.CPU) {
				t.Error("a CPU that is not up slept")
			}},
			Tunables: paravirt.Tunables{Spin: 100, Pending: 1 << 9}})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestAnUnlockThatFindsASleeperKicksIt(t *testing.T) {
	if !inChild(t) {
		for _, patch := range []string{"0", "1"} {
			mustPass(t, "PVLOCK=pv", "PVLOCK_PATCH="+patch)
		}
		return
	}
	if _, err := Boot(Config{}); err != nil {
		t.Fatal(err)
	}
	m, asleep := sleepingMachine(t)
	shared.queued.Lock(m.CPU(0))
	done := make(chan bool)
	go func() {
		defer close(done)
		shared.queued.Lock(m.CPU(1))
		shared.queued.Unlock(m.CPU(1))
	}()
	<-asleep
	shared.queued.Unlock(m.CPU(0))
	<-done
	if shared.queued.IsLocked(m.CPU(0)) {
		t.Error("the lock is still held")
	}
}

// sleepingMachine returns a machine of two CPUs, of which CPU 1 may wait: that closes asleep, and
// lasts until CPU 1 is kicked.
func sleepingMachine(t *testing.T) (m *paravirt.Machine, asleep chan bool) {
	t.Helper()
	asleep = make(chan bool)
	kicked := make(chan uint32, 1)
	m, err := paravirt.New(paravirt.Config{
		CPUs: 2, Tunables: paravirt.Tunables{Spin: 100, Pending: 1 << 9},
		Channel: paravirt.ChannelOps{Poll: func(*paravirt.CPU) {}},
		Wait: func(*paravirt.CPU, *arch.U8, uint8) {
			close(asleep)
			if cpu := <-kicked; cpu != 1 {
				t.Errorf("CPU %d was kicked, and 1 sleeps", cpu)
			}
		},
		Kick: func(_ *paravirt.CPU, cpu uint32) { kicked <- cpu },
	})
	if err != nil {
		t.Fatal(err)
	}
	return m, asleep
}

func TestPatchedTextFixesTheTables(t *testing.T) {
	if !inChild(t) {
		mustPass(t)
		return
	}
	r, err := Boot(Config{Mode: Native, Patch: PatchOn})
	if err != nil {
		t.Fatal(err)
	}
	if !r.Patch.Done {
		t.Skip(r.Patch.Why)
	}
	if _, err := Boot(Config{Mode: Paravirtual}); !errors.Is(err, spinlock.ErrPatched) {
		t.Errorf("%v, want %v", err, spinlock.ErrPatched)
	}
	if err := spinlock.InstallQueued(spinlock.PVQueued()); !errors.Is(err, spinlock.ErrPatched) {
		t.Errorf("%v, want %v", err, spinlock.ErrPatched)
	}
}

//go:noinline
func unlockNil(l *spinlock.Queued, c *paravirt.CPU) (line int) {
	_, _, line, _ = runtime.Caller(0)
	l.Unlock(c) // the line after that
	return line
}

func TestANilLockPanicsAtItsLine(t *testing.T) {
	if !inChild(t) {
		for _, mode := range []string{"native", "pv"} {
			for _, patch := range []string{"0", "1"} {
				mustPass(t, "PVLOCK="+mode, "PVLOCK_PATCH="+patch)
			}
		}
		return
	}
	if _, err := Boot(Config{}); err != nil {
		t.Fatal(err)
	}
	m := bareMachine(t)
	shared.queued.Lock(m.CPU(0))
	line := unlockNil(&shared.queued, m.CPU(0)) + 1
	defer func() {
		if err, ok := recover().(runtime.Error); !ok ||
			!strings.Contains(err.Error(), "nil pointer") {
			t.Fatalf("recovered %v", err)
		}
		var pcs [32]uintptr
		frames := runtime.CallersFrames(pcs[:runtime.Callers(0, pcs[:])])
		for more := true; more; {
			var f runtime.Frame
			f, more = frames.Next()
			if strings.HasSuffix(f.Function, "boot.unlockNil") {
				if f.Line != line {
					t.Errorf("the traceback has line %d, want %d", f.Line, line)
				}
				return
			}
		}
		t.Error("the traceback doesn't have the caller")
	}()
	unlockNil(nil, m.CPU(0))
}

func TestTheEnvironmentIsChecked(t *testing.T) {
	for _, c := range []struct{ mode, patch, want string }{
		{"nonsense", "",
			`PVLOCK: "nonsense" is neither a mode nor a table: want auto, native, pv, tas or ` +
				`ticket, byte, xen2008, xen2008text, xen, virt, pvqspin2015, pvqspin`},
		{"native,pv", "", `PVLOCK: "native,pv" has two modes: want one`},
		{"xen,byte", "", `PVLOCK: "xen,byte" has two tables of Raw: want one`},
		{"", "yes", `PVLOCK_PATCH="yes": want 0, 1 or calls`},
	} {
		t.Setenv(EnvMode, c.mode)
		t.Setenv(EnvPatch, c.patch)
		if _, err := Environment(); err == nil || err.Error() != c.want {
			t.Errorf("%v, want %s", err, c.want)
		}
		if _, err := Boot(Config{Mode: Native}); err == nil ||
			!strings.Contains(err.Error(), c.want) {
			t.Errorf("Boot: %v", err)
		}
	}
}

func TestWhatIsSetGoesBeforeTheEnvironment(t *testing.T) {
	env := Config{Mode: Native, Patch: PatchOn}
	for _, c := range []struct{ given, want Config }{
		{Config{}, env},
		{Config{Mode: Paravirtual}, Config{Mode: Paravirtual, Patch: PatchOn}},
		{Config{Mode: Auto, Patch: PatchOff}, Config{Mode: Auto, Patch: PatchOff}},
		{Config{Raw: "xen2008"}, Config{Mode: Native, Patch: PatchOn, Raw: "xen2008"}},
	} {
		if have := c.given.or(env); have != c.want {
			t.Errorf("%+v in %+v is %+v, want %+v", c.given, env, have, c.want)
		}
	}
}

// What is behind the front doors alone becomes nothing when that is native: the catalogue's
// paravirtual lock, and the root package's Spinlock, sleep and are woken as ever.
func TestAfterANativePatchedBootPVQSpinAndSpinlockStillSleep(t *testing.T) {
	if !inChild(t) {
		mustPass(t, "PVLOCK=native", "PVLOCK_PATCH=1")
		return
	}
	r, err := Boot(Config{})
	if err != nil || canPatch(t) && !r.Patch.Done {
		t.Fatal(err, r)
	}
	m, asleep := sleepingMachine(t)
	var l spinlock.PVQSpin
	l.Lock(m.CPU(0))
	done := make(chan bool)
	go func() {
		defer close(done)
		l.Lock(m.CPU(1))
		l.Unlock(m.CPU(1))
	}()
	<-asleep
	l.Unlock(m.CPU(0))
	<-done

	// Waiters that spin are not waiting for the runtime, which says how many are without stopping
	// the holder. That can't be stopped: a collection would wait for it, and hold up the waiters.
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	runtime.GC()
	const waiters = 16
	var spin pvlock.Spinlock
	var ended sync.WaitGroup
	waiting := []metrics.Sample{{Name: "/sched/goroutines/waiting:goroutines"}}
	metrics.Read(waiting)
	before := waiting[0].Value.Uint64()
	began := make(chan bool)
	for range waiters {
		ended.Go(func() {
			<-began
			spin.Lock()
			spin.Unlock()
		})
	}
	spin.Lock()
	close(began)
	for now := uint64(0); now < before+waiters; now = waiting[0].Value.Uint64() {
		metrics.Read(waiting)
	}
	spin.Unlock()
	ended.Wait()
}
