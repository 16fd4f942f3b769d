// Package spinlock holds pvlock's lock algorithms, one to a file: the ones of the
// two documents that it implements, to the letter; what stands between and
// after them; and [Raw], [Ticket] and [Queued], the front doors, whose
// algorithm is chosen at boot.
//
// Every lock is four bytes, is ready to use as its zero value, must not be copied, and is
// given, with each call, the [paravirt.CPU] that executes it:
//
//	l.Lock(c)          take it; spins, and where the algorithm says so, sleeps
//	l.Unlock(c)        release it; the holder only
//	l.TryLock(c)       take it if that can be done at once
//	l.IsLocked(c)      a look: is it held?
//	l.IsContended(c)   a look: does somebody wait? (What that means differs.)
//
// The n'th call of Unlock synchronizes before the m'th call of Lock returns, for
// n < m; a successful TryLock is a Lock.
//
// # Choosing
//
// On a machine where every CPU runs all the time [QSpin] is fair and scales. On one that is shared
// its queue stands still whenever the waiter at its head is off its CPU, and so does
// [NativeTicket]'s. There [PVQSpin] is fair as long as the head of its queue runs, and [Xen] is
// simple, small and unfair. The others are here to be studied and compared; the catalogue, [Kinds],
// says what each is and where it comes from.
//
// Misuse is not looked for: an Unlock of a lock that isn't held corrupts it. [PVQSpin] and
// [PVQSpin2015] notice it, and end the program. Built with the tag pvlockdebug all do.
//
// # Memory order
//
// Each file argues its own order. The notation of its tables is that of the
// Linux kernel: two CPUs in two columns, [S] a store, [L] a load, [RMW] a locked
// instruction, MB a full fence; what is ordered by what is said beside it. An operation
// without a remark is a load-acquire or store-release (see package arch).
package spinlock
