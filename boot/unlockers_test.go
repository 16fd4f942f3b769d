package boot

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"example.com/pvlock/internal/arch"
	"example.com/pvlock/paravirt"
	"example.com/pvlock/spinlock"
	"example.com/pvlock/textpatch"
)

var children = flag.Int("boot.children", 5,
	"how many processes boot, in each mode and way of writing, while threads unlock")

// TestUnlocksThroughoutBoot boots while CPUs that never came up lock and unlock on all threads. The
// moment the tables have changed others want the same locks, and sleep until they are kicked: a
// lock that is released the old way then keeps its waiter for ever.
func TestUnlocksThroughoutBoot(t *testing.T) {
	if inChild(t) {
		unlockThroughoutBoot(t)
		return
	}
	for _, mode := range []string{"native", "pv"} {
		for _, when := range []string{"never", "live", "quiet"} {
			if when == "live" && runtime.GOARCH != "amd64" ||
				when != "never" && !textpatch.Supported {
				continue
			}
			t.Run(mode+", written "+when, func(t *testing.T) {
				for range *children {
					out := endsByItself(t, EnvMode+"="+mode, "PVLOCK_TEST_WHEN="+when)
					if !bytes.Contains(out, []byte("written "+when)) {
						t.Errorf("not written %s:\n%s", when, out)
					}
				}
			})
		}
	}
}

// endsByItself runs the test in a process of its own, which must pass. One that hangs says where.
func endsByItself(t *testing.T, env ...string) []byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestUnlocksThroughoutBoot$", "-test.v")
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGQUIT) }
	cmd.WaitDelay = 10 * time.Second
	cmd.Env = append(append(clean(os.Environ()), childOf+"=TestUnlocksThroughoutBoot"), env...)
	out, err := cmd.CombinedOutput()
	if errors.Is(err, syscall.ENOEXEC) {
		t.Skip("this program runs under an emulator, and can't run itself")
	}
	if err != nil {
		t.Errorf("%v, %v:\n%s", env, err, out)
	}
	return out
}

func unlockThroughoutBoot(t *testing.T) {
	cfg := Config{Patch: PatchOn}
	switch os.Getenv("PVLOCK_TEST_WHEN") {
	case "quiet":
		ways = []textpatch.When{textpatch.Quiet}
	case "never":
		cfg.Patch = PatchOff
	}
	const pairs, rounds = 4, 50
	runtime.GOMAXPROCS(2*pairs + 1)
	kicked := make([]chan bool, 2*pairs)
	for i := range kicked {
		kicked[i] = make(chan bool, 1)
	}
	m, err := paravirt.New(paravirt.Config{
		CPUs: 2 * pairs, Tunables: paravirt.Tunables{Spin: 100, Pending: 1 << 9},
		Channel: paravirt.ChannelOps{Poll: func(*paravirt.CPU) {}},
		Wait: func(c *paravirt.CPU, p *arch.U8, v uint8) {
			if c.Load8(p) == v {
				<-kicked[c.ID()]
			}
		},
		Kick: func(_ *paravirt.CPU, cpu uint32) {
			select {
			case kicked[cpu] <- true:
			default: // it has one
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	// A lock a pair: one has it all the time but for moments, and never waits before the boot; the
	// other comes when the tables have changed.
	var locks [pairs]struct {
		spinlock.Queued
		_     [60]byte
		count int
	}
	var began sync.WaitGroup
	var running sync.WaitGroup
	var changed, booted atomic.Bool
	began.Add(pairs)
	for i := range pairs {
		running.Go(func() {
			c, l := m.CPU(i), &locks[i]
			once := func() {
				l.Lock(c)
				l.count++
				l.Unlock(c)
			}
			once()
			began.Done()
			for !booted.Load() {
				once()
			}
			for range rounds {
				once()
			}
		})
		running.Go(func() {
			c, l := m.CPU(pairs+i), &locks[i]
			for !changed.Load() {
				runtime.Gosched()
			}
			for range rounds {
				l.Lock(c)
				l.count++
				l.Unlock(c)
			}
		})
	}
	began.Wait()
	if os.Getenv(EnvMode) == "pv" {
		go func() {
			for spinlock.NativeUnlock() {
				runtime.Gosched()
			}
			changed.Store(true)
		}()
	}
	r, err := Boot(cfg)
	if err != nil {
		t.Fatal(err)
	}
	changed.Store(true)
	booted.Store(true)
	running.Wait()
	for i := range locks {
		if l := &locks[i]; l.IsLocked(m.CPU(0)) || l.count < 2*rounds {
			t.Errorf("lock %d: held: %v, counted %d, want at least %d", i, l.IsLocked(m.CPU(0)),
				l.count, 2*rounds)
		}
	}
	if r.Patch.Done {
		fmt.Println("written", r.Patch.When)
	} else {
		fmt.Println("written never:", r.Patch.Why)
	}
}
