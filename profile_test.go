//go:build !purego && !pvlockbubbles

package pvlock

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"runtime/pprof"
	"runtime/trace"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"example.com/pvlock/internal/arch"
)

//go:noinline
func waitsForTheMutex(m *Mutex) {
	m.Lock()
	m.Unlock()
}

//go:noinline
func holdsUpOthers(m *Mutex) { m.Unlock() }

// contended has goroutines wait, asleep, for a mutex that holdsUpOthers releases.
func contended() {
	arch.NoSpin(true)
	defer arch.NoSpin(false)
	for range 20 {
		var m Mutex
		m.Lock()
		var done sync.WaitGroup
		done.Go(func() { waitsForTheMutex(&m) })
		someoneSleeps(&m)
		// It is in the queue; that it sleeps is for the runtime to know: its own dump says so.
		for !asleep("waitsForTheMutex") {
			runtime.Gosched()
		}
		holdsUpOthers(&m)
		done.Wait()
	}
}

// asleep reports whether a goroutine with a function on its stack waits for a semaphore.
func asleep(function string) bool {
	buf := make([]byte, 1<<20)
	for _, g := range strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
		if strings.Contains(g, function) && strings.Contains(g, "[sync.") {
			return true
		}
	}
	return false
}

// profileOf returns the text of a profile.
func profileOf(name string) string {
	var b bytes.Buffer
	_ = pprof.Lookup(name).WriteTo(&b, 1)
	return b.String()
}

// leaves returns the innermost functions of those of a profile's stacks that caller is on. (Other
// tests have left theirs, and one who enters the queue, and wakes another, has wake on top.)
func leaves(profile, caller string) (all []string) {
	for stack := range strings.SplitSeq(profile, "\n\n") {
		lines := strings.Split(stack, "\n")
		for i, l := range lines {
			if strings.Contains(l, " @ ") && i+1 < len(lines) && strings.Contains(stack, caller) {
				if f := strings.Fields(lines[i+1]); len(f) > 2 {
					all = append(all, f[2])
				}
			}
		}
	}
	return all
}

func mustShow(t *testing.T, profile, leaf, caller string) {
	t.Helper()
	text := profileOf(profile)
	if !strings.Contains(text, caller) {
		t.Errorf("the %s profile doesn't show %s:\n%s", profile, caller, text)
	}
	for _, f := range leaves(text, caller) {
		if strings.Contains(f, "pvlock") && !strings.Contains(f, leaf) {
			t.Errorf("the %s profile has our %s on top, want %s:\n%s", profile, f, leaf, text)
		}
	}
}

// Waits are in the block profile, under the caller of Lock.
func TestBlockProfile(t *testing.T) {
	runtime.SetBlockProfileRate(1)
	defer runtime.SetBlockProfileRate(0)
	contended()
	mustShow(t, "block", "(*Mutex).Lock", "waitsForTheMutex")
}

// Waits are in the mutex profile, under the caller of Unlock.
func TestMutexProfile(t *testing.T) {
	defer runtime.SetMutexProfileFraction(runtime.SetMutexProfileFraction(1))
	contended()
	mustShow(t, "mutex", "(*Mutex).Unlock", "holdsUpOthers")
}

// charged returns what the mutex profile has charged to stacks that a function is on, in cycles.
func charged(function string) (cycles int64) {
	records := make([]runtime.BlockProfileRecord, 10000)
	n, _ := runtime.MutexProfile(records)
	for _, r := range records[:n] {
		frames := runtime.CallersFrames(r.Stack())
		for more := true; more; {
			var f runtime.Frame
			if f, more = frames.Next(); strings.HasSuffix(f.Function, "."+function) {
				cycles += r.Cycles
				break
			}
		}
	}
	return cycles
}

//go:noinline
func holdsForLong(m sync.Locker, d time.Duration) {
	time.Sleep(d)
	m.Unlock()
}

//go:noinline
func isHeldUp(m sync.Locker) {
	m.Lock()
	m.Unlock() //nolint:staticcheck // an empty critical section is the point
}

// The mutex profile charges each unlock for the delay of all waiters meanwhile, and for no more
// (go.dev/issue/61015): a holder of 100 ms with waiters behind it is charged for nearly everything,
// and they, with their empty sections, for nearly nothing.
func TestMutexProfileChargesWhoDelays(t *testing.T) {
	defer runtime.SetMutexProfileFraction(runtime.SetMutexProfileFraction(1))
	const hold = 100 * time.Millisecond
	for _, waiters := range []int{1, 10, 100} {
		for name, m := range map[string]sync.Locker{"sync.Mutex": new(sync.Mutex),
			"Mutex": new(Mutex)} {
			t.Run(fmt.Sprintf("%s, %d", name, waiters), func(t *testing.T) {
				before, heldUpBefore := charged("holdsForLong"), charged("isHeldUp")
				var all sync.WaitGroup
				var started atomic.Int64
				n := int64(waiters)
				began := (arch.Core{}).Ticks()
				m.Lock()
				for range waiters {
					all.Go(func() {
						started.Add(1)
						isHeldUp(m)
					})
				}
				for started.Load() < n {
					time.Sleep(time.Millisecond)
				}
				allWait := (arch.Core{}).Ticks()
				holdsForLong(m, hold)
				held := int64((arch.Core{}).Ticks() - allWait)
				all.Wait()
				took := int64((arch.Core{}).Ticks() - began)

				holder, heldUp := charged("holdsForLong")-before, charged("isHeldUp")-heldUpBefore
				sum := holder + heldUp
				t.Logf("the holder is charged %.1f%%; the sum is %.2f of the waits",
					100*float64(holder)/float64(sum),
					float64(sum)/float64(n*took))
				if heldUp > sum/3 {
					t.Error("those are charged who waited")
				}
				if sameClock := runtime.GOARCH == "amd64" && !arch.Race; sameClock &&
					(holder < n*held/2 || sum > n*took*5/4) {
					t.Errorf("the holder is charged %d cycles, all are %d, with %d waiters in %d",
						holder, sum, waiters, took)
				}
			})
		}
	}
}

// Goroutines that wait for several mutexes while the profile goes on and off are all woken.
func TestMutexProfileOnAndOff(t *testing.T) {
	arch.NoSpin(true)
	defer arch.NoSpin(false)
	defer runtime.SetMutexProfileFraction(runtime.SetMutexProfileFraction(-1))
	var stop atomic.Bool
	var switcher sync.WaitGroup
	switcher.Go(func() {
		for i := 0; !stop.Load(); i++ {
			runtime.SetMutexProfileFraction(i % 2 * 1000)
			runtime.Gosched()
		}
	})
	exclude(t, 1, 8, 3000)
	exclude(t, 3, 32, 1000)
	stop.Store(true)
	switcher.Wait()
}

// The execution tracer shows the wait.
func TestTracer(t *testing.T) {
	if trace.IsEnabled() {
		t.Skip("this test run is traced itself")
	}
	var b bytes.Buffer
	if err := trace.Start(&b); err != nil {
		t.Fatal(err)
	}
	trace.WithRegion(context.Background(), "contended", contended)
	trace.Stop()
	if !bytes.Contains(b.Bytes(), []byte("waitsForTheMutex")) ||
		!bytes.Contains(b.Bytes(), []byte("sync")) {
		t.Error("the trace shows no wait for the mutex")
	}
}

// go vet finds copies.
func TestVetFindsCopies(t *testing.T) {
	if testing.Short() {
		t.Skip("runs go vet")
	}
	dir := t.TempDir()
	wd, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	write := func(name, text string) {
		if err := os.WriteFile(dir+"/"+name, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	write("go.mod",
		"module copies\ngo 1.26\nrequire example.com/pvlock v0.0.0\nreplace example.com/pvlock => "+
			wd+"\n")
	write("m.go",
		"package copies\nimport \"example.com/pvlock\"\nfunc F(m pvlock.Mutex) {}\nfunc G(l "+
			"pvlock.Spinlock) {}\n")
	cmd := exec.Command("go", "vet", "-mod=mod", ".")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOPROXY=off")
	out, err := cmd.CombinedOutput()
	if err == nil || strings.Count(string(out), "passes lock by value") != 2 {
		t.Errorf("go vet was to find two locks that are copied: %v\n%s", err, out)
	}
}
