package boot

import (
	"fmt"

	"example.com/pvlock/machine"
	"example.com/pvlock/machine/goroutine"
	"example.com/pvlock/paravirt"
	"example.com/pvlock/spinlock"
)

// Exercise takes and releases each of the front doors' locks, rounds times on each of two CPUs,
// and returns an error if one didn't exclude. It brings CPUs up: Boot
// comes before it.
func Exercise(rounds int) error {
	const cpus = 2
	m, err := goroutine.New(machine.Config{
		VCPUs: cpus, HostCPUs: []int{0},
		// Short, so that sleeping is exercised too.
		Tunables: paravirt.Tunables{Spin: 100},
	})
	if err != nil {
		return fmt.Errorf("boot: %w", err)
	}
	var (
		queued  spinlock.Queued
		ticket  spinlock.Ticket
		raw     spinlock.Raw
		counted [3]int
	)
	_, err = m.Run(func() {}, func(c *paravirt.CPU) {
		for range rounds {
			queued.Lock(c)
			counted[0]++
			queued.Unlock(c)
			ticket.Lock(c)
			counted[1]++
			ticket.Unlock(c)
			raw.Lock(c)
			counted[2]++
			raw.Unlock(c)
		}
	})
	if err != nil {
		return fmt.Errorf("boot: %w", err)
	}
	if want := cpus * rounds; counted != [3]int{want, want, want} {
		return fmt.Errorf("boot: Queued, Ticket and Raw counted %v, want %d each: a lock doesn't "+
			"exclude", counted, want)
	}
	return nil
}
