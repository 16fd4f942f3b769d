package customlock

import (
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"

	"example.com/pvlock/machine"
	"example.com/pvlock/machine/goroutine"
	"example.com/pvlock/machine/thread"
	"example.com/pvlock/paravirt"
	"example.com/pvlock/workload"
)

// machines are what the lock is driven on: each by the name that commands have for it.
var machines = map[string]func(machine.Config) (machine.Machine, error){
	"threads":    func(cfg machine.Config) (machine.Machine, error) { return thread.New(cfg) },
	"goroutines": func(cfg machine.Config) (machine.Machine, error) { return goroutine.New(cfg) },
}

func hostCPUs() []int {
	cpus := make([]int, runtime.NumCPU())
	for i := range cpus {
		cpus[i] = i
	}
	return cpus
}

func Example() {
	m, err := goroutine.New(
		machine.Config{VCPUs: 4, HostCPUs: hostCPUs(), Tunables: paravirt.Tunables{Spin: 1 << 10}})
	if err != nil {
		fmt.Println(err)
		return
	}
	lock, err := New(4)
	if err != nil {
		fmt.Println(err)
		return
	}
	entries := 0
	_, err = m.Run(func() {}, func(c *paravirt.CPU) {
		for range 1000 {
			lock.Lock(c)
			entries++
			lock.Unlock(c)
		}
	})
	fmt.Println(entries, err)
	// Output: 4000 <nil>
}

// outcome is what a drive has found.
type outcome struct {
	acquisitions, violations, blocked, kicks uint64
	entered                                  [2]uint32
}

// drive runs the workload's client on each CPU until all of them have had the lock so many times.
// The clients bring a word for a lock of the catalogue: this one is larger, and leaves it alone.
func drive(tb testing.TB, m machine.Machine, lock, unlock func(c *paravirt.CPU),
	times uint64) outcome {
	tb.Helper()
	pv := m.Paravirt()
	var shared workload.Shared
	var satisfied atomic.Int32
	clients := make([]workload.Client, pv.CPUs())
	ops := workload.Ops{
		Lock: func(_ *paravirt.Word, c *paravirt.CPU) { lock(c) },
		Unlock: func(_ *paravirt.Word, c *paravirt.CPU) {
			if clients[c.ID()].Acquisitions.Value()+1 == times &&
				int(satisfied.Add(1)) == pv.CPUs() {
				shared.Stop(c.Core)
			}
			unlock(c)
		},
	}
	if _, err := m.Run(func() {}, func(c *paravirt.CPU) {
		cl := &clients[c.ID()]
		cl.Init(workload.Params{Critical: 100, Think: 500}, int(c.ID()))
		cl.Run(c, &shared, &ops)
	}); err != nil {
		tb.Fatal(err)
	}
	var o outcome
	o.entered[0], o.entered[1] = shared.Entries(pv.CPU(0).Core)
	for i := range clients {
		o.acquisitions += clients[i].Acquisitions.Value()
		o.violations += clients[i].Violations.Value()
		if s := pv.CPU(i).Stats(); s != nil {
			o.blocked += s.Events[paravirt.Blocked].Value()
			o.kicks += s.Events[paravirt.KickUnlock].Value()
		}
	}
	return o
}

func TestTheLockExcludesAndNobodySleepsOn(t *testing.T) {
	for on, newMachine := range machines {
		for _, ahead := range []bool{false, true} {
			for _, spin := range []uint32{0, 1 << 6} {
				t.Run(fmt.Sprintf("%s/ahead=%v/spin=%d", on, ahead, spin), func(t *testing.T) {
					const vcpus = 5 // no power of two, and more than there are CPUs in most places
					m, err := newMachine(
						machine.Config{VCPUs: vcpus, HostCPUs: hostCPUs(),
							Tunables: paravirt.Tunables{Spin: paravirt.Exactly(spin)}, Stats: true})
					if err != nil {
						t.Fatal(err)
					}
					l, err := New(vcpus)
					if err != nil {
						t.Fatal(err)
					}
					l.Ahead = ahead
					// The first holder keeps the lock until all others sleep, so that there is
					// something to wake.
					pv, first := m.Paravirt(), true
					o := drive(t, m, l.Lock, func(c *paravirt.CPU) {
						for i := 0; first && i < vcpus; i++ {
							for uint32(i) != c.ID() && !pv.Asleep(i) {
								runtime.Gosched()
							}
						}
						first = false
						l.Unlock(c)
					}, 500)
					if o.violations != 0 || uint64(o.entered[0]) != o.acquisitions ||
						uint64(o.entered[1]) != o.acquisitions {
						t.Errorf("%d acquisitions, %d violations, and the data was entered %d "+
							"times", o.acquisitions, o.violations, o.entered)
					}
					if o.blocked < vcpus-1 || o.kicks < vcpus-1 {
						t.Errorf("%d waits blocked and %d kicks were sent: want %d or more",
							o.blocked, o.kicks, vcpus-1)
					}
				})
			}
		}
	}
}

// TestALockThatDoesNotExcludeIsCaught is the test of the test: the same drive, of nothing.
func TestALockThatDoesNotExcludeIsCaught(t *testing.T) {
	m, err := goroutine.New(machine.Config{VCPUs: 4, HostCPUs: hostCPUs()})
	if err != nil {
		t.Fatal(err)
	}
	// The vCPU in the critical section hands its thread to another, which comes in too.
	o := drive(t, m, func(*paravirt.CPU) {}, func(*paravirt.CPU) { runtime.Gosched() }, 2000)
	if o.violations == 0 && uint64(o.entered[0]) == o.acquisitions {
		t.Skip("nobody met anybody: one CPU, and no preemption")
	}
}

func TestTryLockTakesAFreeLockOnly(t *testing.T) {
	m, err := goroutine.New(machine.Config{VCPUs: 2, HostCPUs: hostCPUs()})
	if err != nil {
		t.Fatal(err)
	}
	l, err := New(2)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Run(func() {}, func(c *paravirt.CPU) {
		if c.ID() != 0 {
			return
		}
		for range 5 { // more than there are slots
			if !l.TryLock(c) {
				t.Error("a free lock was not taken")
			}
			if l.TryLock(c) {
				t.Error("a held lock was taken")
			}
			l.Unlock(c)
		}
	}); err != nil {
		t.Fatal(err)
	}
}

func TestABadNumberOfCPUsIsRefused(t *testing.T) {
	for _, cpus := range []int{-1, 0, paravirt.MaxCPUs + 1} {
		if _, err := New(cpus); err == nil {
			t.Errorf("%d CPUs: no error", cpus)
		}
	}
}

// BenchmarkOvercommit is four vCPUs to a CPU, for what Ahead is worth: time per acquisition.
func BenchmarkOvercommit(b *testing.B) {
	for _, ahead := range []bool{false, true} {
		b.Run(fmt.Sprintf("ahead=%v", ahead), func(b *testing.B) {
			vcpus := 4 * runtime.NumCPU()
			m, err := thread.New(
				machine.Config{VCPUs: vcpus, HostCPUs: hostCPUs(),
					Tunables: paravirt.Tunables{Spin: 1 << 10}, Stats: true})
			if err != nil {
				b.Fatal(err)
			}
			l, err := New(vcpus)
			if err != nil {
				b.Fatal(err)
			}
			l.Ahead = ahead
			o := drive(b, m, l.Lock, l.Unlock, uint64(b.N/vcpus)+1)
			b.ReportMetric(float64(o.kicks)/float64(o.acquisitions), "kicks/op")
			b.ReportMetric(float64(o.blocked)/float64(o.acquisitions), "blocked/op")
		})
	}
}
