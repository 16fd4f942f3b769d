// Package arch is the modelled counterpart of internal/arch: the same types and the
// same operations, each of which is an event handed to an [Engine] that simulates
// the CPU. It is what the twin of the lock text is compiled against.
package arch

import (
	"math"
	"time"
	"unsafe"
)

// Kind is what an event does.
type Kind uint8

// The kinds of events. A and B are the event's operands, V its result.
const (
	Load       Kind = iota // V = cell; if A isn't 0, those bits of it
	Store                  // cell = A
	Xchg                   // V = cell, cell = A
	Cmpxchg                // V = cell; if it is A, cell = B
	Cas                    // the same, but V = 1 if it did, else 0
	Add                    // V = cell += A
	Or                     // cell |= A
	And                    // cell &= A
	Fence                  // full fence
	Spin                   // wait while cell&A == B, for at most N rounds; V = cell, and the rounds
	Pause                  // one PAUSE
	Head                   // see Core.Head; A is the live value
	Membarrier             // a full fence on every CPU
	Park                   // sleep while cell == A
	Unpark                 // wake N that sleep on the cell
	Work                   // N units of computation
	Ticks                  // V = the CPU's counter
	Now                    // V = nanoseconds
	Pin                    // keep the processor
	Unpin                  // give it free
	Seal                   // the first CPU comes up
	Fatal                  // the program ends, with Msg; it does not return
	Poll                   // sleep until the CPU's event channel is pending
	Clear                  // make it not pending
	Set                    // make it pending
	Test                   // V = 1 if it is pending
	Notify                 // make CPU A's pending
	Bind                   // make the channel
	Unbind                 // free it
	// goroutine A sleeps, in way B, until it is roused; V = 1, or 0 if it gave up, which it may if
	// N is 1
	Sleep
	Rouse      // goroutine A's sleep ends, or its next one, in the way it is set to
	SleepBy    // sets goroutine A's way to B
	IsDone     // V = 1 if what is waited for is to be given up
	TakeWaiter // V = a number in the table of waiters
	DropWaiter // gives number A back
	Clock      // V = the CPU's clock
	Guess      // V is 0 or 1: what the process, or chance, decides
	NumKinds
)

// Locked says whether it is a locked read-modify-write instruction.
func (k Kind) Locked() bool { return k >= Xchg && k <= And }

// Event is one operation of a CPU. Cell is an address in the process, which the engine takes
// as a name; the memory behind it is never touched.
type Event struct {
	Kind  Kind
	Width uint8 // of the cell, in bytes
	N     uint32
	Cell  unsafe.Pointer
	A, B  uint64
	Msg   string
}

// Engine is the CPU that executes events: a model checker's or a simulator's.
type Engine interface {
	// Exec executes an event and returns its result, and the rounds of a Spin.
	Exec(e Event) (v uint64, rounds uint32)
	// Addr returns the number that stands for a lock's address. It is stored in shared memory, so
	// it must be the same in each run.
	Addr(w *Word) Addr
}

// Table is an Engine that has a table of waiters: what runs goroutines must be one.
type Table interface{ Waiter(i uint32) *Waiter }

// Core is the CPU that executes an operation. It is passed and embedded by value.
type Core struct{ Engine Engine }

// What the process offers: a model offers everything.
const (
	HasFutex = true
	CanPin   = true
	Debug    = false
	Race     = false
	Forever  = ^uint32(0)
)

// Addr is the address of a lock as a number.
type Addr uint64

// The cells, laid out as the real ones are.
type (
	U8  struct{ _ uint8 }
	U16 struct{ _ uint16 }
	U32 struct{ _ uint32 }
	Ptr struct{ _ uint64 }

	// Word is four bytes that are accessed as a whole, as halves and as bytes.
	Word struct{ _ uint32 }
)

// Whole returns the word as one cell.
func (w *Word) Whole() *U32 { return (*U32)(unsafe.Pointer(w)) }

// Byte returns byte i, 0 to 3; 0 is the least significant.
func (w *Word) Byte(i uintptr) *U8 { return (*U8)(unsafe.Add(unsafe.Pointer(w), i)) }

// Half returns half i, 0 or 1; 0 is the less significant.
func (w *Word) Half(i uintptr) *U16 { return (*U16)(unsafe.Add(unsafe.Pointer(w), i*2)) }

// Counter is a statistic of one CPU's.
type Counter struct{ v uint64 }

// Add adds n.
func (c *Counter) Add(n uint64) { c.v += n }

// Value returns the count.
func (c *Counter) Value() uint64 { return c.v }

// Hint is what a CPU says of itself to observers outside the machine. No protocol reads
// it, and it is not modelled.
type Hint struct{}

// Set does nothing.
func (h *Hint) Set(v uint32) {}

// Get returns 0.
func (h *Hint) Get() uint32 { return 0 }

// Seed returns the same number each time: a model's runs repeat.
func Seed() uint64 { return 1 }

// Rand is a small generator (xorshift64*), the real one's equal.
type Rand struct{ x uint64 }

// NewRand returns a generator for stream i of a seed.
func NewRand(seed, i uint64) Rand {
	z := seed + (i+1)*0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return Rand{z ^ z>>31 | 1}
}

// Uint32 returns 32 random bits.
func (r *Rand) Uint32() uint32 {
	r.x ^= r.x >> 12
	r.x ^= r.x << 25
	r.x ^= r.x >> 27
	return uint32(r.x * 0x2545f4914f6cdd1d >> 32)
}

// Below returns a number in [0, n), or 0 if n is 0.
func (r *Rand) Below(n uint32) uint32 { return uint32(uint64(r.Uint32()) * uint64(n) >> 32) }

// In a model a tick is a nanosecond, and so is a unit of work.

// Calibrate has nothing to do: a modelled CPU's clock counts nanoseconds.
func Calibrate() {}

// TicksToNanos converts a count of ticks.
func TicksToNanos(t uint64) uint64 { return t }

// WorkUnits returns how many units of Work take d.
func WorkUnits(d time.Duration) uint32 { return uint32(min(d.Nanoseconds(), math.MaxUint32)) }
