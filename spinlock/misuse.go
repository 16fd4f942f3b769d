package spinlock

import (
	"example.com/pvlock/internal/arch"
	"example.com/pvlock/paravirt"
)

// mustHold ends the program if a lock that is being released is not held. It is
// nothing at all unless the program is built with the tag pvlockdebug.
func mustHold(c *paravirt.CPU, held bool, lock string) {
	if !held {
		misused(c, lock)
	}
}

// misused is not inlined, so that where it is called from has no code but a call.
//
//go:noinline
func misused(c *paravirt.CPU, lock string) {
	c.Fatal("pvlock: unlock of unlocked " + lock)
}

const debug = arch.Debug
