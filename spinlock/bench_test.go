package spinlock_test

import (
	"sync"
	"sync/atomic"
	"testing"

	"example.com/pvlock/internal/arch"
	"example.com/pvlock/internal/chanmachine"
	"example.com/pvlock/paravirt"
	"example.com/pvlock/spinlock"
)

// Uncontended models a lock that one CPU uses and others could: Lock, one increment of what it
// guards, Unlock, in a tight loop, by the lock's concrete type, so that what inlines is inlined.
// The sub-benchmarks are written out, because a table would call through a pointer.
//
// floor is the least that a lock can be: a compare-and-swap, and a plain store of a byte. qspin is
// to be within a tenth of it:
//
//	go test -run=^$ -bench=Uncontended -count=10 ./spinlock
func BenchmarkUncontended(b *testing.B) {
	k := spinlock.Kind{}
	m := machine(b, 1, k, paravirt.Tunables{}, chanmachine.Options{})
	c := m.CPU(0)
	c.Up()
	b.Run("floor", func(b *testing.B) {
		var w arch.Word
		n := 0
		b.ReportAllocs()
		for range b.N {
			for !c.Cas32(w.Whole(), 0, 1) {
			}
			n++
			c.Store8(w.Byte(0), 0)
		}
		guardedBy = n
	})
	b.Run("syncmutex", func(b *testing.B) {
		var l sync.Mutex
		n := 0
		b.ReportAllocs()
		for range b.N {
			l.Lock()
			n++
			l.Unlock()
		}
		guardedBy = n
	})
	b.Run("bytelock", func(b *testing.B) {
		var l spinlock.ByteLock
		n := 0
		b.ReportAllocs()
		for range b.N {
			l.Lock(c)
			n++
			l.Unlock(c)
		}
		guardedBy = n
	})
	b.Run("ticket", func(b *testing.B) {
		var l spinlock.NativeTicket
		n := 0
		b.ReportAllocs()
		for range b.N {
			l.Lock(c)
			n++
			l.Unlock(c)
		}
		guardedBy = n
	})
	b.Run("xen2008text", func(b *testing.B) {
		var l spinlock.Xen2008Text
		n := 0
		b.ReportAllocs()
		for range b.N {
			l.Lock(c)
			n++
			l.Unlock(c)
		}
		guardedBy = n
	})
	b.Run("xen2008", func(b *testing.B) {
		var l spinlock.Xen2008
		n := 0
		b.ReportAllocs()
		for range b.N {
			l.Lock(c)
			n++
			l.Unlock(c)
		}
		guardedBy = n
	})
	b.Run("xen", func(b *testing.B) {
		var l spinlock.Xen
		n := 0
		b.ReportAllocs()
		for range b.N {
			l.Lock(c)
			n++
			l.Unlock(c)
		}
		guardedBy = n
	})
	b.Run("pvticket", func(b *testing.B) {
		var l spinlock.PVTicket
		n := 0
		b.ReportAllocs()
		for range b.N {
			l.Lock(c)
			n++
			l.Unlock(c)
		}
		guardedBy = n
	})
	b.Run("tas", func(b *testing.B) {
		var l spinlock.TAS
		n := 0
		b.ReportAllocs()
		for range b.N {
			l.Lock(c)
			n++
			l.Unlock(c)
		}
		guardedBy = n
	})
	b.Run("qspin", func(b *testing.B) {
		var l spinlock.QSpin
		n := 0
		b.ReportAllocs()
		for range b.N {
			l.Lock(c)
			n++
			l.Unlock(c)
		}
		guardedBy = n
	})
	b.Run("pvqspin2015", func(b *testing.B) {
		var l spinlock.PVQSpin2015
		n := 0
		b.ReportAllocs()
		for range b.N {
			l.Lock(c)
			n++
			l.Unlock(c)
		}
		guardedBy = n
	})
	b.Run("pvqspin", func(b *testing.B) {
		var l spinlock.PVQSpin
		n := 0
		b.ReportAllocs()
		for range b.N {
			l.Lock(c)
			n++
			l.Unlock(c)
		}
		guardedBy = n
	})
	b.Run("door-raw", func(b *testing.B) {
		var l spinlock.Raw
		n := 0
		b.ReportAllocs()
		for range b.N {
			l.Lock(c)
			n++
			l.Unlock(c)
		}
		guardedBy = n
	})
	b.Run("door-ticket", func(b *testing.B) {
		var l spinlock.Ticket
		n := 0
		b.ReportAllocs()
		for range b.N {
			l.Lock(c)
			n++
			l.Unlock(c)
		}
		guardedBy = n
	})
	b.Run("door-queued", func(b *testing.B) {
		var l spinlock.Queued
		n := 0
		b.ReportAllocs()
		for range b.N {
			l.Lock(c)
			n++
			l.Unlock(c)
		}
		guardedBy = n
	})
}

// guardedBy keeps the increments from being dropped.
var guardedBy int

// TryLock models a lock that is tried and found held: what a caller pays for going away.
func BenchmarkTryLockHeld(b *testing.B) {
	m := machine(b, 1, spinlock.Kind{}, paravirt.Tunables{}, chanmachine.Options{})
	c := m.CPU(0)
	for _, k := range spinlock.Kinds() {
		b.Run(k.Name, func(b *testing.B) {
			w := new(spinlock.Word)
			k.Lock(w, c)
			b.ReportAllocs()
			for range b.N {
				k.TryLock(w, c)
			}
		})
	}
}

// Contended models a lock whose holders come in parallel on as many goroutines as there are Ps,
// with a critical section of some 100 ns and 500 ns between two: its throughput as long as every
// CPU runs. (What happens when they don't is for the command to measure.)
func BenchmarkContended(b *testing.B) {
	for _, k := range spinlock.Kinds() {
		b.Run(k.Name, func(b *testing.B) {
			n := 2
			m := machine(b, n, k, k.Tunables, chanmachine.Options{})
			w := new(spinlock.Word)
			var left atomic.Int64
			left.Store(int64(b.N))
			b.ReportAllocs()
			chanmachine.Run(m, func(c *paravirt.CPU) {
				for left.Add(-1) >= 0 {
					k.Lock(w, c)
					c.Work(100)
					k.Unlock(w, c)
					c.Work(500)
				}
			})
		})
	}
}
