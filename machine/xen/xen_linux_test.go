package xen

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"example.com/pvlock/host"
	"example.com/pvlock/machine"
	"example.com/pvlock/paravirt"
)

// asVictim makes this binary, run again, a machine that ends only when it is killed.
const asVictim = "PVLOCK_TEST_AS_VICTIM"

func TestMain(m *testing.M) {
	if os.Getenv(asVictim) != "" {
		victim()
	}
	os.Exit(m.Run())
}

func skipWithoutXen(t *testing.T) {
	t.Helper()
	if err := Probe(); err != nil {
		t.Skip(err)
	}
}

func newTestMachine(t testing.TB, vcpus int) *Machine {
	t.Helper()
	m, err := New(machine.Config{VCPUs: vcpus, HostCPUs: host.Collect().CPUs.Or(nil), Stats: true})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// boundPorts counts the ports that processes of this domain have bound by the device, as the kernel
// lists them.
func boundPorts(t *testing.T) (n int) {
	t.Helper()
	text, err := os.ReadFile("/proc/interrupts")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Count(string(text), "evtchn:")
}

// freePort returns the number that Xen gives a port that is bound now: the lowest that is free. It
// grows when one is left behind.
func freePort(t *testing.T) port {
	t.Helper()
	fd, err := open()
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	p, err := bindUnbound(fd)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// openDevices counts this process's descriptors of the device.
func openDevices(t *testing.T) (n int) {
	t.Helper()
	fds, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range fds {
		if to, err := os.Readlink(fd); err == nil && to == device {
			n++
		}
	}
	return n
}

// leftovers returns a function that fails the test if there is more bound or open than now.
func leftovers(t *testing.T) (check func()) {
	t.Helper()
	ports, next, fds := boundPorts(t), freePort(t), openDevices(t)
	return func() {
		t.Helper()
		if p, n, f := boundPorts(t), freePort(t), openDevices(t); p != ports || n != next ||
			f != fds {
			t.Errorf("%d ports bound, the next is number %d, %d descriptors; before it was %d, "+
				"%d, %d", p, n, f, ports, next, fds)
		}
	}
}

func TestWithoutXenItSaysSoInOneLine(t *testing.T) {
	err := Probe()
	if err == nil {
		t.Skip("there is Xen here")
	}
	if text := err.Error(); !strings.HasPrefix(text, "xen: ") || strings.Contains(text, "\n") ||
		!strings.Contains(text, device) {
		t.Errorf("%q", text)
	}
	if _, newErr := New(machine.Config{VCPUs: 1, HostCPUs: []int{0}}); newErr == nil ||
		newErr.Error() != err.Error() {
		t.Errorf("New says %v, Probe %v", newErr, err)
	}
}

// one runs body on a machine of one CPU, whose channel it gives it.
func one(t *testing.T, body func(c *paravirt.CPU)) {
	t.Helper()
	skipWithoutXen(t)
	m := newTestMachine(t, 1)
	if _, err := m.Run(func() {}, body); err != nil {
		t.Fatal(err)
	}
}

func TestANewChannelIsNotPending(t *testing.T) {
	one(t, func(c *paravirt.CPU) {
		for range 1000 {
			if c.TestPending() {
				t.Error("a channel is pending that nobody has notified")
				return
			}
		}
	})
}

// If Bind left it there, the first Poll of every CPU would return for nothing.
func TestBindingTheOtherEndLeavesANotificationThatBindTakesAway(t *testing.T) {
	skipWithoutXen(t)
	fd, err := open()
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	wait, err := bindUnbound(fd)
	if err != nil {
		t.Fatal(err)
	}
	if arrived(fd, 0) {
		t.Error("a port is pending that has no other end")
	}
	send, err := bindInterdomain(fd, wait)
	if err != nil {
		t.Fatal(err)
	}
	if !arrived(fd, bindPatience) {
		t.Fatal("binding the other end left nothing: Bind would fail")
	}
	if p, ok := take(fd); !ok || p != send {
		t.Errorf("port %d is pending, want %d, the end that was bound last", p, send)
	}
}

func TestNotificationsCoalesce(t *testing.T) {
	one(t, func(c *paravirt.CPU) {
		const n = 100
		for range n {
			c.Notify(0)
		}
		// Each may arrive before or after a Clear.
		polls := 0
		for end := time.Now().Add(time.Second); time.Now().Before(end); {
			if c.TestPending() {
				polls++
				c.ClearPending()
			}
		}
		if polls == 0 || polls > n/2 {
			t.Errorf("of %d notifications %d were seen: want at least 1, and far fewer", n, polls)
		}
	})
}

func TestSetIsPendingAtOnceAndUntilItIsCleared(t *testing.T) {
	one(t, func(c *paravirt.CPU) {
		for range 100 {
			c.SetPending()
			if !c.TestPending() {
				t.Error("not pending after SetPending")
			}
			c.Poll()
			if !c.TestPending() {
				t.Error("Poll took it away")
			}
			c.ClearPending()
			if c.TestPending() {
				t.Error("pending after ClearPending")
			}
		}
	})
}

func TestNothingIsLeftBehind(t *testing.T) {
	skipWithoutXen(t)
	check := leftovers(t)
	for range 5 {
		m := newTestMachine(t, 4)
		if _, err := m.Run(
			func() {
				if n := openDevices(t); n != 4 {
					t.Errorf("%d descriptors of 4 vCPUs are open", n)
				}
				if n := boundPorts(t); n < 8 {
					t.Errorf("%d ports are bound, want two for each of 4 vCPUs: they can't be "+
						"counted", n)
				}
			},
			func(c *paravirt.CPU) { c.Notify((c.ID() + 1) % 4) },
		); err != nil {
			t.Fatal(err)
		}
	}
	check()
}

// Some CPUs come up, and then there are no more descriptors.
func TestNothingIsLeftBehindWhenACPUCantComeUp(t *testing.T) {
	skipWithoutXen(t)
	check := leftovers(t)
	const n = 8
	m := newTestMachine(t, n)
	// All descriptors but a few are taken, by copies of one.
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	few := unix.Rlimit{Cur: 64, Max: limit.Max}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &few); err != nil {
		t.Fatal(err)
	}
	var copies []int
	for {
		fd, err := unix.Dup(0)
		if err != nil {
			break
		}
		copies = append(copies, fd)
	}
	const spare = n / 2
	for _, fd := range copies[:spare] {
		unix.Close(fd)
	}
	ran := false
	_, err := m.Run(func() {}, func(*paravirt.CPU) { ran = true })
	for _, fd := range copies[spare:] {
		unix.Close(fd)
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if !errors.Is(err, unix.EMFILE) || ran {
		t.Errorf("error %v, ran: %v; want too many open files, and not", err, ran)
	}
	check()
}

// victim kicks and waits on four vCPUs until it is killed.
func victim() {
	m, err := New(machine.Config{VCPUs: 4, HostCPUs: host.Collect().CPUs.Or(nil)})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	_, err = m.Run(
		func() { fmt.Println("up") },
		func(c *paravirt.CPU) {
			for {
				c.Notify((c.ID() + 1) % 4)
				c.Poll()
				c.ClearPending()
			}
		},
	)
	fmt.Println(err)
	os.Exit(1)
}

func TestAKilledProcessLeavesNoPortBound(t *testing.T) {
	skipWithoutXen(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ports, next := boundPorts(t), freePort(t)
	rounds, clean, most := 100, 0, 0
	if testing.Short() {
		rounds = 5
	}
	for round := range rounds {
		cmd := exec.CommandContext(t.Context(), self)
		cmd.Env = append(os.Environ(), asVictim+"=1")
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		line, err := bufio.NewReader(out).ReadString('\n')
		if err != nil && err != io.EOF || line != "up\n" {
			t.Errorf("round %d: the process said %q, %v", round, line, err)
		}
		most = max(most, boundPorts(t)-ports)
		// Not to wait for anything, but to hit it in different places.
		time.Sleep(time.Duration(rand.Int64N(int64(2 * time.Millisecond))))
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if p, n := boundPorts(t), freePort(t); p == ports && n == next {
			clean++
		} else {
			t.Errorf("round %d: %d ports bound, the next is number %d; before it was %d, %d", round,
				p, n, ports, next)
		}
	}
	if most != 8 {
		t.Errorf("at most %d ports were seen bound while the process lived, want 8: they can't "+
			"be counted", most)
	}
	t.Logf("killed %d times, with %d ports bound: %d times none was left; /proc/interrupts has "+
		"%d, Xen's next is number %d, as before", rounds, most, clean, ports, next)
}
