package paravirt

import (
	"strconv"

	"example.com/pvlock/internal/arch"
)

// CPU is one CPU of a [Machine]: what every lock call is given. All but its
// identity is for the use of whatever runs on that CPU, and of nothing else at
// the same time. What others may look at lives in the machine.
type CPU struct {
	arch.Core

	m  *Machine
	id uint32

	// depth is how many queue nodes are in use, one for each context that waits. An
	// interrupt handler leaves it as it found it.
	depth uint32

	// waits is how many waits on the event channel are under way: one, and one more for each
	// interrupt that came during one.
	waits uint32

	// watch is the lock that the CPU has announced it waits for, until its last look at it: see
	// announce.go.
	watch arch.Addr

	nmi   bool
	stats *Stats

	// So that neighbours' private counts share no cache line.
	_ [line]byte
}

// ID returns the CPU's number, 0 to CPUs()-1.
func (c *CPU) ID() uint32 { return c.id }

// Machine returns the machine that the CPU belongs to.
func (c *CPU) Machine() *Machine { return c.m }

// Tunables returns the locks' parameters.
func (c *CPU) Tunables() *Tunables { return &c.m.tune }

// Slot returns where the CPU says which lock it waits for.
func (c *CPU) Slot() *Slot { return &c.m.slots[c.id] }

// TakeNode takes the next of the CPU's queue nodes and returns its tail code. ok is false, and
// there is no code, when all four are in use; DropNode is called either way.
func (c *CPU) TakeNode() (code uint32, ok bool) {
	i := c.depth
	c.depth = i + 1
	if i >= Contexts {
		return 0, false
	}
	return TailCode(c.id, i), true
}

// DropNode gives the node that was taken last back.
func (c *CPU) DropNode() { c.depth-- }

// A CPU comes up in two steps, in the order of the 2008 seed: its event channel is
// bound, and then others may look for it. Between the two it can be waiting,
// and yet no unlocker that searches the online CPUs finds it.

// Bind makes the CPU's event channel. Until then a lock that would block just
// spins.
func (c *CPU) Bind() error {
	c.Seal()
	if bind := c.m.ops.Bind; bind != nil {
		if err := bind(c); err != nil {
			return err
		}
	}
	ch := c.channel()
	c.Xchg32(&ch.word, clear)
	c.Store32(&ch.bound, 1)
	return nil
}

// Unbind frees the event channel, if there is one. The CPU must be offline and hold and await no
// lock.
func (c *CPU) Unbind() {
	if !c.Bound() {
		return
	}
	c.Store32(&c.channel().bound, 0)
	if unbind := c.m.ops.Unbind; unbind != nil {
		unbind(c)
	}
}

// Bound reports whether the CPU's event channel exists.
func (c *CPU) Bound() bool { return c.Load32(&c.channel().bound) != 0 }

// SetOnline lets others look for the CPU.
func (c *CPU) SetOnline() {
	c.Seal()
	c.Or32(&c.m.online[c.id/32], 1<<(c.id%32))
}

// SetOffline ends that. The CPU must hold and await no lock.
func (c *CPU) SetOffline() { c.And32(&c.m.online[c.id/32], ^uint32(1<<(c.id%32))) }

// Online reports whether others may look for the CPU.
func (c *CPU) Online() bool { return c.Load32(&c.m.online[c.id/32])&(1<<(c.id%32)) != 0 }

// Up brings the CPU up: bound, then online. If its channel can't be bound it is online all the
// same, as with the 2008 seed: where a lock would block, it just spins. The error says why.
func (c *CPU) Up() error {
	err := c.Bind()
	c.SetOnline()
	return err
}

// Down takes the CPU down: offline, then unbound. It must hold and await no lock.
func (c *CPU) Down() {
	c.SetOffline()
	c.Unbind()
}

// ChannelName returns the event channel's name, for traces: "spinlock" and the
// CPU's number, as the 2008 seed has it.
func (c *CPU) ChannelName() string { return "spinlock" + strconv.Itoa(int(c.id)) }
