package paravirt

import "example.com/pvlock/internal/arch"

// ChannelOps is how a machine's CPUs sleep and are woken: an event channel per
// CPU, as Xen has it, that is polled and never delivered. [WordChannel] makes one
// from two functions; a machine that has real event channels supplies its own.
//
// A channel is pending or not. Clear and Notify are full fences: a CPU that clears, looks at a
// lock, and polls misses no notification sent after the look; and what a CPU
// stored before it notifies is seen by a CPU that finds the channel pending.
type ChannelOps struct {
	// Bind makes the calling CPU's channel, Unbind frees it. Either may be nil.
	Bind   func(c *CPU) error
	Unbind func(c *CPU)

	// Clear makes the calling CPU's channel not pending.
	Clear func(c *CPU)
	// Set makes it pending.
	Set func(c *CPU)
	// Test reports whether it is pending.
	Test func(c *CPU) bool
	// Poll blocks until it is pending, and leaves it so. It may return early.
	Poll func(c *CPU)
	// Notify makes the channel of another CPU, which is bound, pending. Notifications coalesce.
	Notify func(c *CPU, cpu uint32)

	// Rescue is Notify for a caller outside the machine, which runs on none of its CPUs: nil
	// where that makes no difference.
	Rescue func(c *CPU, cpu uint32)
}

// channel is the state of a CPU's event channel.
type channel struct {
	// word is one of the states below. Only WordChannel uses it.
	word arch.U32
	// bound is 1 while the channel exists.
	bound arch.U32
	// polling is set while its CPU is in Poll.
	polling arch.Hint
	// kicked is when the last kick was sent, in ns and never 0, while counters are
	// on and its CPU waits.
	kicked arch.U32

	_ [line - 4*4]byte
}

const (
	clear    = 0
	pending  = 1
	sleeping = 2 // not pending, and its CPU sleeps or is about to
)

func (c *CPU) channel() *channel { return &c.m.channels[c.id] }

// ClearPending makes the CPU's channel not pending. It is a full fence.
func (c *CPU) ClearPending() { c.m.ops.Clear(c) }

// SetPending makes it pending, so that the next Poll returns at once.
func (c *CPU) SetPending() { c.m.ops.Set(c) }

// TestPending reports whether it is pending.
func (c *CPU) TestPending() bool { return c.m.ops.Test(c) }

// Poll blocks until the CPU's channel is pending, and leaves it pending. It may
// return early.
func (c *CPU) Poll() {
	ch := c.channel()
	ch.polling.Set(1)
	if s := c.stats; s == nil {
		c.m.ops.Poll(c)
	} else {
		began := c.Now()
		c.m.ops.Poll(c)
		s.polled(c.Now()-began, c.m.ops.Test(c))
	}
	ch.polling.Set(0)
}

// Notify makes the channel of another CPU pending, and so ends its Poll. It is a
// full fence. The CPU must be bound.
func (c *CPU) Notify(cpu uint32) {
	c.stats.count(EventKick)
	c.m.ops.Notify(c, cpu)
}

// Asleep reports whether CPU i has been found in Poll with nothing pending. It is
// a look from outside, for watchdogs: true at one moment, and no more.
func (m *Machine) Asleep(i int) bool {
	c := &m.cpus[i]
	return m.channels[i].polling.Get() != 0 && !m.ops.Test(c)
}

// Rescue notifies CPU i from outside the machine: a watchdog's last resort.
func (m *Machine) Rescue(i int) {
	notify := m.ops.Rescue
	if notify == nil {
		notify = m.ops.Notify
	}
	notify(&m.cpus[i], uint32(i))
}

// WordChannel makes event channels out of a word for each CPU and two functions
// of the machine's: park puts the calling CPU to sleep while the word holds v,
// and may return for no reason; unpark wakes CPU cpu, which sleeps on the word or
// is about to.
//
//	poller                          notifier
//	(1) word: clear → sleeping      (3) word ↔ pending
//	(2) park while word==sleeping   (4) was sleeping: unpark
//
// All changes of the word are locked instructions. If (3) comes before (1), (1) fails and the
// poller finds pending. If it comes after (1), the notifier sees sleeping and unparks; an unpark
// that comes before the park finds the word changed, and park returns at once: that is what park
// must promise.
func WordChannel(park func(c *CPU, word *arch.U32, v uint32),
	unpark func(c *CPU, cpu uint32, word *arch.U32)) ChannelOps {
	return ChannelOps{
		Clear: func(c *CPU) { c.Xchg32(&c.channel().word, clear) },
		Set:   func(c *CPU) { c.Xchg32(&c.channel().word, pending) },
		Test:  func(c *CPU) bool { return c.Load32(&c.channel().word) == pending },
		Poll: func(c *CPU) {
			word := &c.channel().word
			for {
				c.Head(0)
				if c.Cas32(word, clear, sleeping) || c.Load32(word) == sleeping {
					park(c, word, sleeping)
				}
				if c.Load32(word) == pending {
					return
				}
			}
		},
		Notify: func(c *CPU, cpu uint32) {
			word := &c.m.channels[cpu].word
			if c.Xchg32(word, pending) == sleeping {
				unpark(c, cpu, word)
			}
		},
	}
}
