//go:build linux

package thread_test

import (
	"testing"

	"example.com/pvlock/machine"
	"example.com/pvlock/machine/thread"
	"example.com/pvlock/paravirt"
	"example.com/pvlock/paravirt/contract"
)

func TestContract(t *testing.T) {
	contract.Test(t,
		func(t *testing.T, n int, ready func(*paravirt.Machine), body func(*paravirt.CPU)) {
			m, err := thread.New(machine.Config{VCPUs: n, HostCPUs: mayUse(t), Stats: true})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := m.Run(func() { ready(m.Paravirt()) }, body); err != nil {
				t.Fatal(err)
			}
		})
}
