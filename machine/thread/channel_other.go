//go:build !linux

package thread

import (
	"example.com/pvlock/machine/internal/park"
	"example.com/pvlock/paravirt"
)

// channel makes event channels of parked goroutines: there are no futexes. The
// goroutine is locked to its thread, so the thread sleeps as well.
func channel(n int) paravirt.ChannelOps { return park.Channel(n) }
