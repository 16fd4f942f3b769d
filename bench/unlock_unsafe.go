package bench

import (
	"sync/atomic"
	"unsafe"

	"example.com/pvlock/paravirt"
	"example.com/pvlock/spinlock"
)

// The ways to release a lock, each in the loops that measure it. They are written out, because what
// is compared is what the compiler makes of each. What is measured patched is the same code as is
// measured through the table, in the same place, patched for its turns.
//
// A loop of pairs takes the lock and releases it; a loop of releases makes the word 1 by a
// plain store, and releases it. How long that store takes alone is measured too, and taken off.

var (
	unlockNative = spinlock.NativeQueued()
	unlockPV     = spinlock.PVQueued()
	unlockIsPV   bool
	// The tables, as spinlock has them: one pointer, which may change while others look.
	nativeTable, pvTable atomic.Pointer[spinlock.QueuedOps]
)

func init() {
	nativeTable.Store(&unlockNative)
	pvTable.Store(&unlockPV)
}

//go:noinline
func unlockNativeTable(l *spinlock.Queued, c *paravirt.CPU) { nativeTable.Load().Unlock(l, c) }

//go:noinline
func unlockPVTable(l *spinlock.Queued, c *paravirt.CPU) { pvTable.Load().Unlock(l, c) }

// unlockInline is the native unlock where it is called. QSpin is the same word.
func unlockInline(l *spinlock.Queued, c *paravirt.CPU) {
	(*spinlock.QSpin)(unsafe.Pointer(l)).Unlock(c)
}

func hold(l *spinlock.Queued) { *(*uint32)(unsafe.Pointer(l)) = 1 }

type loop func(n int, l *spinlock.Queued, c *paravirt.CPU)

// unlockWay is one way to release a lock.
type unlockWay struct {
	name          string
	pair, release loop
	site          func(p *[4]uint64, l *spinlock.Queued, c *paravirt.CPU) // a typical caller
	// nil if nothing is called that is patched
	called         func(l *spinlock.Queued, c *paravirt.CPU)
	patched, store bool
	// what is called when it is patched, and no store
	direct func(l *spinlock.Queued, c *paravirt.CPU)
}

var unlockWays = []unlockWay{
	{name: "direct native", site: siteInline,
		pair: func(n int, l *spinlock.Queued, c *paravirt.CPU) {
			for range n {
				l.Lock(c)
				unlockInline(l, c)
			}
		},
		release: func(n int, l *spinlock.Queued, c *paravirt.CPU) {
			for range n {
				hold(l)
				unlockInline(l, c)
			}
		}},
	{name: "native, branch on a bool", site: siteBool,
		pair: func(n int, l *spinlock.Queued, c *paravirt.CPU) {
			for range n {
				l.Lock(c)
				if unlockIsPV {
					unlockPV.Unlock(l, c)
				} else {
					unlockInline(l, c)
				}
			}
		},
		release: func(n int, l *spinlock.Queued, c *paravirt.CPU) {
			for range n {
				hold(l)
				if unlockIsPV {
					unlockPV.Unlock(l, c)
				} else {
					unlockInline(l, c)
				}
			}
		}},
	{name: "native, table", site: siteNative, called: unlockNativeTable, pair: pairsNative,
		release: releasesNative},
	{name: "native, patched", site: siteNative, called: unlockNativeTable, pair: pairsNative,
		release: releasesNative, patched: true, store: true, direct: unlockNative.Unlock},
	{name: "native, patched to a call", site: siteNative, called: unlockNativeTable,
		pair: pairsNative, release: releasesNative, patched: true, direct: unlockNative.Unlock},
	{name: "paravirtual, table", site: sitePV, called: unlockPVTable, pair: pairsPV,
		release: releasesPV},
	{name: "paravirtual, patched", site: sitePV, called: unlockPVTable, pair: pairsPV,
		release: releasesPV, patched: true, direct: unlockPV.Unlock},
}

func pairsNative(n int, l *spinlock.Queued, c *paravirt.CPU) {
	for range n {
		l.Lock(c)
		unlockNativeTable(l, c)
	}
}

func releasesNative(n int, l *spinlock.Queued, c *paravirt.CPU) {
	for range n {
		hold(l)
		unlockNativeTable(l, c)
	}
}

func pairsPV(n int, l *spinlock.Queued, c *paravirt.CPU) {
	for range n {
		l.Lock(c)
		unlockPVTable(l, c)
	}
}

func releasesPV(n int, l *spinlock.Queued, c *paravirt.CPU) {
	for range n {
		hold(l)
		unlockPVTable(l, c)
	}
}

// holdOnly is what the loops of releases do besides.
func holdOnly(n int, l *spinlock.Queued, _ *paravirt.CPU) {
	for range n {
		hold(l)
	}
}

// The typical callers have four values at hand that live across the release.

//go:noinline
func siteInline(p *[4]uint64, l *spinlock.Queued, c *paravirt.CPU) {
	w, x, y, z := p[0]+1, p[1]+2, p[2]+3, p[3]+4
	unlockInline(l, c)
	p[0], p[1], p[2], p[3] = w, x, y, z
}

//go:noinline
func siteBool(p *[4]uint64, l *spinlock.Queued, c *paravirt.CPU) {
	w, x, y, z := p[0]+1, p[1]+2, p[2]+3, p[3]+4
	if unlockIsPV {
		unlockPV.Unlock(l, c)
	} else {
		unlockInline(l, c)
	}
	p[0], p[1], p[2], p[3] = w, x, y, z
}

//go:noinline
func siteNative(p *[4]uint64, l *spinlock.Queued, c *paravirt.CPU) {
	w, x, y, z := p[0]+1, p[1]+2, p[2]+3, p[3]+4
	unlockNativeTable(l, c)
	p[0], p[1], p[2], p[3] = w, x, y, z
}

//go:noinline
func sitePV(p *[4]uint64, l *spinlock.Queued, c *paravirt.CPU) {
	w, x, y, z := p[0]+1, p[1]+2, p[2]+3, p[3]+4
	unlockPVTable(l, c)
	p[0], p[1], p[2], p[3] = w, x, y, z
}

func codeOfUnlock(f func(*spinlock.Queued, *paravirt.CPU)) uintptr {
	return **(**uintptr)(unsafe.Pointer(&f))
}
