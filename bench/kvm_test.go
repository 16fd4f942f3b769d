package bench

import (
	"errors"
	"testing"
	"time"

	"example.com/pvlock/internal/arch"
	"example.com/pvlock/machine/kvm"
	"example.com/pvlock/paravirt"
	"example.com/pvlock/workload"
)

// A lock that calls the Go runtime is none for a guest: the cell fails, and nothing else.
func TestALockThatIsNoGuestCodeFailsItsCell(t *testing.T) {
	cfg := short(t, OnKVM)
	cfg.Duration = time.Hour
	_, err := cfg.run(t.Context(), contender{kind: *kindOf("tas"), ops: func() workload.Ops {
		c := make(chan bool, 1)
		return workload.Ops{
			Lock:   func(*arch.Word, *paravirt.CPU) { c <- true },
			Unlock: func(*arch.Word, *paravirt.CPU) { <-c },
		}
	}}, 4, 1)
	if !errors.As(err, new(*kvm.Fault)) {
		t.Errorf("error %v, want a fault", err)
	}
}

// A guest that doesn't come to its end is stopped, and others can be measured after it.
func TestAGuestThatDoesNotEndIsStopped(t *testing.T) {
	cfg := short(t, OnKVM)
	cfg.DrainLimit = 50 * time.Millisecond
	_, err := cfg.run(t.Context(), contender{kind: *kindOf("tas"), ops: func() workload.Ops {
		return workload.Ops{
			Lock: func(_ *arch.Word, c *paravirt.CPU) {
				for {
					c.Pause()
				}
			},
			Unlock: func(*arch.Word, *paravirt.CPU) {},
		}
	}}, 4, 1)
	if !errors.As(err, new(Stuck)) {
		t.Errorf("error %v, want one that says where the vCPUs are", err)
	}
}

func TestALostWakeUpInAGuestIsFoundAndMadeGood(t *testing.T) {
	cfg := short(t, OnKVM)
	cfg.Think = 0
	for round := 1; ; round++ {
		c, err := cfg.run(t.Context(), deaf(), 8, 1)
		if err != nil {
			t.Fatal(err)
		}
		if c.lost > 0 {
			return
		}
		if round == 100 {
			t.Fatal("none found in 100 rounds")
		}
	}
}

func TestNeighboursAreThereAndGone(t *testing.T) {
	cfg := short(t, OnKVM)
	cfg.Locks, cfg.Neighbours, cfg.Rounds = []string{"xen"}, 3, 1
	b, err := Run(t.Context(), cfg, []string{"test"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range b.Runs {
		check(t, &b.Runs[i])
		if b.Runs[i].Neighbours != 3 {
			t.Errorf("%d neighbours in the result, want 3", b.Runs[i].Neighbours)
		}
	}
}
