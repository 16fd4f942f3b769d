package goroutine_test

import (
	"runtime"
	"testing"

	"example.com/pvlock/machine"
	"example.com/pvlock/machine/goroutine"
	"example.com/pvlock/paravirt"
	"example.com/pvlock/paravirt/contract"
)

func TestContract(t *testing.T) {
	contract.Test(t,
		func(t *testing.T, n int, ready func(*paravirt.Machine), body func(*paravirt.CPU)) {
			m, err := goroutine.New(machine.Config{VCPUs: n, HostCPUs: []int{0, 1}, Stats: true})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := m.Run(func() { ready(m.Paravirt()) }, body); err != nil {
				t.Fatal(err)
			}
		})
}

func TestGOMAXPROCSIsTheNumberOfCPUsAndIsPutBack(t *testing.T) {
	before := runtime.GOMAXPROCS(0)
	m, err := goroutine.New(machine.Config{VCPUs: 5, HostCPUs: []int{0, 1, 2}})
	if err != nil {
		t.Fatal(err)
	}
	during := 0
	if _, err := m.Run(func() { during = runtime.GOMAXPROCS(0) },
		func(*paravirt.CPU) {}); err != nil {
		t.Fatal(err)
	}
	if after := runtime.GOMAXPROCS(0); during != 3 || after != before {
		t.Errorf("GOMAXPROCS %d while it ran and %d after, want 3 and %d", during, after, before)
	}
}
