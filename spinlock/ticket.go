package spinlock

import (
	"example.com/pvlock/internal/arch"
	"example.com/pvlock/paravirt"
)

// NativeTicket is the standard ticket lock, the baseline of both seeds: take a
// ticket, wait until it is called. Strictly fair, and for that reason the lock
// that both seeds set out to replace: if the waiter whose turn it is has lost its
// CPU, nobody gets the lock until it has it back.
//
// The word is head (the ticket being served) in the lower half and tail (the next to be
// given out) in the upper: the kernel's layout for 256 CPUs and more.
type NativeTicket struct{ word arch.Word }

// oneTicket, added to the word, takes a ticket.
const oneTicket = 1 << 16

func (l *NativeTicket) head() *arch.U16 { return l.word.Half(0) }

// Lock takes the lock.
func (l *NativeTicket) Lock(c *paravirt.CPU) {
	// Acquires: a locked instruction, or, for one that has to wait, the look at
	// head. Their partner is the store of head in Unlock.
	if v := c.Add32(l.word.Whole(), oneTicket); uint16(v>>16-v) != 1 {
		l.lockSlow(c, v)
	}
}

// lockSlow waits for the ticket that was taken when the word became v.
func (l *NativeTicket) lockSlow(c *paravirt.CPU, v uint32) {
	a := c.Contend()
	head, mine := uint16(v), uint16(v>>16)-1
	for head != mine {
		var n uint32
		head, n = c.SpinWhile16(l.head(), 0xffff, head, arch.Forever)
		a.Rounds += uint64(n)
	}
	c.Acquired(&a)
}

// Unlock calls the next ticket.
func (l *NativeTicket) Unlock(c *paravirt.CPU) {
	if debug {
		mustHold(c, l.IsLocked(c), "NativeTicket")
	}
	// Only the holder writes head, so this needs no locked instruction: the
	// additions of others to tail are atomic over the whole word and put head back as it
	// was.
	c.Store16(l.head(), c.Load16(l.head())+1)
}

// TryLock takes the lock if no ticket is out.
func (l *NativeTicket) TryLock(c *paravirt.CPU) bool {
	v := c.Load32(l.word.Whole())
	return v>>16 == v&0xffff && c.Cas32(l.word.Whole(), v, v+oneTicket)
}

// IsLocked reports whether a ticket is out.
func (l *NativeTicket) IsLocked(c *paravirt.CPU) bool {
	v := c.Load32(l.word.Whole())
	return v>>16 != v&0xffff
}

// IsContended reports whether more than one ticket is out.
func (l *NativeTicket) IsContended(c *paravirt.CPU) bool {
	v := c.Load32(l.word.Whole())
	return uint16(v>>16)-uint16(v) > 1
}

func nativeTicket() methods[NativeTicket] {
	type l = NativeTicket
	return methods[l]{(*l).IsLocked, (*l).IsContended, (*l).Lock, (*l).TryLock, (*l).Unlock}
}
