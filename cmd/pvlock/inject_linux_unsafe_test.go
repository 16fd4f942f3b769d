//go:build linux

package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"example.com/pvlock/bench"
	"example.com/pvlock/host"
	"example.com/pvlock/result"
)

// What the environment refuses is refused to the real command, by a seccomp filter that it installs
// before it begins, or in the middle of it. The variable says which system call, its second
// argument if that matters, the errno, and when: "call,argument,errno,after".
const injected = "PVLOCK_TEST_INJECT"

func init() {
	text := os.Getenv(injected)
	if text == "" || os.Getenv(asCommand) == "" {
		return
	}
	var call, argument, errno uint32
	var after time.Duration
	parts := strings.Split(text, ",")
	for i, to := range []*uint32{&call, &argument, &errno} {
		n, err := strconv.ParseUint(parts[i], 10, 32)
		if err != nil {
			panic(err)
		}
		*to = uint32(n)
	}
	after, err := time.ParseDuration(parts[3])
	if err != nil {
		panic(err)
	}
	if after == 0 {
		refuse(call, argument, errno)
		return
	}
	time.AfterFunc(after, func() { refuse(call, argument, errno) })
}

// refuse makes a system call fail from now on, in all threads; an argument of 0 stands for any.
func refuse(call, argument, errno uint32) {
	const (
		load   = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS
		equal  = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
		answer = unix.BPF_RET | unix.BPF_K
		// Of struct seccomp_data: the call's number, and the lower half of its second argument.
		number, second = 0, 16 + 8
	)
	fail := unix.SockFilter{Code: answer, K: unix.SECCOMP_RET_ERRNO | errno}
	pass := unix.SockFilter{Code: answer, K: unix.SECCOMP_RET_ALLOW}
	filter := []unix.SockFilter{{Code: load, K: number}, {Code: equal, Jf: 1, K: call}, fail, pass}
	if argument != 0 {
		filter = []unix.SockFilter{{Code: load, K: number}, {Code: equal, Jf: 3, K: call},
			{Code: load, K: second}, {Code: equal, Jf: 1, K: argument}, fail, pass}
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		panic(err)
	}
	_, _, e := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER,
		unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&program)))
	runtime.KeepAlive(filter)
	if e != 0 {
		os.Exit(noSeccomp)
	}
}

// noSeccomp is the status of a command that can't have a filter.
const noSeccomp = 77

// refused runs a command to which a system call is refused.
func refused(t *testing.T, cmd *exec.Cmd, call, argument uint32, errno syscall.Errno,
	after time.Duration) outcome {
	t.Helper()
	cmd.Env = append(cmd.Env,
		fmt.Sprintf("%s=%d,%d,%d,%v", injected, call, argument, uint32(errno), after))
	got := finish(t, cmd)
	if got.code == noSeccomp {
		t.Skip("there is no seccomp here, so nothing can be refused")
	}
	return got
}

const kvmCreateVM, kvmRun = 0xae01, 0xae80

func TestWhatTheEnvironmentRefusesIsNotTheLocksFault(t *testing.T) {
	const rounds = "--rounds"
	for _, tt := range []struct {
		name           string
		args           []string
		call, argument uint32
		errno          syscall.Errno
		after          time.Duration
		say            string
	}{
		{"affinity, bench",
			[]string{"bench", "--locks", "xen,tas", "--overcommit", "1", "--duration", "1ms"},
			unix.SYS_SCHED_SETAFFINITY, 0, unix.EPERM, 0, "affinity to CPUs"},
		{"affinity, in the middle of a bench",
			[]string{"bench", "--locks", "xen,tas", "--overcommit", "1", "--duration", "20ms",
				rounds, "100"},
			unix.SYS_SCHED_SETAFFINITY, 0, unix.EINVAL, 200 * time.Millisecond, "affinity to CPUs"},
		{"affinity, torture",
			[]string{"torture", "--on", "threads", "--locks", "xen", "--duration", "200ms"},
			unix.SYS_SCHED_SETAFFINITY, 0, unix.EPERM, 0, "affinity to CPUs"},
		{"affinity, in the middle of a torture",
			[]string{"torture", "--on", "threads", "--locks", "xen,tas,ticket", "--torments",
				"trylock,remake", "--duration", "20s"},
			unix.SYS_SCHED_SETAFFINITY, 0, unix.EINVAL, 500 * time.Millisecond, "affinity to CPUs"},
		{"a virtual machine, bench",
			[]string{"bench", "--on", "kvm", "--locks", "xen", "--duration", "1ms"},
			unix.SYS_IOCTL, kvmCreateVM, unix.EPERM, 0, "kvm"},
		{"a virtual machine, torture",
			[]string{"torture", "--on", "kvm", "--locks", "xen", "--duration", "200ms"},
			unix.SYS_IOCTL, kvmCreateVM, unix.ENOMEM, 0, "kvm"},
		{"KVM_RUN in the middle of a bench",
			[]string{"bench", "--on", "kvm", "--locks", "xen", "--overcommit", "1", "--duration",
				"1s", rounds, "100"},
			unix.SYS_IOCTL, kvmRun, unix.EFAULT, 500 * time.Millisecond, "KVM_RUN"},
		{"KVM_RUN in the middle of a torture",
			[]string{"torture", "--on", "kvm", "--locks", "xen", "--duration", "20s"},
			unix.SYS_IOCTL, kvmRun, unix.EFAULT, 500 * time.Millisecond, "KVM_RUN"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.call == unix.SYS_IOCTL {
				if err := bench.Probe(bench.OnKVM); err != nil {
					t.Skip(err)
				}
			}
			got := refused(t, pvlock(t, tt.args...), tt.call, tt.argument, tt.errno, tt.after)
			if got.code != exitUsage || strings.Count(got.stderr, "\n") != 1 ||
				!strings.Contains(got.stderr, tt.say) ||
				!strings.Contains(got.stderr, tt.errno.Error()) {
				t.Errorf("exit %d, stderr %q: want %d, and a line with %q and %q", got.code,
					got.stderr, exitUsage, tt.say, tt.errno.Error())
			}
			for _, lie := range []string{"no progress", "FAULT", "HANGS", "all of them"} {
				if strings.Contains(got.stdout, lie) {
					t.Errorf("it says %q:\n%s", lie, got.stdout)
				}
			}
			if tt.args[0] == "torture" && tt.after > 0 {
				last := lineWith(got.stdout, "FAILED after")
				if last == "" || strings.HasSuffix(last, "ok") ||
					!strings.Contains(got.stdout, "\nFailed: ") ||
					!strings.Contains(got.stdout, "Controls: none was run") {
					t.Errorf("stdout doesn't say what failed:\n%s", got.stdout)
				}
			}
		})
	}
}

// What can't go on is not said to have gone on.
func TestATormentThatIsRefusedIsLeftOut(t *testing.T) {
	got := refused(t, pvlock(t, append(briefly, "--locks", "xen")...), unix.SYS_SCHED_SETAFFINITY,
		0, unix.EPERM, 0)
	if got.code != 0 ||
		!strings.Contains(got.stdout,
			"Left out: affinity: setting the affinity: operation not permitted") ||
		strings.Contains(lineWith(got.stdout, "Torments, in spells"), "affinity") {
		t.Errorf("exit %d, stderr %q, stdout:\n%s", got.code, got.stderr, got.stdout)
	}
}

func lineWith(text, part string) string {
	for line := range strings.Lines(text) {
		if strings.Contains(line, part) {
			return line
		}
	}
	return ""
}

// A CPU is taken away from the whole process while it measures, as a shrinking cpuset or taskset -a
// -p does.
func TestACPUThatIsTakenAwayEndsTheBench(t *testing.T) {
	cpus := host.Collect().CPUs.Or(nil)
	if len(cpus) < 2 {
		t.Skip("it takes two CPUs")
	}
	file := filepath.Join(t.TempDir(), "result.json")
	cmd := pvlock(t, "bench", "--locks", "tas", "--overcommit", "1", "--duration", "50ms",
		"--rounds", "1000", "--json", file)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	begins(file)
	var one unix.CPUSet
	one.Set(cpus[0])
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for over := false; !over; {
		tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", cmd.Process.Pid))
		for _, task := range tasks {
			tid, _ := strconv.Atoi(filepath.Base(task))
			_ = unix.SchedSetaffinity(tid, &one) // it may be gone
		}
		select {
		case <-ended:
			over = true
		case <-time.After(time.Millisecond):
		}
	}
	if code := cmd.ProcessState.ExitCode(); code != exitUsage ||
		strings.Count(stderr.String(), "\n") != 1 ||
		!strings.Contains(stderr.String(), "is not one of the 1 that this process may use") {
		t.Errorf("exit %d, stderr %q", code, &stderr)
	}
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if b, err := result.ReadBench(f); err != nil || b.Failed == "" ||
		!strings.Contains(stdout.String(), "Failed: ") && len(b.Runs) > 0 {
		t.Errorf("%v, failed %q, stdout:\n%s", errors.Join(err), b.Failed, &stdout)
	}
}

// A process that was stopped in the middle of a window says so, of that one.
func TestAWindowInWhichTheProcessWasStoppedIsMarked(t *testing.T) {
	file := filepath.Join(t.TempDir(), "result.json")
	cmd := pvlock(t, "bench", "--locks", "tas", "--overcommit", "1", "--duration", "300ms",
		"--rounds", "1", "--json", file)
	var stdout bytes.Buffer
	cmd.Stdout = &stdout
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	begins(file)
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	// Each window, the repeats' as well, has a stop in it that is longer than itself.
	for over := false; !over; {
		_ = cmd.Process.Signal(syscall.SIGSTOP)
		time.Sleep(500 * time.Millisecond)
		_ = cmd.Process.Signal(syscall.SIGCONT)
		select {
		case err := <-ended:
			over = true
			if err != nil {
				t.Error(err)
			}
		case <-time.After(100 * time.Millisecond):
		}
	}
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b, err := result.ReadBench(f)
	if err != nil {
		t.Fatal(err)
	}
	if len(b.Runs) != 1 || len(b.Runs[0].Disturbed) == 0 ||
		b.Runs[0].Disturbed[0].Kind != result.DisturbedOverrun || b.Runs[0].Repeats != 2 {
		t.Errorf("runs %+v: want one that was made again twice, and is marked", b.Runs)
	}
	if !strings.Contains(stdout.String(), "Disturbed: tas") ||
		!strings.Contains(stdout.String(), "made again") {
		t.Errorf("the table doesn't say it:\n%s", &stdout)
	}
}
