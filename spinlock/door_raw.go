package spinlock

import (
	"example.com/pvlock/internal/arch"
	"example.com/pvlock/paravirt"
)

// Raw is 2008's front door: a lock whose five operations come from a table, byte
// locks until the Xen lock's are installed. Each call is indirect until it is patched, and a
// call then, the fast ones too: that is what the later doors were built to avoid.
type Raw struct{ word arch.Word }

// RawOps is the table: the seed's pv_lock_ops.
type RawOps struct {
	IsLocked    func(l *Raw, c *paravirt.CPU) bool
	IsContended func(l *Raw, c *paravirt.CPU) bool
	Lock        func(l *Raw, c *paravirt.CPU)
	TryLock     func(l *Raw, c *paravirt.CPU) bool
	Unlock      func(l *Raw, c *paravirt.CPU)
}

// ByteRaw returns the byte locks: the default.
func ByteRaw() RawOps {
	return RawOps{IsLocked: byteIsLocked, IsContended: byteIsContended, Lock: byteLock, TryLock: byteTryLock, Unlock: byteUnlock}
}

// XenRaw returns the Xen lock's: what the seed's xen_init_spinlocks installs, with
// its faults mended.
func XenRaw() RawOps {
	return RawOps{IsLocked: xenIsLocked, IsContended: xenIsContended, Lock: xenLock, TryLock: xenTryLock, Unlock: xenUnlock}
}

func byteIsLocked(l *Raw, c *paravirt.CPU) bool    { return (*ByteLock)(l).IsLocked(c) }
func byteIsContended(l *Raw, c *paravirt.CPU) bool { return (*ByteLock)(l).IsContended(c) }
func byteLock(l *Raw, c *paravirt.CPU)             { (*ByteLock)(l).Lock(c) }
func byteTryLock(l *Raw, c *paravirt.CPU) bool     { return (*ByteLock)(l).TryLock(c) }
func byteUnlock(l *Raw, c *paravirt.CPU)           { (*ByteLock)(l).Unlock(c) }

func xenIsLocked(l *Raw, c *paravirt.CPU) bool    { return (*Xen)(l).IsLocked(c) }
func xenIsContended(l *Raw, c *paravirt.CPU) bool { return (*Xen)(l).IsContended(c) }
func xenLock(l *Raw, c *paravirt.CPU)             { (*Xen)(l).Lock(c) }
func xenTryLock(l *Raw, c *paravirt.CPU) bool     { return (*Xen)(l).TryLock(c) }
func xenUnlock(l *Raw, c *paravirt.CPU)           { (*Xen)(l).Unlock(c) }

func (ops RawOps) whole() bool {
	return ops.IsLocked != nil && ops.IsContended != nil && ops.Lock != nil && ops.TryLock != nil && ops.Unlock != nil
}

// InstallRaw sets the operations of all Raw locks. It returns [ErrSealed] once a CPU has come up, or taken one.
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
