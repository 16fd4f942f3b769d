package pvlock

import (
	"sync"
	"sync/atomic"

	"example.com/pvlock/internal/arch"
	"example.com/pvlock/paravirt"
	"example.com/pvlock/spinlock"
)

// A Spinlock is for short critical sections beside goroutines that compute. From Lock to Unlock the
// goroutine keeps its P, so the Go scheduler can't take the lock's holder off its thread: beside
// such goroutines the longest wait is a fraction of a [sync.Mutex]'s. Sections take some hundred
// nanoseconds. A [Mutex] is faster, alone and contended.
//
// Never use it where a section
//
//   - can panic. A panic while a Spinlock is held ends the program ("panic holding locks"), in
//     spite of recover and of a deferred Unlock. A nil map, an index out of range and a nil pointer
//     are such panics.
//   - blocks: on a channel, a mutex, a system call or the network. The program ends, on a [Mutex]
//     with "pvlock: a goroutine went to sleep that holds a Spinlock", on what is not pvlock's with
//     the runtime's "schedule: holding locks". The traceback shows where.
//   - ends the goroutine, or leaves the Unlock to another one. The program ends.
//   - takes long. Nothing else runs on the P meanwhile, and a garbage collection waits for the
//     holder.
//   - locks the same Spinlock again. That spins for ever; a program that is built with the tag
//     pvlockdebug ends with a message.
//
// Spinlocks may be nested, always in the same order.
//
// The zero value is unlocked; it has 4 bytes, and must not be copied once used.
//
// A waiter spins for about 10 µs, without being preempted, then gives its P up and sleeps until the
// lock is handed on. Waiters queue; newcomers pass the queue while the one at its head is being
// woken. (The lock is [spinlock.PVQSpin]: what Linux made of the paravirtual lock of 2015.) A
// waiter that holds another Spinlock already just spins.
//
// A goroutine that locks and unlocks in a loop lets the others of its P run, and collections start
// and stop the world, as beside a loop over a [sync.Mutex]: between sections, about every 0.1 ms,
// Unlock sees to it.
//
// The kernel and the hypervisor can still take the CPU from the holder; then
// waiters sleep. Where [SpinlockPins] is false the Go scheduler can as well.
//
// The n'th call of Unlock synchronizes before the m'th call of Lock returns, for
// n < m.
type Spinlock struct{ lock spinlock.PVQSpin }

// SpinlockPins says whether a Spinlock's holder keeps its P. It doesn't in a program that is built
// with the tag purego; there a Spinlock is as safe, and slower when the Go scheduler takes its
// holder away.
const SpinlockPins = arch.CanPin

// Lock takes the lock.
func (l *Spinlock) Lock() {
	var c arch.Core
	p := c.Pin()
	held := c.Hold(p, 1)
	if !l.lock.TryLock(&noCPU) {
		if checkSpinlocks {
			mustNotHave(c, p, l)
		}
		l.lockSlow(c, held)
	}
	if checkSpinlocks {
		noteLock(c, l)
	}
}

// TryLock takes the lock if it is free and nobody waits, and reports whether it did.
func (l *Spinlock) TryLock() bool {
	var c arch.Core
	p := c.Pin()
	if l.lock.TryLock(&noCPU) {
		c.Hold(p, 1)
		if checkSpinlocks {
			noteLock(c, l)
		}
		return true
	}
	c.Unpin()
	return false
}

// Unlock releases the lock.
func (l *Spinlock) Unlock() {
	var c arch.Core
	// Once more, for the number of the P; the goroutine is on it since Lock.
	p := c.Pin()
	if checkSpinlocks {
		noteUnlock(c, p, l)
	}
	word := c.Release(p)
	if arch.HeldNothing(word) {
		c.Unpin()
		notHeld(c)
	}
	kicked := !l.lock.UnlockFast(&noCPU)
	if kicked {
		// Somebody sleeps, and so there are CPUs; or it isn't locked at all.
		kicker := kicker.Load()
		if kicker == nil {
			c.Fatal("pvlock: unlock of unlocked Spinlock")
		}
		l.lock.Unlock(kicker)
		noteWakeUp(c, p)
	}
	end := notOver
	if SpinlockPins && arch.IsDue(word) {
		end = endTurn(c, p)
	}
	c.Unpin()
	c.Unpin()
	if end != notOver {
		letOthersRun(c, end)
	}
}

// noCPU executes what needs no more of a CPU than its instructions.
var noCPU paravirt.CPU

// lockSlow is Lock when the lock isn't free. The goroutine is pinned, and has held held Spinlocks
// before.
func (l *Spinlock) lockSlow(c arch.Core, held uint32) {
	if held > 0 {
		// It can't sleep: it would take its P's other locks with it. Nor can it queue: in front of
		// it may be one that sleeps, and has no P to wake up on while all Ps spin like this.
		// Holders are pinned and awake, so that this ends when the kernel lets them run.
		for !l.lock.TrySteal(&noCPU) {
			c.Head(0)
			c.Delay(1)
		}
		return
	}
	// The head of the queue sleeps, or isn't there yet: newcomers may pass. That takes no CPU.
	for range stealLooks {
		if l.lock.TrySteal(&noCPU) {
			return
		}
		c.Delay(1)
	}
	if kicker.Load() == nil {
		unpinned(c, makeCPUs)
	}
	cpu := borrow(c)
	l.lock.Lock(cpu)
	giveBack(cpu)
}

// stealLooks is how often a waiter looks for a lock that it may steal, before it queues.
const stealLooks = 32

// unpinned calls f, which may block. The goroutine is pinned once, and counts as holding one
// Spinlock.
func unpinned(c arch.Core, f func()) {
	p := c.Pin()
	c.Unpin()
	c.Hold(p, ^uint32(0))
	c.Unpin()
	f()
	c.Hold(c.Pin(), 1)
}

// freeCPUs is the CPUs that waiters borrow. A waiter may sleep, and so is not on its P; what others
// know it by is the CPU. It is made when the program starts, which is in no bubble of
// testing/synctest: a bubble's channel can't be used outside of it.
var freeCPUs = make(chan *paravirt.CPU, poolCPUs)

// kicker is the CPU of unlockers: it only kicks, so all share it. It is there as soon as there are
// CPUs to borrow.
var kicker atomic.Pointer[paravirt.CPU]

// poolCPUs is how many can wait for Spinlocks in a queue. More wait for a CPU.
const poolCPUs = 1024

var makeCPUs = sync.OnceFunc(func() {
	m := makeMachine(poolCPUs+1, func(cpu *paravirt.CPU, sleeper uint32) {
		unpinned(cpu.Core, func() { cpu.Park(sleeper, 0) })
	})
	for i := range poolCPUs + 1 {
		if err := m.CPU(i).Up(); err != nil {
			m.CPU(i).Fatal("pvlock: " + err.Error())
		}
	}
	kicker.Store(m.CPU(poolCPUs))
	for i := range poolCPUs {
		freeCPUs <- m.CPU(i)
	}
})

// makeMachine makes a machine of n CPUs that sleep by park, on the waiter that it is given.
func makeMachine(n int, park func(cpu *paravirt.CPU, sleeper uint32)) *paravirt.Machine {
	var c arch.Core
	sleepers := make([]uint32, n)
	for i := range sleepers {
		sleepers[i] = c.TakeWaiter()
		c.MayGiveUp(sleepers[i], arch.Done{})
	}
	spin := c.Rounds(spinFor)
	m, err := paravirt.New(paravirt.Config{
		CPUs: n,
		Channel: paravirt.WordChannel(
			func(cpu *paravirt.CPU, _ *arch.U32, _ uint32) { park(cpu, sleepers[cpu.ID()]) },
			func(cpu *paravirt.CPU, who uint32, _ *arch.U32) {
				cpu.Unpark(sleepers[who], false, 0)
			},
		),
		Tunables: paravirt.Tunables{Spin: spin, Pending: 1 << 9, PrevCheck: 8, Steal: spin},
	})
	if err != nil {
		c.Fatal("pvlock: " + err.Error())
	}
	return m
}

// spinFor is how long a waiter spins before it sleeps, in ns: short beside what a garbage
// collection takes to stop the world anyway, since the collector waits for pinned spinners.
const spinFor = 10e3

func borrow(c arch.Core) (cpu *paravirt.CPU) {
	select {
	case cpu = <-freeCPUs:
	default:
		unpinned(c, func() { cpu = <-freeCPUs })
	}
	return cpu
}

// giveBack doesn't block: there is room for all.
func giveBack(cpu *paravirt.CPU) { freeCPUs <- cpu }
