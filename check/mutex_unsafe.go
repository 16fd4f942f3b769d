package check

import (
	"fmt"
	"math/bits"
	"unsafe"

	"example.com/pvlock/internal/twin/arch"
	pvlock "example.com/pvlock/internal/twin/mutex"
	"example.com/pvlock/internal/twin/paravirt"
	"example.com/pvlock/internal/twin/spinlock"
)

// The root package's mutex. Its goroutines are the model's CPUs: each has a store buffer of its
// own, which allows more than real ones can do, whose changes from CPU to CPU are fences.

const (
	mutexName = "mutex"
	mutexSize = 8
)

// Mutex returns the root package's mutex as a lock. It is for goroutines: see [Goroutines].
func Mutex() spinlock.Kind {
	return spinlock.Kind{
		Name: mutexName, About: "what a Go program imports", Sleeps: true, MaxCPUs: maxCPUs,
		Lock:    func(w *spinlock.Word, _ *paravirt.CPU) { owned(w).Lock() },
		Unlock:  func(w *spinlock.Word, _ *paravirt.CPU) { owned(w).Unlock() },
		TryLock: func(w *spinlock.Word, _ *paravirt.CPU) bool { return owned(w).TryLock() },
	}
}

func owned(w *spinlock.Word) *pvlock.Owned { return (*pvlock.Owned)(unsafe.Pointer(w)) }

func (c *Config) mutex() bool { return c.Lock.Name == mutexName }

// LockContext takes the mutex, or gives up when it is done; it reports which. Nobody can
// count on its giving up.
func (p *Proc) LockContext(l int, done arch.Done) bool {
	outer := p.meta
	p.meta.inLock++
	if owned(p.word(l)).LockUntil(done) {
		p.taken(l, outer)
		return true
	}
	p.settle()
	p.meta.inLock = outer.inLock
	return false
}

// Goroutines is a client whose CPUs are goroutines: there is nothing to come up, and a mutex's
// memory is not freed.
func Goroutines(c Client) Client {
	c.Keep, c.Late = true, 1<<maxCPUs-1
	return c
}

// GivingUp is n goroutines that each take a mutex k times. Goroutine i may give up at any time if
// its bit in who is set. Otherwise it waits without a context, except that goroutine 1 waits with
// one that is never done.
func GivingUp(n, k int, who uint8) Client {
	return Goroutines(Client{
		Name: fmt.Sprintf("%d×%d, %d may give up", n, k, bits.OnesCount8(who)),
		Body: func(p *Proc) {
			for i := range k {
				p.At(uint64(i))
				switch {
				case who>>p.ID&1 != 0:
					if !p.LockContext(0, arch.AnyTime()) {
						continue
					}
				case p.ID == 1:
					p.LockContext(0, arch.Done{})
				default:
					p.Lock(0)
				}
				p.Unlock(0)
			}
			p.At(uint64(k))
		},
	})
}

// Waiter returns a waiter of the table.
func (p *Proc) Waiter(i uint32) *arch.Waiter { return &p.w.waiters[i] }

// An hour is what a waiter's clock says: it waits for a short or a long time, and in each for a
// moment or longer. These are all the differences that the text makes; within an acquisition the
// hour only grows, but for a sleep, after which a moment is a moment again.
type hour struct {
	asked bool
	at    uint8 // of hours
}

var hours = [...]uint64{1e9, 1e9 + 40e3, 1e9 + 2e6, 1e9 + 2e6 + 40e3}

func (h hour) hash() uint64 {
	if !h.asked {
		return 0
	}
	return mix(uint64(h.at), 0xc10c)
}

// nanotime is the clock of an acquisition. It begins when it is first asked.
func (p *Proc) nanotime(at *site) uint64 {
	if p.hour.asked && int(p.hour.at) < len(hours)-1 {
		later, _ := p.do(
			event{kind: arch.Clock, n: uint32(len(hours)) - uint32(p.hour.at), a: uint64(p.hour.at),
				site: at, owner: -1})
		p.hour.at += uint8(later)
	}
	p.hour.asked = true
	return hours[p.hour.at]
}

// guesser returns a CPU that is about to guess, or to look at its clock or whether to give up:
// nobody else sees that. It returns -1 if there is none.
func (x *model) guesser(s *state) int {
	for i := range x.cfg.CPUs {
		switch x.node(s.node[i]).ev.kind {
		case arch.Clock, arch.Guess, arch.IsDone:
			return i
		}
	}
	return -1
}

// guessed describes a guess.
func guessed(ev *event, v int) string {
	if ev.kind == arch.Clock {
		return "the clock says " + [...]string{"just now", "40 µs", "2 ms", "2.04 ms"}[int(ev.a)+v]
	}
	return "guesses " + [...]string{"no", "yes"}[v]
}

// mutex returns a mutex's words.
func (r *runner) mutex(s *state, l int) (lock, wait uint32) {
	at := r.x.w.lockAddr(l) & (1<<regionBits - 1)
	return uint32(r.peek(s, "lock", at, 4)), uint32(r.peek(s, "lock", at+4, 4))
}

// left looks at what is left when all have come to their end.
func (r *runner) left(s *state) *Violation {
	if !r.x.cfg.mutex() {
		return nil
	}
	if lock, wait := r.mutex(s, 0); !pvlock.Idle(lock, wait) {
		return &Violation{Kind: LeftOver,
			Text: fmt.Sprintf("nobody uses the mutex, and it is %d %08x", lock, wait)}
	}
	if s.permits != 0 {
		return &Violation{Kind: LeftOver, Text: "a waiter that nobody uses any more has been woken"}
	}
	return nil
}
