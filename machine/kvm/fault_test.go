//go:build linux && amd64 && !purego && !race

package kvm_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"example.com/pvlock/internal/arch"
	"example.com/pvlock/machine/kvm"
	"example.com/pvlock/paravirt"
)

// The bodies below can't be run in a guest. Each is a function of its own, because its name and
// file must be in the error.

type scratch struct {
	zero  int
	small []int
	fn    func()
	out   []byte
	cell  arch.Word
}

//go:noinline
func divides(s *scratch) { s.small[0] = 1 / s.zero }

//go:noinline
func indexes(s *scratch) { s.small[s.zero+1] = 1 }

//go:noinline
func callsNil(s *scratch) { s.fn() }

//go:noinline
func allocates(s *scratch) { s.out = make([]byte, 100) }

//go:noinline
func recurses(s *scratch, n int) int {
	var frame [64]int
	frame[n&63] = s.zero
	//lint:ignore SA5007 it ends when the stack does
	return recurses(s, n+1) + frame[(n+1)&63]
}

func TestAFaultEndsTheMachineAndSaysWhere(t *testing.T) {
	for _, tt := range []struct {
		name string
		bad  func(s *scratch)
		in   string // function
		what []string
	}{
		{"reads where nothing is mapped", readsNowhere, "readsNowhere", []string{"0x123456789000"}},
		{"reads far off nil", readsNil, "readsNil", []string{"0x0"}},
		{"writes to a constant", writesText, "writesText", []string{"exception"}},
		{"divides by zero", divides, "divides", []string{"panic", "runtime.panicdivide"}},
		{"indexes out of range", indexes, "indexes", []string{"panic", "runtime.panic"}},
		{"calls a nil function", callsNil, "callsNil", []string{"exception"}},
		{"allocates", allocates, "allocates", []string{"runtime.makeslice"}},
		{"uses up its stack", func(s *scratch) { s.zero = recurses(s, 0) }, "recurses",
			[]string{"its stack of 64 kB is used up"}},
		{"makes a system call", callsTheSystem, "callsTheSystem", []string{"exception"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := &scratch{small: make([]int, 1)}
			m := newMachine(t, 3)
			_, err := m.Run(func() {}, func(c *paravirt.CPU) {
				if c.ID() == 1 {
					tt.bad(s)
					return
				}
				// The others would go on for ever, one awake and one asleep.
				for c.ID() == 0 {
					c.Pause()
				}
				for {
					c.Wait(s.cell.Byte(0), 0)
				}
			})
			var fault *kvm.Fault
			if !errors.As(err, &fault) {
				t.Fatalf("error %v, want a fault", err)
			}
			if fault.VCPU != 1 {
				t.Errorf("vCPU %d is said to have faulted, want 1", fault.VCPU)
			}
			for _, want := range append(tt.what, "kvm_test."+tt.in+" (", "_test.go:") {
				if !strings.Contains(fault.Error(), want) {
					t.Errorf("the error doesn't say %q: %v", want, fault)
				}
			}
			if strings.Contains(fault.Error(), "\n") {
				t.Error("the error has more than one line")
			}
		})
	}
}

// stopAfter stops a machine once its vCPUs have been running for a while.
func stopAfter(m *kvm.Machine, d time.Duration) (ready func()) {
	return func() { time.AfterFunc(d, m.Stop) }
}

func TestAGuestThatNeverEndsIsStopped(t *testing.T) {
	for name, body := range map[string]func(c *paravirt.CPU, s *scratch){
		"spinning": func(*paravirt.CPU, *scratch) {
			//lint:ignore SA5002 that it never ends is the test
			for {
			}
		},
		"asleep": func(c *paravirt.CPU, s *scratch) {
			for {
				c.Wait(s.cell.Byte(0), 0)
			}
		},
		"waking each other": func(c *paravirt.CPU, s *scratch) {
			for {
				c.Kick(c.ID() ^ 1)
				c.Wait(s.cell.Byte(0), 0)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t, 4)
			s := new(scratch)
			if _, err := m.Run(stopAfter(m, 10*time.Millisecond),
				func(c *paravirt.CPU) { body(c, s) }); !errors.Is(err, kvm.ErrStopped) {
				t.Errorf("error %v, want %v", err, kvm.ErrStopped)
			}
		})
	}
}

func TestAMachineThatWasStoppedBeforeItRanRunsNothing(t *testing.T) {
	m := newMachine(t, 2)
	s := new(scratch)
	m.Stop()
	_, err := m.Run(func() {}, func(c *paravirt.CPU) { c.Store32(s.cell.Whole(), 1) })
	if !errors.Is(err, kvm.ErrStopped) {
		t.Errorf("error %v, want %v", err, kvm.ErrStopped)
	}
	if (arch.Core{}).Load32(s.cell.Whole()) != 0 {
		t.Error("a body ran")
	}
}

func TestAMachineRunsOnce(t *testing.T) {
	m := newMachine(t, 1)
	if _, err := m.Run(func() {}, func(*paravirt.CPU) {}); err != nil {
		t.Fatal(err)
	}
	m.Stop() // changes nothing any more
	if _, err := m.Run(func() {}, func(*paravirt.CPU) {}); err == nil {
		t.Error("a second run was made")
	}
}

// A machine that faults and one that doesn't, at the same time.
func TestAFaultIsNoOtherMachinesBusiness(t *testing.T) {
	good, bad := newMachine(t, 2), newMachine(t, 2)
	s := &scratch{small: make([]int, 1)}
	faulted := make(chan error, 1)
	_, err := good.Run(
		func() {
			go func() {
				_, err := bad.Run(func() {}, func(*paravirt.CPU) { divides(s) })
				faulted <- err
				arch.Core{}.Store32(s.cell.Whole(), 1)
			}()
		},
		func(c *paravirt.CPU) { c.SpinWhile32(s.cell.Whole(), 1, 0, arch.Forever) },
	)
	if err != nil {
		t.Errorf("the good machine: %v", err)
	}
	if err := <-faulted; !errors.As(err, new(*kvm.Fault)) {
		t.Errorf("the bad machine: %v, want a fault", err)
	}
}

func TestRescueWakesASleeper(t *testing.T) {
	m := newMachine(t, 1)
	s := new(scratch)
	_, err := m.Run(
		func() {
			go func() {
				for !m.Paravirt().Asleep(0) {
					time.Sleep(time.Millisecond)
				}
				arch.Core{}.Store32(s.cell.Whole(), 1)
				m.Paravirt().Rescue(0)
			}()
		},
		func(c *paravirt.CPU) {
			for c.Load8(s.cell.Byte(0)) == 0 {
				c.Wait(s.cell.Byte(0), 0)
			}
		},
	)
	if err != nil {
		t.Fatal(err)
	}
}
