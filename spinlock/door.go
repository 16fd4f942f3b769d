package spinlock

import (
	"errors"
	"sync/atomic"

	"example.com/pvlock/internal/arch"
)

//go:generate go run ../internal/doorgen

// The front doors: [Raw], [Ticket] and [Queued] are one type each whose algorithm
// comes from a process-wide table, filled before the first CPU comes up and
// fixed from then on. They are not part of the text that runs on simulated
// machines: what stands behind them is.
//
// A lock that is taken one way must not be released another way. A word that nobody waits for
// is the same both ways, for Queued and Ticket; a waiter comes by a slow path, and that
// fixes the tables as a CPU that comes up does. A Raw lock fixes them when it is taken. A CPU that
// never came up may be releasing a lock while the tables change: see settle.

// ErrSealed is returned by the Installs once a CPU of any machine has come up in this process, or
// has waited for a lock: a lock that was taken one way must not be released another way.
var ErrSealed = errors.New("spinlock: a CPU has come up: the lock operations can't change any more")

// ErrPatched is returned by the Installs once calls of the operations have been replaced in the
// program's text: they don't look at the tables any more, and not at the seal either, so that after
// them, even when they were put back, somebody may be waiting.
var ErrPatched = errors.New("spinlock: the calls of the lock operations have been patched: they " +
	"can't change any more")

// ErrIncomplete is returned by the Installs for a table with some of its operations
// missing: they belong together.
var ErrIncomplete = errors.New("spinlock: a table of lock operations is installed whole")

// Ops is the three tables.
type Ops struct {
	Queued QueuedOps
	Ticket TicketOps
	Raw    RawOps
}

// NativeOps returns the defaults: for CPUs that are never taken away.
func NativeOps() Ops {
	return Ops{Queued: NativeQueued(), Ticket: NativeTicketOps(), Raw: TicketRaw()}
}

// VirtOps returns the tables for guests whose hypervisor offers no wait and no kick. Waiters of
// Queued test and set, those of Raw take byte locks: no queue stands still for a waiter that has
// lost its CPU. Ticket stays native, and strictly fair: it stands still for the waiter whose turn
// it is, as Linux's ticket locks did in such a guest. Nothing else is open to it without a kick.
func VirtOps() Ops { return Ops{Queued: VirtQueued(), Ticket: NativeTicketOps(), Raw: ByteRaw()} }

// PVOps returns the paravirtual tables, on the machine's wait and kick and its event channels.
func PVOps() Ops { return Ops{Queued: PVQueued(), Ticket: PVTicketOps(), Raw: XenRaw()} }

// installed is what the doors look at, never nil. It is replaced under the seal, by one store: an
// unlocker that looks meanwhile sees the old tables or the new.
var installed atomic.Pointer[tables]

// tables is the three, and what follows from them.
type tables struct {
	Ops
	// marks says whether waiters mark a Ticket.
	marks bool
}

func init() { installed.Store(tablesOf(NativeOps())) }

func tablesOf(ops Ops) *tables {
	return &tables{Ops: ops, marks: codeOf(ops.Ticket.Spinning) != codeOf(ticketSpinNothing)}
}

// patched says that code looks at the tables no more. It is changed under the seal.
var patched bool

// Install fills the three tables in one step: all or, with an error, none. Then it calls patch, if
// that is not nil, with what the doors' calls come to now; patch reports whether it has replaced
// any of them, even for a moment. No CPU comes up before that is done; but CPUs that never came up
// may take free locks and release them, and so run the code meanwhile.
func Install(ops Ops, patch func(calls []Call) bool) error {
	if !ops.Queued.whole() || !ops.Ticket.whole() || !ops.Raw.whole() {
		return ErrIncomplete
	}
	return unsealed(func() {
		replace(ops)
		if patch != nil {
			patched = patch(calls())
		}
	})
}

// install replaces one of the tables.
func install(whole bool, set func(*Ops)) error {
	if !whole {
		return ErrIncomplete
	}
	return unsealed(func() {
		ops := installed.Load().Ops
		set(&ops)
		replace(ops)
	})
}

// replace is called under the seal. A call that is patched comes to the slow path past the seal, so
// all is settled before any is.
func replace(ops Ops) {
	installed.Store(tablesOf(ops))
	settle()
}

func unsealed(change func()) (err error) {
	open := arch.Unsealed(func() {
		if patched {
			err = ErrPatched
			return
		}
		change()
	})
	if !open {
		return ErrSealed
	}
	return err
}
