//go:build linux

package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"example.com/pvlock/result"
)

// Each stop ends, or this would not.
func TestAProcessThatIsStoppedAgainAndAgainComesToItsEnd(t *testing.T) {
	got := finish(t,
		pvlock(t, append(briefly, "--locks", "xen", "--torments", "stop", "--json", "-")...))
	if got.code != 0 {
		t.Fatalf("exit %d: %s", got.code, got.stderr)
	}
	r, err := result.ReadTorture(strings.NewReader(got.stdout))
	if err != nil {
		t.Fatal(err)
	}
	if n := r.Runs[0].Counters["torment_stop"]; n == 0 {
		t.Errorf("it was not stopped: %+v", r.Runs[0])
	}
}

// All of them hold the pipe open that is their output: when it ends, nobody is left, stopped or
// not.
func TestNobodyIsLeftStoppedWhenTheGuardIsKilled(t *testing.T) {
	file := filepath.Join(t.TempDir(), "result.json")
	cmd := pvlock(t, "torture", "--locks", "xen", "--torments", "stop", "--duration", "1h",
		"--json", file)
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	cmd.Stdout, cmd.Stderr = write, write
	if err := errors.Join(cmd.Start(), write.Close()); err != nil {
		t.Fatal(err)
	}
	// The child makes the file just before the first machine.
	begins(file)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, read); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
}

// Ctrl-Z suspends the whole job, and it goes on when it is continued.
func TestCtrlZSuspendsTheGuardAndTheTortured(t *testing.T) {
	file := filepath.Join(t.TempDir(), "result.json")
	cmd := pvlock(t, "torture", "--locks", "tas", "--torments", "stop,trylock", "--duration", "1h",
		"--json", file)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	begins(file)
	children, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", cmd.Process.Pid))
	if err != nil || len(children) == 0 {
		t.Skip("the kernel doesn't list children")
	}
	pids := []string{strconv.Itoa(cmd.Process.Pid)}
	for _, name := range children {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		pids = append(pids, strings.Fields(string(text))...)
	}
	if len(pids) != 2 {
		t.Fatalf("processes %v, want a guard and a child", pids)
	}
	if err := cmd.Process.Signal(syscall.SIGTSTP); err != nil {
		t.Fatal(err)
	}
	for _, pid := range pids {
		for state(t, pid) != "T" {
			runtime.Gosched()
		}
	}
	if err := errors.Join(cmd.Process.Signal(syscall.SIGCONT),
		cmd.Process.Signal(os.Interrupt)); err != nil {
		t.Error(err)
	}
	mustBeInterrupted(t, cmd, &stderr)
}

// state returns the state of a process, as the kernel abbreviates it.
func state(t *testing.T, pid string) string {
	t.Helper()
	text, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	return rest[:1]
}

// Nobody is stopped who has no guard, whatever its environment says.
func TestWithoutAGuardNobodyIsStopped(t *testing.T) {
	t.Setenv(guarded, "1")
	if os.Getppid() != 1 && stopThisProcess() != nil {
		t.Error("a process would stop itself, though its parent isn't the guard")
	}
}
