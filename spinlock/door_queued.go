package spinlock

import (
	"example.com/pvlock/internal/arch"
	"example.com/pvlock/paravirt"
)

// Queued is 2015's front door: one lock word, a native fast path, and a table that
// says what the slow path and the unlock are, and how a CPU waits and is kicked.
type Queued struct{ word arch.Word }

// QueuedOps is the table: the seed's pv_lock_ops.
type QueuedOps struct {
	// SlowPath takes a lock that Lock's exchange didn't.
	SlowPath func(l *Queued, c *paravirt.CPU)
	// Unlock releases a lock. It and SlowPath belong together.
	Unlock func(l *Queued, c *paravirt.CPU)
	// Wait and Kick are how the CPUs of a paravirtual slow path wait, and how they are kicked: the
	// contract is package paravirt's.
	Wait func(c *paravirt.CPU, p *arch.U8, v uint8)
	Kick func(c *paravirt.CPU, cpu uint32)
}

// NativeQueued returns the default: the native slow path, whose unlock is a plain
// store, and a wait and a kick that do nothing.
func NativeQueued() QueuedOps {
	return QueuedOps{SlowPath: queuedNativeSlow, Unlock: queuedNativeUnlock, Wait: waitNothing,
		Kick: kickNothing}
}

// VirtQueued returns the native table for a guest whose hypervisor offers nothing: the
// slow path is test-and-set, which no sleeping waiter can hold up.
func VirtQueued() QueuedOps {
	ops := NativeQueued()
	ops.SlowPath = queuedVirtSlow
	return ops
}

// PVQueued returns the paravirtual table. Wait and kick are the machine's.
func PVQueued() QueuedOps {
	ops := QueuedOps{SlowPath: queuedPVSlow, Unlock: queuedPVUnlock, Wait: (*paravirt.CPU).Wait,
		Kick: (*paravirt.CPU).Kick}
	if pvUnlockCode != 0 {
		ops.Unlock = pvUnlockFunc()
	}
	return ops
}

// PVQueued2015 returns the paravirtual table as it stood with the seed, wait and kick included:
// these are on the machine's event channel, and not timed by its counters.
func PVQueued2015() QueuedOps {
	return QueuedOps{SlowPath: queuedPVSlow2015, Unlock: queuedPVUnlock2015,
		Wait: paravirt.WaitEvent2015, Kick: paravirt.KickEvent2015}
}

func (ops QueuedOps) whole() bool {
	return ops.SlowPath != nil && ops.Unlock != nil && ops.Wait != nil && ops.Kick != nil
}

func queuedNativeSlow(l *Queued, c *paravirt.CPU) { nativeSlow(c, &l.word) }

func queuedVirtSlow(l *Queued, c *paravirt.CPU) {
	a := c.Contend()
	tasSlow(c, l.word.Whole(), &a)
	c.Acquired(&a)
}

func queuedNativeUnlock(l *Queued, c *paravirt.CPU) {
	if debug {
		mustHold(c, c.Load8(lockedByte(&l.word)) == locked, "Queued")
	}
	c.Store8(lockedByte(&l.word), unlocked)
}

func queuedPVSlow(l *Queued, c *paravirt.CPU)   { doorPvSlow(c, &l.word) }
func queuedPVUnlock(l *Queued, c *paravirt.CPU) { doorPvUnlock(c, &l.word) }

// queuedPVUnlockSlow is where the assembly leaf goes when the locked byte is not 1.
//
//lint:ignore U1000 assembly calls it
func queuedPVUnlockSlow(l *Queued, c *paravirt.CPU) { doorPvUnlockSlow(c, &l.word) }

func queuedPVSlow2015(l *Queued, c *paravirt.CPU)   { doorPvSlow2015(c, &l.word) }
func queuedPVUnlock2015(l *Queued, c *paravirt.CPU) { doorPvUnlock2015(c, &l.word) }

func waitNothing(*paravirt.CPU, *arch.U8, uint8) {}
func kickNothing(*paravirt.CPU, uint32)          {}

// InstallQueued sets the operations of all Queued locks. It returns [ErrSealed] once a CPU has come
// up.
func InstallQueued(ops QueuedOps) error {
	return install(ops.whole(), func(all *Ops) { all.Queued = ops })
}

// NativeUnlock reports whether the unlock is the native one: then it may be
// replaced by a store at the places that call it.
func NativeUnlock() bool {
	return codeOf(installed.Load().Queued.Unlock) == codeOf(queuedNativeUnlock)
}

// The functions through which the table is reached are never inlined: each use is a CALL, and a
// call can be replaced in the program's text, by what the table says, once
// that is known. See [Install].

//go:noinline
func queuedWait(c *paravirt.CPU, p *arch.U8, v uint8) { installed.Load().Queued.Wait(c, p, v) }

//go:noinline
func queuedKick(c *paravirt.CPU, cpu uint32) { installed.Load().Queued.Kick(c, cpu) }

// Lock takes the lock.
func (l *Queued) Lock(c *paravirt.CPU) {
	if !c.Cas32(l.word.Whole(), 0, lockedOnly) {
		l.lockSlow(c)
	}
}

//go:noinline
func (l *Queued) lockSlow(c *paravirt.CPU) {
	c.Seal()
	installed.Load().Queued.SlowPath(l, c)
}

// Unlock releases the lock.
//
//go:noinline
func (l *Queued) Unlock(c *paravirt.CPU) { installed.Load().Queued.Unlock(l, c) }

// TryLock takes the lock if it is free and nobody waits.
func (l *Queued) TryLock(c *paravirt.CPU) bool { return queuedTry(c, &l.word) }

// IsLocked reports whether the lock is held or waited for.
func (l *Queued) IsLocked(c *paravirt.CPU) bool { return c.Load32(l.word.Whole()) != 0 }

// IsContended reports whether somebody waits.
func (l *Queued) IsContended(c *paravirt.CPU) bool { return queuedContended(c, &l.word) }
