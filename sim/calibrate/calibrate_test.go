package calibrate_test

import (
	"context"
	"testing"

	"example.com/pvlock/host"
	"example.com/pvlock/internal/arch"
	"example.com/pvlock/sim/calibrate"
)

func TestEveryCostIsMeasuredOrSaysWhyNot(t *testing.T) {
	cpus := host.Collect().CPUs.Or(nil)
	if !arch.HasFutex || len(cpus) < 2 {
		t.Skip("it needs Linux and two CPUs")
	}
	m, err := calibrate.Run(t.Context(), cpus)
	if err != nil {
		t.Fatal(err)
	}
	for name, ns := range m.Costs.Map() {
		if ns < 1 {
			t.Errorf("%s costs %d ns", name, ns)
		}
		if m.How[name] == "" {
			t.Errorf("nothing says how %s was measured", name)
		}
		t.Log(name, ns, m.How[name])
	}
}

func TestOneCPUIsNotEnough(t *testing.T) {
	if _, err := calibrate.Run(t.Context(), []int{0}); err == nil {
		t.Error("no error")
	}
}

func TestCalibrationCanBeStopped(t *testing.T) {
	if !arch.HasFutex {
		t.Skip("it needs Linux")
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if _, err := calibrate.Run(ctx, []int{0, 1}); err == nil {
		t.Error("no error")
	}
}
