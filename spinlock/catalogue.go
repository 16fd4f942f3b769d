package spinlock

import (
	"example.com/pvlock/internal/arch"
	"example.com/pvlock/paravirt"
)

// Word is the memory of a lock of any kind of the catalogue: its zero value is a
// free lock of each.
type Word = arch.Word

// Kind is a line of the catalogue: a lock algorithm whose locks live in a Word,
// for those that drive locks without knowing which. (Its functions cost an
// indirect call. A program that knows which lock it wants uses the type.)
type Kind struct {
	// Name is what commands and results call it.
	Name string
	// About says in a few words what it is.
	About string
	// From is where it comes from.
	From string

	// Fair says that waiters are served in order: always, or as long as none sleeps.
	Fair bool
	// Sleeps says that a waiter gives its CPU up when its budget is used up.
	Sleeps bool
	// LosesWakeups says that it is known to, and is kept as it is.
	LosesWakeups bool
	// MaxCPUs is how many CPUs a machine may have on which it is used, if each may wait in all its
	// contexts. Those that bring lock and machine together enforce it.
	MaxCPUs int

	// Tunables are its parameters, spelled out: the values that its text has for those that a
	// machine leaves at 0.
	Tunables paravirt.Tunables
	// Wait and Kick are the machine's half as it was in the lock's day; nil for today's.
	Wait func(c *paravirt.CPU, p *arch.U8, v uint8)
	Kick func(c *paravirt.CPU, cpu uint32)

	Lock        func(w *Word, c *paravirt.CPU)
	Unlock      func(w *Word, c *paravirt.CPU)
	TryLock     func(w *Word, c *paravirt.CPU) bool
	IsLocked    func(w *Word, c *paravirt.CPU) bool
	IsContended func(w *Word, c *paravirt.CPU) bool
}

func kind[L any](k Kind, m methods[L]) Kind {
	w := of[Word](m)
	k.Lock, k.Unlock, k.TryLock, k.IsLocked, k.IsContended = w.Lock, w.Unlock, w.TryLock,
		w.IsLocked, w.IsContended
	return k
}

// The locks' own tunables, in rounds.
const (
	budget2008     = 1 << 10 // the 2008 code
	budget2008text = 1 << 16 // the 2008 text: "threshold at which 98% locks have been taken"
	budget2015     = 1 << 15 // 2013 and 2015: SPIN_THRESHOLD on x86

	budgetPending   = 1 << 9  // 2018: _Q_PENDING_LOOPS on x86
	budgetPrevCheck = 1 << 8  // 2015: PV_PREV_CHECK_MASK
	budgetSteal     = 1 << 10 // measured: see PVQSpin
)

// Kinds returns the catalogue, in the order in which the locks were invented.
func Kinds() []Kind {
	queued := paravirt.Tunables{Spin: budget2015, Pending: budgetPending,
		PrevCheck: budgetPrevCheck, Steal: budgetSteal}
	return []Kind{
		kind(Kind{
			Name: "bytelock", About: "byte lock with a spinner count",
			From:    "what seed 2008 replaces",
			MaxCPUs: paravirt.MaxCPUs,
		}, byteLock()),
		kind(Kind{
			Name: "ticket", About: "ticket lock", From: "baseline of both seeds",
			Fair: true, MaxCPUs: paravirt.MaxCPUs,
		}, nativeTicket()),
		kind(Kind{
			Name: "xen2008text", About: "Xen lock as its text has it, faults included",
			From:   "seed 2008, text",
			Sleeps: true, LosesWakeups: true, MaxCPUs: 128 / paravirt.Contexts,
			Tunables: paravirt.Tunables{Spin: budget2008text},
		}, xen2008Text()),
		kind(Kind{
			Name: "xen2008", About: "Xen lock as its code has it, faults included",
			From:   "seed 2008, code",
			Sleeps: true, LosesWakeups: true, MaxCPUs: paravirt.MaxCPUs,
			Tunables: paravirt.Tunables{Spin: budget2008},
		}, xen2008()),
		kind(Kind{
			Name: "xen", About: "Xen lock, every fault mended", From: "seed 2008, fixes to 2018",
			Sleeps: true, MaxCPUs: paravirt.MaxCPUs,
			Tunables: paravirt.Tunables{Spin: budget2008},
		}, xen()),
		kind(Kind{
			Name: "pvticket", About: "paravirtual ticket lock",
			From: "seed 2015, the #else of its table",
			Fair: true, Sleeps: true, MaxCPUs: (1<<15 - 1) / paravirt.Contexts,
			Tunables: paravirt.Tunables{Spin: budget2015},
		}, pvTicket()),
		kind(Kind{
			Name: "tas", About: "test-and-set with PAUSE",
			From:    "seed 2015: guests without paravirtual help",
			MaxCPUs: paravirt.MaxCPUs,
		}, tas()),
		kind(Kind{
			Name: "qspin", About: "native queued spinlock", From: "seed 2015, native",
			Fair: true, MaxCPUs: paravirt.MaxCPUs, Tunables: queued,
		}, qspin()),
		kind(Kind{
			Name: "pvqspin2015", About: "paravirtual queued spinlock as of the seed",
			From: "seed 2015, paravirtual",
			Fair: true, Sleeps: true, LosesWakeups: true, MaxCPUs: paravirt.MaxCPUs,
			Tunables: queued,
			Wait:     paravirt.WaitEvent2015, Kick: paravirt.KickEvent2015,
		}, pvqspin2015()),
		kind(Kind{
			Name: "pvqspin", About: "paravirtual queued spinlock, repaired, hybrid",
			From: "seed 2015, fixes to 2018",
			Fair: true, Sleeps: true, MaxCPUs: paravirt.MaxCPUs, Tunables: queued,
		}, pvqspin()),
	}
}
