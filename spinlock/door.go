package spinlock

import (
	"errors"

	"example.com/pvlock/internal/arch"
)

// The front doors: [Raw], [Ticket] and [Queued] are one type each whose algorithm
// comes from a process-wide table, filled before the first CPU comes up and
// fixed from then on. They are not part of the text that runs on simulated
// machines: what stands behind them is.

// ErrSealed is returned by the Installs once a CPU of any machine has come up in this
// process: a lock that was taken one way must not be released another way.
var ErrSealed = errors.New("spinlock: a CPU has come up: the lock operations can't change any more")

// ErrIncomplete is returned by the Installs for a table with some of its operations
// missing: they belong together.
var ErrIncomplete = errors.New("spinlock: a table of lock operations is installed whole")

func install[T any](table *T, ops T, whole bool) error {
	if !whole {
		return ErrIncomplete
	}
	if arch.Sealed() {
		return ErrSealed
	}
	*table = ops
	return nil
}
