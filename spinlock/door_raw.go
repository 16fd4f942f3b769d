package spinlock

import (
	"example.com/pvlock/internal/arch"
	"example.com/pvlock/paravirt"
)

// Raw is 2008's front door: a lock whose five operations come from a table, the ticket
// lock's until others are installed. Each call is indirect until it is patched, and a
// call then, the fast ones too: that is what the later doors were built to avoid.
type Raw struct {
	//lint:ignore U1000 the methods of the locks in the table reach it
	word arch.Word
}

// RawOps is the table: the seed's pv_lock_ops, in its order.
type RawOps struct {
	IsLocked    func(l *Raw, c *paravirt.CPU) bool
	IsContended func(l *Raw, c *paravirt.CPU) bool
	Lock        func(l *Raw, c *paravirt.CPU)
	TryLock     func(l *Raw, c *paravirt.CPU) bool
	Unlock      func(l *Raw, c *paravirt.CPU)
}

// TicketRaw returns the ticket lock's: the default, as it was before the seed in pv_lock_ops.
func TicketRaw() RawOps { return RawOps(of[Raw](nativeTicket())) }

// ByteRaw returns the byte locks': what a guest's paravirt_use_bytelocks installed, until the seed
// removed it.
func ByteRaw() RawOps { return RawOps(of[Raw](byteLock())) }

// Xen2008Raw returns the Xen lock's as the seed's code has it, which its xen_init_spinlocks
// installs.
func Xen2008Raw() RawOps { return RawOps(of[Raw](xen2008())) }

// Xen2008TextRaw returns the Xen lock's as the seed's text has it: for machines of as many CPUs as
// the catalogue says of xen2008text, 32.
func Xen2008TextRaw() RawOps { return RawOps(of[Raw](xen2008Text())) }

// XenRaw returns the Xen lock's with all faults mended.
func XenRaw() RawOps { return RawOps(of[Raw](xen())) }

func (ops RawOps) whole() bool {
	return ops.IsLocked != nil && ops.IsContended != nil && ops.Lock != nil && ops.TryLock != nil &&
		ops.Unlock != nil
}

// InstallRaw sets the operations of all Raw locks. It returns [ErrSealed] once a CPU has come up,
// or taken one.
func InstallRaw(ops RawOps) error {
	return install(ops.whole(), func(all *Ops) { all.Raw = ops })
}

// Lock takes the lock.
//
//go:noinline
func (l *Raw) Lock(c *paravirt.CPU) {
	c.Seal()
	installed.Load().Raw.Lock(l, c)
}

// Unlock releases the lock.
//
//go:noinline
func (l *Raw) Unlock(c *paravirt.CPU) { installed.Load().Raw.Unlock(l, c) }

// TryLock takes the lock if it is free.
//
//go:noinline
func (l *Raw) TryLock(c *paravirt.CPU) bool {
	c.Seal()
	return installed.Load().Raw.TryLock(l, c)
}

// IsLocked reports whether the lock is held.
//
//go:noinline
func (l *Raw) IsLocked(c *paravirt.CPU) bool { return installed.Load().Raw.IsLocked(l, c) }

// IsContended reports whether somebody waits, as the installed lock sees it.
//
//go:noinline
func (l *Raw) IsContended(c *paravirt.CPU) bool { return installed.Load().Raw.IsContended(l, c) }
