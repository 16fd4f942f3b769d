// Package park makes event channels of parked goroutines.
package park

import (
	"example.com/pvlock/internal/arch"
	"example.com/pvlock/paravirt"
)

// Channel makes event channels for n CPUs, each of which parks the goroutine that
// is the CPU.
//
// A token in the CPU's queue is an unpark. There is never more than one of use: if
// the queue is full the parked goroutine is on its way already. A token that was left over from an
// earlier wait ends a later one early, which park may do.
func Channel(n int) paravirt.ChannelOps {
	tokens := make([]chan struct{}, n)
	for i := range tokens {
		tokens[i] = make(chan struct{}, 1)
	}
	return paravirt.WordChannel(
		func(c *paravirt.CPU, _ *arch.U32, _ uint32) { <-tokens[c.ID()] },
		func(_ *paravirt.CPU, cpu uint32, _ *arch.U32) {
			select {
			case tokens[cpu] <- struct{}{}:
			default:
			}
		},
	)
}
