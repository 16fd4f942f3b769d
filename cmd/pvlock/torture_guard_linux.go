package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"syscall"
	"time"
)

// A process that stops itself needs somebody to continue it, and a shell must not see that its job
// was stopped. So the command runs itself as a child, and continues that all the time. The kernel kills the child
// when the command ends, however it ends: a stopped child is continued, or dies.

const canGuard = true

// guarded tells the child the number of the process that continues it.
const guarded = "PVLOCK_TORTURE_GUARD"

// continueEach is how often the child is continued.
const continueEach = 10 * time.Millisecond

// stopThisProcess returns what stops this process, or nil if nobody would continue it.
func stopThisProcess() func() {
	if os.Getenv(guarded) != strconv.Itoa(os.Getppid()) {
		return nil
	}
	return func() { _ = syscall.Kill(os.Getpid(), syscall.SIGSTOP) }
}

// guard runs this very command once more, as a child that it continues, and ends as that does.
func guard(ctx context.Context, seed uint64) error {
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	// The child dies with the thread that started it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd := exec.Command(exe, append(os.Args[1:], "--seed", strconv.FormatUint(seed, 10))...)
	cmd.Args[0] = os.Args[0]
	cmd.Env = append(os.Environ(), guarded+"="+strconv.Itoa(os.Getpid()))
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	// A group of its own, so that Ctrl-C comes to it by way of its guard, once.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	ticker := time.NewTicker(continueEach)
	defer ticker.Stop()
	interrupt := ctx.Done()
	for {
		select {
		case <-interrupt:
			interrupt = nil
			_ = cmd.Process.Signal(os.Interrupt)
		case <-ticker.C:
			_ = cmd.Process.Signal(syscall.SIGCONT)
		case <-ended:
			if code := cmd.ProcessState.ExitCode(); code >= 0 {
				os.Exit(code)
			}
			if cmd.ProcessState.Sys().(syscall.WaitStatus).Signal() == syscall.SIGPIPE {
				os.Exit(128 + int(syscall.SIGPIPE)) // as a shell says it: nobody reads what is written
			}
			return finding{fmt.Errorf("the tortured process ended by itself: %v", cmd.ProcessState)}
		}
	}
}
