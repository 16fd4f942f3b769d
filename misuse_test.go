package pvlock

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// misuses is ways to end a program.
var misuses = []struct {
	name string
	do   func()
	seen bool // this build sees it
	says string
}{
	{"unlock of one never locked", func() { new(Mutex).Unlock() }, checked,
		"unlock of unlocked mutex"},
	{"unlock twice", func() {
		m := new(Mutex)
		m.Lock()
		m.Unlock()
		m.Unlock()
	}, checked, "unlock of unlocked mutex"},
	{"unlock of an unlocked Spinlock", func() { new(Spinlock).Unlock() }, SpinlockPins,
		notHeldMessage},
	{"unlock of an unlocked Spinlock that doesn't pin", func() { new(Spinlock).Unlock() },
		!SpinlockPins,
		"unlock of unlocked Spinlock"},
	{"unlock of another Spinlock than is held", func() {
		held, l := new(Spinlock), new(Spinlock)
		held.Lock()
		l.lock.TryLock(&noCPU)
		l.Unlock()
	}, checkSpinlocks, notHeldMessage},
	{"unlock of a Spinlock while its holder computes", func() {
		l, locked := new(Spinlock), make(chan bool, 1)
		go func() {
			l.Lock()
			locked <- true
			//lint:ignore SA5002 it computes
			for {
			}
		}()
		<-locked
		l.Unlock()
	}, SpinlockPins, notHeldMessage},
	{blocksWhileUnlocked, func() {
		l, locked := new(Spinlock), make(chan bool, 1)
		go func() {
			<-locked
			l.Unlock()
		}()
		l.Lock()
		locked <- true
		select {}
	}, SpinlockPins, "schedule: holding locks"},
	{"wait for a Mutex with a Spinlock", func() {
		m, l := new(Mutex), new(Spinlock)
		m.Lock()
		l.Lock()
		m.Lock()
	}, SpinlockPins, "a goroutine went to sleep that holds a Spinlock"},
	{"panic with a Spinlock and a deferred Unlock", func() {
		l := new(Spinlock)
		l.Lock()
		defer l.Unlock()
		var none map[int]int
		//lint:ignore SA5000 it panics
		none[1] = 1
	}, SpinlockPins, "panic holding locks"},
	{"a Spinlock locked twice", func() {
		l := new(Spinlock)
		l.Lock()
		l.Lock() //nolint:staticcheck // that is the misuse
	}, checkSpinlocks, "a goroutine locks a Spinlock that it holds"},
	{"a Spinlock locked twice, with another between", func() {
		l, other := new(Spinlock), new(Spinlock)
		l.Lock()
		other.Lock()
		l.Lock() //nolint:staticcheck // that is the misuse
	}, checkSpinlocks, "a goroutine locks a Spinlock that it holds"},
}

// blocksWhileUnlocked ends twice at once if nothing is done about that, and then can hang: in a
// few of many tries.
const blocksWhileUnlocked = "unlock of a Spinlock while its holder blocks"

func TestMain(m *testing.M) {
	for _, misuse := range misuses {
		if os.Getenv("PVLOCK_MISUSE") == misuse.name {
			func() {
				defer func() { _ = recover() }()
				misuse.do()
			}()
			os.Exit(0)
		}
	}
	os.Exit(m.Run())
}

// Misuse ends the program with one message, in builds that see it.
func TestMisuseEndsTheProgram(t *testing.T) {
	for _, misuse := range misuses {
		t.Run(misuse.name, func(t *testing.T) {
			if !misuse.seen {
				t.Skip("this build doesn't see it; see -race, and the tags pvlockdebug and purego")
			}
			tries := 1
			if misuse.name == blocksWhileUnlocked {
				tries = 20
			}
			for range tries {
				// A program that hangs in its end hears no timeout of its own.
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
				defer cancel()
				cmd := exec.CommandContext(ctx, os.Args[0])
				cmd.Env = append(os.Environ(), "PVLOCK_MISUSE="+misuse.name, "GOMAXPROCS=2")
				out, err := cmd.CombinedOutput()
				if err != nil && strings.Contains(err.Error(), "exec format error") {
					t.Skip("this program runs under an emulator, and can't run itself")
				}
				messages := strings.Count(string(out), "fatal error: ")
				if err == nil || !strings.Contains(string(out), misuse.says) || messages != 1 {
					t.Fatalf("%v, want one message, %q\n%.1500s", err, misuse.says, out)
				}
			}
		})
	}
}
