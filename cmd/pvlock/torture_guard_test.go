//go:build linux

package main

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"example.com/pvlock/result"
)

// Each stop ends, or this would not.
func TestAProcessThatIsStoppedAgainAndAgainComesToItsEnd(t *testing.T) {
	got := finish(t, pvlock(t, append(briefly, "--locks", "xen", "--torments", "stop", "--json", "-")...))
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

// All of them hold the pipe open that is their output: when it ends, nobody is left, stopped or not.
func TestNobodyIsLeftStoppedWhenTheGuardIsKilled(t *testing.T) {
	file := filepath.Join(t.TempDir(), "result.json")
	cmd := pvlock(t, "torture", "--locks", "xen", "--torments", "stop", "--duration", "1h", "--json", file)
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
	for {
		if _, err := os.Stat(file); err == nil {
			break
		}
		runtime.Gosched()
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, read); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
}

// Nobody is stopped who has no guard, whatever its environment says.
func TestWithoutAGuardNobodyIsStopped(t *testing.T) {
	t.Setenv(guarded, "1")
	if os.Getppid() != 1 && stopThisProcess() != nil {
		t.Error("a process would stop itself, though its parent isn't the guard")
	}
}
