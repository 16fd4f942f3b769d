package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A process that stops itself needs somebody to continue it, and a shell must not see that its job
// was stopped. So the command runs itself as a child, and continues that whenever it has said that
// it stops itself; what others stop stays stopped. The kernel kills the child when the command
// ends, however it ends: a child that has stopped itself is continued, or dies.

const canGuard = true

// guarded tells the child the number of the process that continues it. Descriptor guardPipe is
// where it says that it stops, and that it runs again.
const (
	guarded   = "PVLOCK_TORTURE_GUARD"
	guardPipe = 3

	stops   = 's'
	resumes = 'r'
)

// continueEach is how often a child is continued until it says that it runs: it may say that it
// stops some time before it does.
const continueEach = 5 * time.Millisecond

// stopThisProcess returns what stops this process, or nil if nobody would continue it.
func stopThisProcess() func() {
	if os.Getenv(guarded) != strconv.Itoa(os.Getppid()) {
		return nil
	}
	syscall.CloseOnExec(guardPipe)
	guard := os.NewFile(guardPipe, "guard")
	return func() {
		if _, err := guard.Write([]byte{stops}); err != nil {
			return // nobody listens
		}
		stopHere()
		_, _ = guard.Write([]byte{resumes})
	}
}

// stopHere stops this process, and returns when it has been continued. The signal is sent to this
// very thread: so it has taken effect when the call returns; sent to the process, it takes effect
// some time later.
func stopHere() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	_ = unix.Tgkill(os.Getpid(), unix.Gettid(), unix.SIGSTOP)
}

// guard runs this very command once more, as a child that it continues, and ends as that does.
func guard(ctx context.Context, seed uint64) error {
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	said, says, err := os.Pipe()
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
	cmd.ExtraFiles = []*os.File{says} // guardPipe
	// A group of its own, so that Ctrl-C comes to it by way of its guard, once.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	_ = says.Close()
	var stopped atomic.Bool
	go func() {
		for b := make([]byte, 1); ; {
			if _, err := said.Read(b); err != nil {
				return // it has ended
			}
			stopped.Store(b[0] == stops)
		}
	}()
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	ticker := time.NewTicker(continueEach)
	defer ticker.Stop()
	suspend := make(chan os.Signal, 1)
	signal.Notify(suspend, syscall.SIGTSTP)
	interrupt := ctx.Done()
	for {
		select {
		case <-suspend:
			// Ctrl-Z is for both.
			_ = cmd.Process.Signal(syscall.SIGSTOP)
			stopHere()
			_ = cmd.Process.Signal(syscall.SIGCONT)
		case <-interrupt:
			interrupt = nil
			_ = cmd.Process.Signal(os.Interrupt)
		case <-ticker.C:
			if stopped.Load() {
				_ = cmd.Process.Signal(syscall.SIGCONT)
			}
		case <-ended:
			return endAs(cmd.ProcessState)
		}
	}
}

// endAs ends this process as another has ended, if that can be.
func endAs(state *os.ProcessState) error {
	if code := state.ExitCode(); code >= 0 {
		os.Exit(code)
	}
	if state.Sys().(syscall.WaitStatus).Signal() == syscall.SIGPIPE {
		os.Exit(128 + int(syscall.SIGPIPE)) // as a shell says it: nobody reads what is written
	}
	return fmt.Errorf("the tortured process was killed: %v", state)
}
