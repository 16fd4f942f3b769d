package machine_test

import (
	"errors"
	"strings"
	"testing"

	"example.com/pvlock/internal/arch"
	"example.com/pvlock/machine"
	"example.com/pvlock/machine/goroutine"
	"example.com/pvlock/machine/thread"
	"example.com/pvlock/paravirt"
)

// A vCPU without an event channel runs as the others do, and what they used says that there is one.
func TestAVCPUWhoseChannelCantBeBoundRunsAndIsCounted(t *testing.T) {
	for name, made := range map[string]func(machine.Config) (machine.Machine, error){
		"threads": func(cfg machine.Config) (machine.Machine, error) { return thread.New(cfg) },
		"goroutines": func(cfg machine.Config) (machine.Machine, error) {
			return goroutine.New(cfg)
		},
	} {
		t.Run(name, func(t *testing.T) {
			refused := errors.New("no channel left")
			m, err := made(
				machine.Config{VCPUs: 3, HostCPUs: []int{0},
					Around: func(ops paravirt.ChannelOps) paravirt.ChannelOps {
						ops.Bind = func(c *paravirt.CPU) error {
							if c.ID() == 1 {
								return refused
							}
							return nil
						}
						return ops
					}})
			if err != nil {
				t.Skip(err) // CPU 0 is not ours
			}
			var ran [3]arch.Counter
			usage, err := m.Run(func() {}, func(c *paravirt.CPU) {
				if !c.Online() || c.Bound() == (c.ID() == 1) {
					t.Errorf("CPU %d: online %v, bound %v", c.ID(), c.Online(), c.Bound())
				}
				ran[c.ID()].Add(1)
			})
			if err != nil || ran[0].Value() != 1 || ran[1].Value() != 1 || ran[2].Value() != 1 {
				t.Errorf("%v; ran %d, %d, %d times", err, ran[0].Value(), ran[1].Value(),
					ran[2].Value())
			}
			if len(usage.Unbound) != 1 || !errors.Is(usage.Unbound[0], refused) ||
				!strings.Contains(usage.Unbound[0].Error(), "vCPU 1") {
				t.Errorf("unbound: %v", usage.Unbound)
			}
		})
	}
}
