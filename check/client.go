package check

import (
	"errors"
	"fmt"
	"strings"

	"example.com/pvlock/internal/twin/arch"
	"example.com/pvlock/internal/twin/paravirt"
	"example.com/pvlock/internal/twin/spinlock"
)

// Config says what is explored.
type Config struct {
	// Lock is the lock, of the twin's catalogue.
	Lock spinlock.Kind
	// Client is the program that its CPUs run.
	Client Client
	// CPUs is their number, 1 to 4.
	CPUs int
	// Model is the memory model.
	Model Model
	// Spin is the spin budget: 0, 1, or AnySpin.
	Spin uint32
	// Spurious lets every sleep end for no reason, any number of times.
	Spurious bool
	// Interrupts is how many interrupts come at most, on whichever CPUs; Nesting how deep they go.
	Interrupts, Nesting int
	// WordChannel builds event channels from parked threads (paravirt.WordChannel), so that that
	// protocol is explored too. Otherwise a channel is a primitive of the machine.
	WordChannel bool
	// Size is how many bytes are the lock's; 0 means 4.
	Size int
	// Bypass counts how often CPU 0 is passed over, Kicks how often a CPU is notified. Both
	// make more states.
	Bypass, Kicks bool
	// Busy looks for waiters that ought to sleep and go round instead.
	Busy bool

	// Change makes a place of the text do something else than it says.
	Change Change

	// Workers is how many goroutines explore; 0 means GOMAXPROCS.
	Workers int
	// Buffer is how many stores a store buffer holds, 1 to 8; 0 means 4.
	Buffer int
	// States and Memory bound the exploration: states (0: no bound), and bytes (0: 2 GB).
	States, Memory int64
	// NoProgress leaves out the check that every state can come to the end.
	NoProgress bool

	weak    Change
	noHeads bool
	grains  int // of shared memory, for tests; 0 means maxGrains
}

// Model is a memory model.
type Model uint8

// The memory models.
const (
	TSO Model = iota // a FIFO store buffer for each CPU
	SC               // none
)

func (m Model) String() string { return [...]string{"tso", "sc"}[m] }

// AnySpin is a spin budget that may end at any time. A waiter that looks again within the budget
// sees AnySpin changes at most before it has to give up.
const AnySpin = 2

// Client is a program: what each CPU does, and what an interrupt does.
type Client struct {
	Name string
	// Body is what a CPU does.
	Body func(p *Proc)
	// Handler is what an interrupt does; nil if none come.
	Handler func(p *Proc)
	// Locks is how many locks there are, 1 or 2.
	Locks int
	// OnlyAsleep lets interrupts come only while the CPU sleeps or spins. Then the
	// handler may take the lock that the CPU waits for.
	OnlyAsleep bool
	// Late says which CPUs don't come up at boot; their Body does it.
	Late uint8
	// Interrupted says which CPUs interrupts may come to; 0 means all.
	Interrupted uint8
	// Keep leaves out that the last user frees a lock.
	Keep bool
}

func (c *Client) run(p *Proc) {
	p.meta.boot = true
	if c.Late&(1<<p.ID) == 0 {
		p.CPU.Up()
	}
	p.meta.boot = false
	p.hist = mix(uint64(p.ID), 2)
	c.Body(p)
}

func (c *Config) locks() int { return max(1, c.Client.Locks) }
func (c *Config) size() int {
	switch {
	case c.Size == 0 && c.mutex():
		return mutexSize
	case c.Size == 0:
		return 4
	}
	return c.Size
}

func (c *Config) complete() error {
	switch {
	case c.CPUs < 1 || c.CPUs > maxCPUs:
		return fmt.Errorf("check: %d CPUs: want 1 to %d", c.CPUs, maxCPUs)
	case c.Lock.Lock == nil:
		return errors.New("check: no lock")
	case c.Client.Body == nil:
		return errors.New("check: no client")
	case c.Locks() > maxLocks:
		return fmt.Errorf("check: %d locks: want 1 to %d", c.Locks(), maxLocks)
	}
	if c.Buffer == 0 {
		c.Buffer = 4
	}
	if c.Buffer < 1 || c.Buffer > maxBuffer {
		return fmt.Errorf("check: store buffers of %d: want 1 to %d", c.Buffer, maxBuffer)
	}
	if c.Workers == 0 {
		c.Workers = defaultWorkers()
	}
	if c.Memory == 0 {
		c.Memory = 2 << 30
	}
	if c.grains == 0 {
		c.grains = maxGrains
	}
	if c.Client.Handler == nil {
		c.Interrupts = 0
	}
	c.weak = c.Change
	return nil
}

// Locks returns how many locks the client uses.
func (c *Config) Locks() int { return c.locks() }

// describe says in a few words what is explored.
func (c *Config) describe() string {
	parts := []string{c.Client.Name}
	if c.Lock.Sleeps {
		switch c.Spin {
		case AnySpin:
			parts = append(parts, "spin any")
		default:
			parts = append(parts, fmt.Sprintf("spin %d", c.Spin))
		}
	}
	if c.Spurious && c.Lock.Sleeps {
		parts = append(parts, "spurious")
	}
	if c.Interrupts > 0 {
		parts = append(parts, fmt.Sprintf("irq %d", c.Interrupts))
	}
	if c.WordChannel {
		parts = append(parts, "word channel")
	}
	return strings.Join(parts, ", ")
}

// machine returns the configuration of the twin's Machine.
func (c *Config) machine() paravirt.Config {
	t := c.Lock.Tunables
	t.Spin = paravirt.Exactly(c.Spin)
	t.Pending = min(t.Pending, AnySpin)
	t.PrevCheck = 1
	t.Steal = min(t.Steal, AnySpin)
	entries := 4
	for entries < 4*c.CPUs {
		entries *= 2
	}
	m := paravirt.Config{CPUs: c.CPUs, Channel: channel(), Wait: c.Lock.Wait, Kick: c.Lock.Kick,
		Tunables: t, HashEntries: entries}
	if c.WordChannel {
		m.Channel = paravirt.WordChannel(
			func(c *paravirt.CPU, word *arch.U32, v uint32) { c.ParkThread(word, v) },
			func(c *paravirt.CPU, _ uint32, word *arch.U32) { c.UnparkThread(word, 1) })
		// The model's own record of what is bound is for the primitive channel.
		m.Channel.Bind = func(c *paravirt.CPU) error { c.ChannelBind(); return nil }
	}
	return m
}

// channel is the event channel as a primitive of the machine: each operation is one
// event, and all but Test drain the store buffer, as a hypercall does.
func channel() paravirt.ChannelOps {
	return paravirt.ChannelOps{
		Bind:   func(c *paravirt.CPU) error { c.ChannelBind(); return nil },
		Unbind: func(c *paravirt.CPU) { c.ChannelUnbind() },
		Clear:  func(c *paravirt.CPU) { c.ChannelClear() },
		Set:    func(c *paravirt.CPU) { c.ChannelSet() },
		Test:   func(c *paravirt.CPU) bool { return c.ChannelTest() },
		Poll:   func(c *paravirt.CPU) { c.ChannelPoll() },
		Notify: func(c *paravirt.CPU, cpu uint32) { c.ChannelNotify(cpu) },
	}
}

// What clients are written in.

// At says where in the client the CPU is: all that it does from here depends on the
// number and on shared memory alone.
func (p *Proc) At(k uint64) {
	p.at = mix(k, uint64(p.ID))
	p.forget(0)
}

func (p *Proc) forget(k uint64) {
	p.hist = mix(p.outer, mix(mix(p.at, p.meta.hash()), k))
	for i := range p.held {
		p.hist = mix(p.hist, mix(p.held[i].addr, p.held[i].a))
	}
	p.seen, p.rel, p.hour = nil, nil, hour{}
}

func (p *Proc) word(l int) *spinlock.Word { return p.w.word(l) }

// Lock takes lock l. While it waits, an interrupt may come.
func (p *Proc) Lock(l int) {
	outer := p.meta
	p.meta.inLock++
	who := p.x.cfg.Client.Interrupted
	// the other locks are what interrupts take
	p.meta.irq = l == 0 && (who == 0 || who>>p.ID&1 != 0)
	p.x.cfg.Lock.Lock(p.word(l), p.CPU)
	p.taken(l, outer)
}

// TryLock takes lock l if it is free.
func (p *Proc) TryLock(l int) bool {
	if !p.x.cfg.Lock.TryLock(p.word(l), p.CPU) {
		return false
	}
	p.taken(l, p.meta)
	return true
}

func (p *Proc) taken(l int, outer meta) {
	p.settle()
	p.meta.inLock, p.meta.irq = outer.inLock, outer.irq
	p.meta.crit[l]++
	// How the lock was taken nobody knows any more.
	p.forget(uint64(l))
	p.do(event{kind: evSection, owner: -1})
}

// Unlock releases lock l.
func (p *Proc) Unlock(l int) {
	p.meta.crit[l]--
	p.x.cfg.Lock.Unlock(p.word(l), p.CPU)
}

// Drop says, while the CPU holds lock l, that it won't use it any more. It reports whether
// it was the last of users to say so: then it frees the lock once it has released it.
func (p *Proc) Drop(l, users int) bool {
	v, _ := p.do(event{kind: evDrop, a: uint64(l), b: uint64(users), owner: -1})
	return v != 0
}

// Free frees the memory of lock l.
func (p *Proc) Free(l int) {
	p.settle()
	p.do(event{kind: evFree, a: uint64(l), owner: -1})
}

// Words that clients share.
const (
	wordDone = iota
	numWords
)

var wordNames = [numWords]string{"done"}

// Say sets a word that another CPU waits for.
func (p *Proc) Say(i int) { p.CPU.Store32(p.w.words[i].Whole(), 1) }

// Await waits until a word is set.
func (p *Proc) Await(i int) { p.CPU.SpinWhile32(p.w.words[i].Whole(), 1, 0, arch.Forever) }

// Take is an acquisition with everything that belongs to it: lock, critical section, and release;
// the last of a CPU's gives up its use of the lock.
func (p *Proc) take(l, users int, last, try bool) {
	if try {
		if p.TryLock(l) {
			p.Unlock(l)
		}
		return
	}
	p.Lock(l)
	free := last && !p.x.cfg.Client.Keep && p.Drop(l, users)
	p.Unlock(l)
	if free {
		p.Free(l)
	}
}

// Plain is n CPUs that each take one lock k times.
func Plain(n, k int) Client {
	return Client{
		Name: fmt.Sprintf("%d×%d", n, k),
		Body: func(p *Proc) {
			for i := range k {
				p.At(uint64(i))
				p.take(0, n, i == k-1, false)
			}
			p.At(uint64(k))
		},
	}
}

// Trying is Plain, with a TryLock of CPU 0's before each Lock.
func Trying(n, k int) Client {
	return Client{
		Name: fmt.Sprintf("%d×%d try", n, k),
		Body: func(p *Proc) {
			for i := range k {
				p.At(uint64(2 * i))
				if p.ID == 0 {
					p.take(0, n, false, true)
				}
				p.At(uint64(2*i + 1))
				p.take(0, n, i == k-1, false)
			}
			p.At(uint64(2 * k))
		},
	}
}

// Nested is Plain with interrupts of waiters. An interrupt takes another lock, which the last CPU
// takes as well, within its first critical section, so that there is contention for it while the
// interrupted one waits.
func Nested(n, k int) Client {
	return Client{
		Name:  fmt.Sprintf("%d×%d nested", n, k),
		Locks: 2,
		Body: func(p *Proc) {
			for i := range k {
				p.At(uint64(i))
				p.Lock(0)
				if p.ID == n-1 && i == 0 {
					p.Lock(1)
					p.Unlock(1)
				}
				free := i == k-1 && !p.x.cfg.Client.Keep && p.Drop(0, n)
				p.Unlock(0)
				if free {
					p.Free(0)
				}
			}
			p.At(uint64(k))
		},
		Handler: func(p *Proc) {
			p.Lock(1)
			p.Unlock(1)
		},
	}
}

// NestedSame is Plain with interrupts of CPUs that sleep or spin, and which take the same lock.
// Only a lock without a queue allows that.
func NestedSame(n, k int) Client {
	c := Client{
		Name: fmt.Sprintf("%d×%d nested same", n, k),
		Body: func(p *Proc) {
			for i := range k {
				p.At(uint64(i))
				p.Lock(0)
				p.Unlock(0)
			}
			p.At(uint64(k))
		},
	}
	c.OnlyAsleep = true
	c.Handler = func(p *Proc) {
		p.Lock(0)
		p.Unlock(0)
	}
	return c
}

// Late is Plain with three acquisitions, and the last CPU comes up between them: the first has no
// event channel, the second has one and the CPU isn't online, the third is that of a CPU that is
// up.
func Late(n int) Client {
	const k = 3
	return Client{
		Name: fmt.Sprintf("%d×%d late", n, k),
		Late: 1 << (n - 1),
		Body: func(p *Proc) {
			for i := range k {
				p.At(uint64(2 * i))
				if p.ID == n-1 {
					switch i {
					case 1:
						p.CPU.Bind()
					case 2:
						p.CPU.SetOnline()
					}
				}
				p.At(uint64(2*i + 1))
				p.take(0, n, i == k-1, false)
			}
			p.At(2 * k)
		},
	}
}

// NoNode is Plain on CPUs whose queue nodes are all in use, as if they waited in four
// contexts already.
func NoNode(n, k int) Client {
	c := Plain(n, k)
	c.Name += " no node"
	body := c.Body
	c.Body = func(p *Proc) {
		if p.ID == 0 {
			for range paravirt.Contexts {
				p.CPU.TakeNode()
			}
		}
		body(p)
	}
	return c
}

// Passing is CPU 0 taking the lock once, and another k times.
func Passing(k int) Client {
	return Client{
		Name: fmt.Sprintf("1 against %d", k),
		Keep: true,
		Body: func(p *Proc) {
			times := k
			if p.ID == 0 {
				times = 1
			}
			for i := range times {
				p.At(uint64(i))
				p.take(0, 2, false, false)
			}
			p.At(uint64(times))
		},
	}
}

// kickFirst is the deadlock of 2013. CPU 0 waits for the lock, and an interrupt comes that waits
// for something that CPU 1 will do when it has had the lock. CPU 2 releases it.
func kickFirst() Client {
	return Client{
		Name:        "interrupt waits for a waiter",
		Keep:        true,
		OnlyAsleep:  true,
		Interrupted: 1,
		Body: func(p *Proc) {
			p.At(0)
			p.take(0, 3, false, false)
			p.At(1)
			if p.ID == 1 {
				p.Say(wordDone)
			}
		},
		Handler: func(p *Proc) { p.Await(wordDone) },
	}
}

// heldByWaiter is kickFirst with an interrupt that waits itself: for a lock that CPU 1 holds while
// it waits.
func heldByWaiter() Client {
	return Client{
		Name:        "interrupt waits for a waiter's lock",
		Keep:        true,
		Locks:       2,
		OnlyAsleep:  true,
		Interrupted: 1,
		Body: func(p *Proc) {
			p.At(0)
			if p.ID == 1 {
				p.Lock(1)
			}
			p.take(0, 3, false, false)
			p.At(1)
			if p.ID == 1 {
				p.Unlock(1)
			}
		},
		Handler: func(p *Proc) {
			p.Lock(1)
			p.Unlock(1)
		},
	}
}

// lateOnline is a CPU that takes a lock when its channel is bound and it isn't online.
func lateOnline() Client {
	return Client{
		Name: "bound, not online",
		Keep: true,
		Late: 2,
		Body: func(p *Proc) {
			p.At(0)
			if p.ID == 1 {
				p.CPU.Bind()
			}
			p.At(1)
			p.take(0, 2, false, false)
			p.At(2)
			if p.ID == 1 {
				p.CPU.SetOnline()
			}
		},
	}
}

// patchedLate is a lock that was taken one way and is released another: its code was patched in
// between.
func patchedLate(before spinlock.Kind) Client {
	return Client{
		Name: "patched while held",
		Keep: true,
		Body: func(p *Proc) {
			p.At(0)
			if p.ID == 0 {
				before.Lock(p.word(0), p.CPU)
				p.taken(0, p.meta)
				p.Unlock(0)
				return
			}
			p.take(0, 2, false, false)
		},
	}
}

func keep(c Client) Client {
	c.Keep = true
	return c
}
