// Package customlock shows a lock of one's own, written against package paravirt: Anderson's array
// lock of 1990, made paravirtual. It is run by the same machines and the same client as the locks
// of the catalogue, and counts by the same counters.
//
// In Anderson's lock a ticket is the number of a slot, and each waiter looks at its own slot alone,
// which the unlocker marks for it. That suits a paravirtual lock: a slot is a place to
// say "I sleep, and I am CPU 5", so the unlocker knows whom to kick, and need not search the CPUs
// as the Xen lock does, nor ask a hash table as the queued lock.
//
// It is strictly fair, which is bad where CPUs are overcommitted: each hand-over to a sleeper costs
// a wake-up, during which nobody has the lock. Ahead makes that shorter: an unlocker that has
// granted the lock also wakes the CPU whose turn comes after that, so that it is on its way while
// the lock is still held.
package customlock

import (
	"fmt"
	"math/bits"

	"example.com/pvlock/paravirt"
)

// A Lock is an array lock for CPUs of one machine; New makes one. It can't be taken from an
// interrupt that may come while the same CPU waits for it: the interrupt's ticket would come after
// that of the one who can't go on until it returns.
type Lock struct {
	// Ahead says that an unlocker wakes not only the CPU whose turn it is, but the next one too.
	Ahead bool

	slots []slot
	next  paravirt.U32 // the ticket to be given out next
	held  paravirt.U32 // the holder's ticket; nobody else reads or writes it
}

// A slot is where one CPU waits. Its byte 0 is a state, and its upper three bytes are the number of
// the CPU that sleeps there, so that one instruction reads both. It has a cache line to itself.
type slot struct {
	word paravirt.Word
	_    [60]byte
}

// The states of a slot:
//
//	          granted by the holder before
//	    ┌──────────────────────────────────┐
//	awake ──waiter's budget is used up──▶ asleep ──by the holder before──▶ granted
//	  ▲  ◀────────woken ahead──────────────┘                                  │
//	  └────────────────────────taken by its waiter────────────────────────────┘
const (
	awake   = 0 // nobody waits here, or the waiter spins
	asleep  = 1 // the waiter sleeps, or is about to, and wants to be kicked
	granted = 2 // the CPU with this slot's ticket has the lock
)

// ownSpin is for how many rounds a waiter spins where the machine leaves that to the lock.
const ownSpin = 1 << 10

// New makes a lock that as many CPUs can wait for as the machine has.
func New(cpus int) (*Lock, error) {
	if cpus < 1 || cpus > paravirt.MaxCPUs {
		return nil, fmt.Errorf("customlock: %d CPUs: want 1 to %d", cpus, paravirt.MaxCPUs)
	}
	// A power of two, so that tickets may wrap around; as many slots as CPUs, so that a slot's
	// waiter has gone before it is given to another.
	l := &Lock{slots: make([]slot, 1<<bits.Len(uint(cpus-1)))}
	var c paravirt.CPU // nobody else knows the lock yet: it doesn't matter who stores
	c.Store32(l.slots[0].word.Whole(), granted)
	return l, nil
}

func (l *Lock) slot(ticket uint32) *slot { return &l.slots[ticket&uint32(len(l.slots)-1)] }

// Lock takes the lock.
func (l *Lock) Lock(c *paravirt.CPU) {
	ticket := c.Add32(&l.next, 1) - 1
	s := l.slot(ticket)
	// Acquires; its partner is the exchange in Unlock.
	if c.Load8(s.word.Byte(0)) != granted {
		s.wait(c)
	}
	l.took(c, ticket)
}

// took makes the slot ready for its next ticket, and remembers the ticket. Until another is
// given that slot, all other tickets have to be given out: none is, while this one is held.
func (l *Lock) took(c *paravirt.CPU, ticket uint32) {
	c.Store32(l.slot(ticket).word.Whole(), awake)
	c.Store32(&l.held, ticket)
}

// wait is the slow path: spin for the budget, then sleep, until the slot is granted.
func (s *slot) wait(c *paravirt.CPU) {
	a := c.Contend()
	word, state := s.word.Whole(), s.word.Byte(0)
	for {
		_, rounds := c.SpinWhile8(state, 0xff, awake, paravirt.Rounds(c.Tunables().Spin, ownSpin))
		a.Rounds += uint64(rounds)
		old := c.Load32(word) // without a budget, the first look
		if uint8(old) == granted {
			break
		}
		// Say so, then sleep.
		//
		//	waiter                            unlocker
		//	(1) awake → asleep, my number     (2) anything → granted
		//	    Wait until it is changed      (3) it was asleep: kick
		//
		// If (2) comes first, (1) fails. If (1) comes first, (2) finds it, and Wait, which looks at
		// the state itself, is not begun, or ended by the kick. Both are locked instructions on one
		// word, so there is no third case. A CPU that can't be kicked returns from Wait at once,
		// and so spins here.
		if c.Cas32(word, old, c.ID()<<8|asleep) {
			a.Blocks++
			c.Count(paravirt.WaitNode)
		}
		for c.Load8(state) == asleep {
			c.Wait(state, asleep)
		}
		// Granted, or woken ahead: then spin again, for the turn will come soon.
	}
	c.Acquired(&a)
}

// Unlock releases the lock.
func (l *Lock) Unlock(c *paravirt.CPU) {
	ticket := c.Load32(&l.held)
	// Releases. From here on the lock is another's, who may have gone through its slot when the
	// kick is sent: the number that the exchange returned is the sleeper's all the same, and a
	// needless kick is harmless.
	if old := c.Xchg32(l.slot(ticket+1).word.Whole(), granted); uint8(old) == asleep {
		c.Count(paravirt.KickUnlock)
		c.Kick(old >> 8)
	}
	if l.Ahead {
		l.slot(ticket + 2).wakeAhead(c)
	}
}

// wakeAhead wakes the waiter that sleeps there, though it isn't its turn. If its turn has come
// meanwhile, the compare-and-swap fails; if another waiter sleeps there by now, that one is woken
// for nothing.
func (s *slot) wakeAhead(c *paravirt.CPU) {
	old := c.Load32(s.word.Whole())
	if uint8(old) == asleep && c.Cas32(s.word.Whole(), old, awake) {
		c.Count(paravirt.KickUnlock)
		c.Kick(old >> 8)
	}
}

// TryLock takes the lock if it is free.
func (l *Lock) TryLock(c *paravirt.CPU) bool {
	ticket := c.Load32(&l.next)
	// If nobody has taken the ticket, its slot is still what it was.
	if c.Load8(l.slot(ticket).word.Byte(0)) != granted || !c.Cas32(&l.next, ticket, ticket+1) {
		return false
	}
	l.took(c, ticket)
	return true
}
