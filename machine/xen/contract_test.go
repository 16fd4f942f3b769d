package xen_test

import (
	"testing"

	"example.com/pvlock/host"
	"example.com/pvlock/machine"
	"example.com/pvlock/machine/xen"
	"example.com/pvlock/paravirt"
	"example.com/pvlock/paravirt/contract"
)

// needXen skips a test where there is no Xen, and says so. It returns the CPUs of the domain.
func needXen(t *testing.T) []int {
	t.Helper()
	if err := xen.Probe(); err != nil {
		t.Skip(err)
	}
	cpus := host.Collect().CPUs
	if cpus.State() != host.Known {
		t.Fatal(cpus)
	}
	return cpus.Or(nil)
}

func TestContract(t *testing.T) {
	cpus := needXen(t)
	if host.Collect().Emulated {
		// A hand-over takes most of a millisecond.
		contract.Rounds = 300
	}
	contract.Test(t,
		func(t *testing.T, n int, ready func(*paravirt.Machine), body func(*paravirt.CPU)) {
			m, err := xen.New(machine.Config{VCPUs: n, HostCPUs: cpus, Stats: true})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := m.Run(func() { ready(m.Paravirt()) }, body); err != nil {
				t.Fatal(err)
			}
		})
}
