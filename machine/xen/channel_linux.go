package xen

import (
	"errors"
	"fmt"
	"sync"

	"golang.org/x/sys/unix"

	"example.com/pvlock/internal/arch"
	"example.com/pvlock/paravirt"
)

// channel is the event channel of a vCPU.
type channel struct {
	// mu is held for writing while the channel is made and ended, and for reading by those who
	// notify or look at it from other threads: else a late kick could reach a
	// descriptor that is something else by now. Its own CPU, which alone makes and ends it,
	// needs it for neither Clear nor Poll.
	mu    sync.RWMutex
	bound bool
	fd    int
	// wait is the end that the CPU waits on, send the other one.
	wait, send port
	// sent is 1 from when a notification is sent until the channel is cleared.
	sent arch.U32

	// So that neighbours share no cache line.
	_ [64]byte
}

// bindPatience is for how long, in ms, Bind expects the notification that comes with a new channel.
// It has been sent when the port is bound, and needs an interrupt to arrive: on an emulated CPU
// that shares a busy one, that has taken more than a second.
const bindPatience = 30_000

// bind makes the channel, not pending.
func (ch *channel) bind() (err error) {
	fd, err := open()
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			unix.Close(fd) // unbinds what was bound
		}
	}()
	wait, err := bindUnbound(fd)
	if err != nil {
		return err
	}
	send, err := bindInterdomain(fd, wait)
	if err != nil {
		return err
	}
	// Xen sends a first notification to the end that was bound last. It is taken away, and that
	// end stays masked, so that the descriptor is readable for the other end alone.
	if !arrived(fd, bindPatience) {
		return fmt.Errorf("port %d was bound to port %d, and the notification that comes with "+
			"that didn't arrive in %d ms", send, wait, bindPatience)
	}
	if p, ok := take(fd); !ok || p != send {
		return fmt.Errorf("port %d was bound to port %d, and the first notification is for port %d",
			send, wait, p)
	}
	ch.mu.Lock()
	defer ch.mu.Unlock()
	ch.fd, ch.wait, ch.send, ch.bound = fd, wait, send, true
	arch.Core{}.Store32(&ch.sent, 0)
	return nil
}

// unbind ends the channel.
func (ch *channel) unbind() error {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	ch.bound = false
	return errors.Join(unbind(ch.fd, ch.send), unbind(ch.fd, ch.wait), unix.Close(ch.fd))
}

// clear makes the channel not pending.
func (ch *channel) clear(c *paravirt.CPU) {
	// Before the read: what is sent after that is not taken away, and stays known as sent.
	c.Store32(&ch.sent, 0)
	p, ok := take(ch.fd)
	c.Fence() // pairs with notify's; see the package's comment
	if ok {
		unmask(ch.fd, p)
	}
}

// notify makes the channel pending.
func (ch *channel) notify(c *paravirt.CPU) {
	ch.mu.RLock()
	defer ch.mu.RUnlock()
	if ch.bound {
		c.Store32(&ch.sent, 1)
		c.Fence() // pairs with clear's
		// It fails only if the port isn't bound.
		_ = notify(ch.fd, ch.send)
	}
}

// pending reports whether the channel is pending: whether a notification has been sent, or has
// arrived.
func (ch *channel) pending(c *paravirt.CPU) bool {
	ch.mu.RLock()
	defer ch.mu.RUnlock()
	return ch.bound && (c.Load32(&ch.sent) != 0 || arrived(ch.fd, 0))
}

// poll waits until the channel is pending.
func (ch *channel) poll() { arrived(ch.fd, forever) }

// ops returns the operations of the channels of a machine's CPUs.
func ops(channels []channel, ended func(error)) paravirt.ChannelOps {
	of := func(c *paravirt.CPU) *channel { return &channels[c.ID()] }
	return paravirt.ChannelOps{
		Bind: func(c *paravirt.CPU) error { return of(c).bind() },
		Unbind: func(c *paravirt.CPU) {
			if err := of(c).unbind(); err != nil {
				ended(fmt.Errorf("vCPU %d: %w", c.ID(), err))
			}
		},
		Clear:  func(c *paravirt.CPU) { of(c).clear(c) },
		Set:    func(c *paravirt.CPU) { of(c).notify(c) },
		Test:   func(c *paravirt.CPU) bool { return of(c).pending(c) },
		Poll:   func(c *paravirt.CPU) { of(c).poll() },
		Notify: func(c *paravirt.CPU, cpu uint32) { channels[cpu].notify(c) },
	}
}
