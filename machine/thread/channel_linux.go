package thread

import (
	"example.com/pvlock/internal/arch"
	"example.com/pvlock/paravirt"
)

// channel makes event channels of futexes.
func channel(int) paravirt.ChannelOps {
	return paravirt.WordChannel(
		func(c *paravirt.CPU, word *arch.U32, v uint32) { c.ParkThread(word, v) },
		func(c *paravirt.CPU, _ uint32, word *arch.U32) { c.UnparkThread(word, 1) },
	)
}
