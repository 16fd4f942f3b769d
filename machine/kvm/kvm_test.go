package kvm_test

import (
	"testing"

	"example.com/pvlock/host"
	"example.com/pvlock/machine"
	"example.com/pvlock/machine/kvm"
	"example.com/pvlock/paravirt"
	"example.com/pvlock/paravirt/contract"
)

// newMachine makes a machine of n vCPUs on all CPUs, and skips the test if the probe says that
// there can be none. If the probe says that there can, one must be made.
func newMachine(t *testing.T, n int) *kvm.Machine {
	t.Helper()
	if err := kvm.Probe(); err != nil {
		t.Skip(err)
	}
	m, err := kvm.New(machine.Config{VCPUs: n, HostCPUs: testCPUs(t), Stats: true})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// testCPUs returns the CPUs that this process may use.
func testCPUs(t *testing.T) []int {
	t.Helper()
	cpus := host.Collect().CPUs
	if cpus.State() != host.Known {
		t.Fatal(cpus)
	}
	return cpus.Or(nil)
}

func TestContract(t *testing.T) {
	contract.Test(t,
		func(t *testing.T, n int, ready func(*paravirt.Machine), body func(*paravirt.CPU)) {
			m := newMachine(t, n)
			if _, err := m.Run(func() { ready(m.Paravirt()) }, body); err != nil {
				t.Fatal(err)
			}
		})
}
