//go:build linux && amd64

package pvlock

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"example.com/pvlock/internal/arch"
)

// inChild reports whether this process is the child that runs the test alone. In the parent it runs
// it, and returns what it wrote.
func inChild(t *testing.T) (child bool, output string) {
	t.Helper()
	const key = "PVLOCK_CHILD"
	if os.Getenv(key) == t.Name() {
		return true, ""
	}
	cmd := exec.Command(os.Args[0], "-test.run=^"+strings.ReplaceAll(t.Name(), "/", "$/^")+"$",
		"-test.v")
	cmd.Env = append(os.Environ(), key+"="+t.Name())
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return false, string(out)
}

// refuseMembarrier loads a seccomp filter, for all threads, that refuses the membarrier commands of
// a mask.
func refuseMembarrier(t *testing.T, commands uint32) {
	t.Helper()
	const load, ret = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, unix.BPF_RET | unix.BPF_K
	program := []unix.SockFilter{
		{Code: load, K: 0}, // the call's number
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.SYS_MEMBARRIER, Jf: 3},
		{Code: load, K: 16}, // its first argument
		{Code: unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K, K: commands, Jf: 1},
		{Code: ret, K: unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)},
		{Code: ret, K: unix.SECCOMP_RET_ALLOW},
	}
	prog := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	runtime.LockOSThread() // which asks for the filter, and so has to renounce new privileges
	defer runtime.UnlockOSThread()
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER,
		unix.SECCOMP_FILTER_FLAG_TSYNC,
		uintptr(unsafe.Pointer(&prog)))
	runtime.KeepAlive(program)
	if errno != 0 {
		t.Skipf("SKIPPED: no seccomp here: %v", errno)
	}
}

// firstWaits has goroutines sleep for mutexes that nobody slept for before.
func firstWaits(t *testing.T) {
	arch.NoSpin(true)
	defer arch.NoSpin(false)
	for range 50 {
		exclude(t, 1, 4, 20)
		excludeSync(t, 4, 20)
	}
}

// excludeSync is exclude with a sync.Mutex.
func excludeSync(t *testing.T, goroutines, loops int) {
	var m sync.Mutex
	n := 0
	var all sync.WaitGroup
	for range goroutines {
		all.Go(func() {
			for range loops {
				m.Lock()
				n++
				m.Unlock()
			}
		})
	}
	all.Wait()
	if n != goroutines*loops {
		t.Errorf("%d increments were counted as %d", goroutines*loops, n)
	}
}

// A sandbox that refuses membarrier(2), from the start or later, the registration or the fence,
// slows the mutex down and does no harm.
func TestMutexInASandbox(t *testing.T) {
	if !arch.StoreLoadBarrier {
		t.Skip("this build needs no membarrier")
	}
	const fence, register = 1 << 3, 1 << 4
	for _, c := range []struct {
		name     string
		later    bool
		commands uint32
	}{
		{"all from the start", false, fence | register},
		{"the fence from the start", false, fence},
		{"the registration from the start", false, register},
		{"all later", true, fence | register},
		{"the fence later", true, fence},
	} {
		t.Run(c.name, func(t *testing.T) {
			if child, _ := inChild(t); !child {
				return
			}
			if c.later {
				firstWaits(t)
				for !(arch.Core{}).FenceAllIsCheap() {
					firstWaits(t)
					time.Sleep(time.Millisecond)
				}
			}
			refuseMembarrier(t, c.commands)
			firstWaits(t)
			if (arch.Core{}).FenceAllIsCheap() {
				t.Error("nobody has noticed that the sandbox refuses membarrier")
			}
		})
	}
}

// The first contended Lock of a process takes no longer than a millisecond. Beside other processes
// any wait may take longer: PVLOCK_IDLE says that there are none. (That a fence doesn't wait for
// the registration is tested in internal/arch, without a clock.)
func TestFirstWait(t *testing.T) {
	if os.Getenv("PVLOCK_IDLE") == "" {
		t.Skip("needs an idle machine: PVLOCK_IDLE=1 says that it is one")
	}
	waits := make(map[string]time.Duration)
	for name, m := range map[string]sync.Locker{"sync.Mutex": new(sync.Mutex),
		"Mutex": new(Mutex)} {
		for _, procs := range []int{1, 2} {
			t.Run(fmt.Sprintf("%s, procs=%d", name, procs), func(t *testing.T) {
				var some []time.Duration
				for range 7 {
					child, out := inChild(t)
					if child {
						runtime.GOMAXPROCS(procs)
						fmt.Println("waited", firstWait(m).Nanoseconds())
						return
					}
					var d time.Duration
					if _, err := fmt.Sscan(out[strings.Index(out, "waited")+len("waited"):],
						&d); err != nil {
						t.Fatalf("%v: %s", err, out)
					}
					some = append(some, d)
				}
				slices.Sort(some)
				t.Logf("between %v and %v", some[0], some[len(some)-1])
				waits[name] = max(waits[name], some[len(some)/2])
			})
		}
	}
	if d := waits["Mutex"]; d > time.Millisecond {
		t.Errorf("the first wait takes %v, sync's %v", d, waits["sync.Mutex"])
	}
}

// firstWait returns how much longer a goroutine waits than the mutex is held.
func firstWait(m sync.Locker) time.Duration {
	const hold = 50 * time.Microsecond
	arch.NoSpin(true)
	m.Lock()
	waited := make(chan time.Duration)
	go func() {
		began := time.Now()
		m.Lock()
		waited <- time.Since(began)
	}()
	runtime.Gosched()
	for until := time.Now().Add(hold); time.Now().Before(until); {
		runtime.Gosched()
	}
	m.Unlock()
	return max(<-waited-hold, 0)
}
