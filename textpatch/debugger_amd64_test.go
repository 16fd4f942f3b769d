//go:build linux && !purego

package textpatch

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// oneLine fails the test unless an error is one line with these words in it.
func oneLine(t *testing.T, err error, words ...string) {
	t.Helper()
	if err == nil || strings.Contains(err.Error(), "\n") {
		t.Fatalf("%v: want an error of one line", err)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%v: no %q", err, w)
		}
	}
}

// TestLiveIsRefusedUnderADebugger is its own debugger: it traces one thread of its child, not even
// the first. The child tells which, patches, and ends.
func TestLiveIsRefusedUnderADebugger(t *testing.T) {
	if runIsChild(t) {
		ids, traced := make(chan int), make(chan bool)
		defer close(traced)
		stay := func() {
			runtime.LockOSThread()
			ids <- unix.Gettid()
			<-traced
		}
		go stay()
		tid := <-ids
		if tid == os.Getpid() {
			go stay()
			tid = <-ids
		}
		fmt.Println("thread", tid)
		if _, err := bufio.NewReader(os.Stdin).ReadString('\n'); err != nil {
			t.Skip("not traced")
		}
		site := sitesIn(t, clear, callOnce)[0]
		var p Patch
		check(t, p.Nop(site))
		err := p.Apply(Live)
		if !errors.Is(err, ErrLive) || p.Touched() || Traps() != 0 {
			t.Errorf("%v; touched: %v", err, p.Touched())
		}
		oneLine(t, err, "under a debugger", "TracerPid")
		check(t, p.Apply(Quiet))
		x := uint32(5)
		if callOnce(&x); x != 5 {
			t.Errorf("patched quietly, and the call is still made")
		}
		return
	}
	runtime.LockOSThread() // a tracer is a thread
	defer runtime.UnlockOSThread()
	cmd := child(t)
	stdin, err := cmd.StdinPipe()
	check(t, err)
	stdout, err := cmd.StdoutPipe()
	check(t, err)
	cmd.Stderr = os.Stderr
	check(t, cmd.Start())
	out := bufio.NewReader(stdout)
	tid := 0
	for tid == 0 {
		line, err := out.ReadString('\n')
		check(t, err)
		if text, told := strings.CutPrefix(strings.TrimSpace(line), "thread "); told {
			tid, err = strconv.Atoi(text)
			check(t, err)
		}
	}
	if err := unix.PtraceSeize(tid); err != nil {
		stdin.Close()
		cmd.Wait()
		t.Skipf("SKIPPED: this process may not trace another: %v", err)
	}
	_, err = stdin.Write([]byte("go on\n"))
	check(t, err)
	// Let the thread have its signals, until it ends.
	for {
		var ws unix.WaitStatus
		_, err := unix.Wait4(tid, &ws, unix.WALL, nil)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil || ws.Exited() || ws.Signaled() {
			break
		}
		sig := int(ws.StopSignal())
		if ws>>16 != 0 {
			sig = 0 // an event of ptrace, not a signal
		}
		unix.PtraceCont(tid, sig)
	}
	var rest strings.Builder
	_, err = out.WriteTo(&rest)
	check(t, err)
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v\n%s", err, &rest)
	}
}

// An emulator translates code once, and doesn't see that it is written through /proc/self/mem.
func TestWhatHasNoEffectUnderAnEmulatorIsPutBackAndSaidSo(t *testing.T) {
	if runIsChild(t) {
		site := sitesIn(t, clear, callOnce)[0]
		for _, when := range ways {
			var p Patch
			check(t, p.Nop(site))
			err := p.Apply(when)
			if !errors.Is(err, ErrNoEffect) || p.Touched() {
				t.Errorf("%v: %v; touched: %v", when, err, p.Touched())
			}
			oneLine(t, err, "has no effect", "emulator")
		}
		if again := sitesIn(t, clear, callOnce); len(again) != 1 || again[0] != site {
			t.Errorf("the text is changed: %v", again)
		}
		x := uint32(5)
		if callOnce(&x); x != 0 {
			t.Error("the call isn't made")
		}
		return
	}
	qemu, err := exec.LookPath("qemu-x86_64")
	if err != nil {
		t.Skip("SKIPPED: no qemu-x86_64 here: apt-get install qemu-user")
	}
	runChild(t, 0, qemu)
}

// trap puts a breakpoint in the place of the byte at an address, as a debugger and the kernel do,
// until the test ends.
func trap(t *testing.T, addr uintptr) {
	t.Helper()
	mem, err := openMemory()
	check(t, err)
	was, err := mem.read(addr, 1)
	check(t, err, mem.write(addr, []byte{opTrap}))
	t.Cleanup(func() {
		check(t, mem.write(addr, was))
		mem.Close()
	})
}

func TestACallWithABreakpointOnItOrBeforeItIsUnsure(t *testing.T) {
	both := sitesIn(t, clear, callTwice)
	for _, c := range []struct {
		name         string
		at           uintptr
		sure, unsure []Site
	}{
		{"on the first", both[0].Addr, both[1:], both[:1]},
		{"on the second", both[1].Addr, both[:1], both[1:]},
		{"at the function's entry", Entry(callTwice), nil, both},
		{"between the two", both[0].Addr + callLen, both[:1], both[1:]},
	} {
		t.Run(c.name, func(t *testing.T) {
			trap(t, c.at)
			sure, unsure, err := Calls(Entry(clear))
			check(t, err)
			if have := sitesOf(callTwice, sure); !slices.Equal(have, c.sure) {
				t.Errorf("sure of %v, want %v", have, c.sure)
			}
			if have := sitesOf(callTwice, unsure); !slices.Equal(have, c.unsure) {
				t.Errorf("unsure of %v, want %v", have, c.unsure)
			}
		})
	}
}
