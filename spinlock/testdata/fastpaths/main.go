// Command fastpaths is disassembled by a test: each function is one fast path, inlined as
// in a caller's program, or called if it can't be.
package main

import (
	"example.com/pvlock/internal/arch"
	"example.com/pvlock/paravirt"
	"example.com/pvlock/spinlock"
)

//go:noinline
func QSpinLock(l *spinlock.QSpin, c *paravirt.CPU) { l.Lock(c) }

//go:noinline
func QSpinUnlock(l *spinlock.QSpin, c *paravirt.CPU) { l.Unlock(c) }

//go:noinline
func TASLock(l *spinlock.TAS, c *paravirt.CPU) { l.Lock(c) }

//go:noinline
func TASUnlock(l *spinlock.TAS, c *paravirt.CPU) { l.Unlock(c) }

//go:noinline
func ByteUnlock(l *spinlock.ByteLock, c *paravirt.CPU) { l.Unlock(c) }

//go:noinline
func TicketUnlock(l *spinlock.NativeTicket, c *paravirt.CPU) { l.Unlock(c) }

//go:noinline
func XenLock(l *spinlock.Xen, c *paravirt.CPU) { l.Lock(c) }

//go:noinline
func XenUnlock(l *spinlock.Xen, c *paravirt.CPU) { l.Unlock(c) }

//go:noinline
func PVQSpinLock(l *spinlock.PVQSpin, c *paravirt.CPU) { l.Lock(c) }

//go:noinline
func TwoLoads(p *[2]arch.U32) uint32 {
	var c arch.Core
	y := c.Load32(&p[1])
	x := c.Load32(&p[0])
	if x != 0 {
		return y
	}
	return 7
}

//go:noinline
func SameLoads(a *arch.U32) uint32 {
	var c arch.Core
	y := c.Load32(a)
	return c.Load32(a) - y
}

func main() {
	var c paravirt.CPU
	var q spinlock.QSpin
	QSpinLock(&q, &c)
	QSpinUnlock(&q, &c)
	var t spinlock.TAS
	TASLock(&t, &c)
	TASUnlock(&t, &c)
	var b spinlock.ByteLock
	b.Lock(&c)
	ByteUnlock(&b, &c)
	var n spinlock.NativeTicket
	n.Lock(&c)
	TicketUnlock(&n, &c)
	var x spinlock.Xen
	XenLock(&x, &c)
	XenUnlock(&x, &c)
	var p spinlock.PVQSpin
	PVQSpinLock(&p, &c)
	p.Unlock(&c)
	var p5 spinlock.PVQSpin2015
	p5.Lock(&c)
	p5.Unlock(&c)
	var x8 spinlock.Xen2008
	x8.Lock(&c)
	x8.Unlock(&c)
	var xt spinlock.Xen2008Text
	xt.Lock(&c)
	xt.Unlock(&c)
	var pt spinlock.PVTicket
	pt.Lock(&c)
	pt.Unlock(&c)
	var w [2]arch.U32
	println(TwoLoads(&w), SameLoads(&w[0]))
}
