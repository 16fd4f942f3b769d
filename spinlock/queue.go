package spinlock

import (
	"example.com/pvlock/internal/arch"
	"example.com/pvlock/paravirt"
)

// What the queued locks have in common: the word, and the queue.
//
//	bits 0–7    locked    1 held; 3 (slow) held, and the head of the queue sleeps
//	bits 8–15   pending   1: a waiter in front of the queue (native), or its awake head (hybrid)
//	bits 16–17  tail      index of the last waiter's node among its CPU's four
//	bits 18–31  tail      its CPU's number plus one; tail 0: no queue
//
// A waiter's place in the queue is a node of its CPU's. The node is free again when the lock is
// taken: unlocking needs none.

const (
	slow = 3 // in the locked byte

	lockedMask  = 0xff
	pendingMask = 0xff00
	waitMask    = lockedMask | pendingMask // clear: the lock is free for the first CPU
	pendingOnly = 1 << 8
	lockedOnly  = 1
)

func lockedByte(w *arch.Word) *arch.U8     { return w.Byte(0) }
func pendingByte(w *arch.Word) *arch.U8    { return w.Byte(1) }
func lockedPending(w *arch.Word) *arch.U16 { return w.Half(0) }
func tailHalf(w *arch.Word) *arch.U16      { return w.Half(1) }

// takeNode takes a queue node and counts. ok is false if the CPU has none left.
func takeNode(c *paravirt.CPU) (node *paravirt.Node, code uint32, ok bool) {
	code, ok = c.TakeNode()
	if !ok {
		c.Count(paravirt.LockNoNode)
		return nil, 0, false
	}
	c.Count(paravirt.LockSlowpath)
	c.CountIf(paravirt.LockUseNode2-1+paravirt.Event(code&3), code&3 != 0)
	return c.Machine().Node(code), code, true
}

// withoutNode takes the lock past the queue, for a CPU that waits in four contexts already.
// Nobody nests that deep; it must only not fail.
func withoutNode(c *paravirt.CPU, w *arch.Word, a *paravirt.Acquisition) {
	tasSlow(c, w.Whole(), a)
}

// join puts a node at the end of the queue and returns the tail code of the one before
// it, or 0. The exchange is a full fence: a CPU that finds the tail finds an initialised node.
func join(c *paravirt.CPU, w *arch.Word, code uint32) (prev uint32) {
	prev = uint32(c.Xchg16(tailHalf(w), uint16(code)))
	if prev != 0 {
		// Partner: awaitNext.
		c.Store32(&c.Machine().Node(prev).Next, code)
	}
	return prev
}

// awaitLocked waits until the queue's head is handed to the node.
func awaitLocked(c *paravirt.CPU, node *paravirt.Node, a *paravirt.Acquisition) {
	if c.Load32(&node.Locked) == 0 {
		_, n := c.SpinWhile32(&node.Locked, ^uint32(0), 0, arch.Forever)
		a.Rounds += uint64(n)
	}
}

// awaitFree waits, at the head of the queue, until the lock is neither held nor
// promised, and returns the word. It acquires; its partner is the store in Unlock.
func awaitFree(c *paravirt.CPU, w *arch.Word, a *paravirt.Acquisition) (v uint32) {
	v = c.Load32(w.Whole())
	for v&waitMask != 0 {
		var n uint32
		v, n = c.SpinWhile32(w.Whole(), waitMask, v&waitMask, arch.Forever)
		a.Rounds += uint64(n)
	}
	return v
}

// leave ends the queue if the node is its last one, and so takes the lock in the word v; else it
// returns the tail code of the node to which the queue's head goes.
//
// As long as there is a queue, nobody but its head takes the lock or sets
// pending natively, so the exchange fails only because another joined.
func leave(c *paravirt.CPU, w *arch.Word, node *paravirt.Node, code, v uint32) (next uint32) {
	if v>>16 == code && c.Cas32(w.Whole(), v, lockedOnly) {
		return 0
	}
	// Not the last one: take the lock, if it isn't taken yet.
	c.Store8(lockedByte(w), locked)
	return awaitNext(c, node)
}

// awaitNext waits for the successor, which has joined, to link itself. That takes a few
// instructions, if it keeps its CPU.
func awaitNext(c *paravirt.CPU, node *paravirt.Node) uint32 {
	next := c.Load32(&node.Next)
	if next == 0 {
		next, _ = c.SpinWhile32(&node.Next, ^uint32(0), 0, arch.Forever)
	}
	return next
}

// handOver makes a node the head of the queue. A release; its partner is
// awaitLocked.
func handOver(c *paravirt.CPU, next uint32) {
	c.Store32(&c.Machine().Node(next).Locked, 1)
}
