package machine

import (
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"

	"example.com/pvlock/paravirt"
	"example.com/pvlock/paravirt/contract"
	"example.com/pvlock/spinlock"
	"example.com/pvlock/workload"
)

// On a machine of one's own a lock is taken as on any other.
func Example() {
	m, err := New(4, paravirt.Tunables{Spin: 100})
	if err != nil {
		fmt.Println(err)
		return
	}
	var lock spinlock.Xen
	entries := 0
	err = m.Run(func(c *paravirt.CPU) {
		for range 1000 {
			lock.Lock(c)
			entries++
			lock.Unlock(c)
		}
	})
	fmt.Println(entries, err)
	// Output: 4000 <nil>
}

func TestTheMachineKeepsTheContract(t *testing.T) {
	contract.Test(t,
		func(t *testing.T, n int, ready func(*paravirt.Machine), body func(*paravirt.CPU)) {
			m, err := New(n, paravirt.Tunables{})
			if err != nil {
				t.Fatal(err)
			}
			ready(m.Paravirt())
			if err := m.Run(body); err != nil {
				t.Fatal(err)
			}
		})
}

// TestTheLocksOfTheCatalogueExclude runs each until every CPU has had it so many times. Those that
// sleep have no budget, and a holder who gives its thread up: all others then go to sleep. Those
// that spin for ever have two CPUs: with more than the host has, each hand-over may take a slice of
// the Go scheduler. The locks that are known to lose wake-ups are left out: without a watchdog the
// first one would be the end.
func TestTheLocksOfTheCatalogueExclude(t *testing.T) {
	const times = 100
	for _, kind := range spinlock.Kinds() {
		if kind.LosesWakeups {
			continue
		}
		t.Run(kind.Name, func(t *testing.T) {
			cpus := 2
			if kind.Sleeps {
				cpus = 4
			}
			tune := kind.Tunables
			tune.Spin = paravirt.None
			m, err := New(cpus, tune)
			if err != nil {
				t.Fatal(err)
			}
			var shared workload.Shared
			var satisfied atomic.Int32
			clients := make([]workload.Client, cpus)
			ops := workload.Ops{Lock: kind.Lock, Unlock: func(w *spinlock.Word, c *paravirt.CPU) {
				if clients[c.ID()].Acquisitions.Value()+1 == times &&
					int(satisfied.Add(1)) == cpus {
					shared.Stop(c.Core)
				}
				if kind.Sleeps {
					runtime.Gosched()
				}
				kind.Unlock(w, c)
			}}
			err = m.Run(func(c *paravirt.CPU) {
				cl := &clients[c.ID()]
				cl.Init(workload.Params{Critical: 100, Think: 500}, int(c.ID()))
				cl.Run(c, &shared, &ops)
			})
			if err != nil {
				t.Fatal(err)
			}
			var sum, violations uint64
			for i := range clients {
				sum += clients[i].Acquisitions.Value()
				violations += clients[i].Violations.Value()
			}
			if first, second := shared.Entries(m.Paravirt().CPU(0).Core); violations != 0 ||
				uint64(first) != sum || uint64(second) != sum {
				t.Errorf("%d acquisitions, %d violations, and the data was entered %d and %d times",
					sum, violations, first, second)
			}
			if slept := m.Sleeps(); (slept > 0) != kind.Sleeps {
				t.Errorf("%d sleeps of a lock that sleeps: %v", slept, kind.Sleeps)
			}
		})
	}
}

func TestAMachineOfNoCPUsIsRefused(t *testing.T) {
	if _, err := New(0, paravirt.Tunables{}); err == nil {
		t.Error("no error")
	}
}
