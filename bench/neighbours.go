package bench

import (
	"errors"
	"fmt"

	"example.com/pvlock/machine"
	"example.com/pvlock/machine/kvm"
	"example.com/pvlock/paravirt"
)

// neighbours starts a virtual machine on the same CPUs as the one that is measured, whose vCPUs
// never rest: what the hypervisor has taken from a guest is steal, and this is who got it. Stop
// ends it.
func (cfg *Config) neighbours() (stop func() error, err error) {
	if cfg.Neighbours == 0 {
		return func() error { return nil }, nil
	}
	m, err := kvm.New(machine.Config{VCPUs: cfg.Neighbours, HostCPUs: cfg.HostCPUs})
	if err != nil {
		return nil, fmt.Errorf("neighbours: %w", err)
	}
	up, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		_, err := m.Run(func() { close(up) }, func(c *paravirt.CPU) {
			for {
				c.Work(1 << 20)
			}
		})
		ended <- err
	}()
	select {
	case <-up:
	case err := <-ended:
		return nil, fmt.Errorf("neighbours: %w", err)
	}
	return func() error {
		m.Stop()
		if err := <-ended; !errors.Is(err, kvm.ErrStopped) {
			return fmt.Errorf("neighbours: %w", err)
		}
		return nil
	}, nil
}
