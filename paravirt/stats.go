package paravirt

import (
	"math/bits"

	"example.com/pvlock/internal/arch"
)

// Event is a counter. The first ones are Linux's, under its names and with its
// meanings (kernel/locking/lock_events_list.h); then the 2008 lock's debugfs
// files; then ours.
type Event int

// Counters. What happens in a fast path is counted by the driver of the lock, and
// not here.
const (
	// The paravirtual queued lock.
	HashHops     Event = iota // entries looked at per hashing, in all
	KickUnlock                // kicks sent by an unlock
	KickWake                  // waits that a kick ended, of those whose latency is in LatencyWake
	LatencyKick               // ns spent in kicks, in all
	LatencyWake               // ns from a kick to the waiter running, in all
	LockStealing              // acquisitions past the queue
	// waits in the queue, not at its head, that ended with nothing changed
	SpuriousWakeup
	WaitAgain // waits at the head of the queue after a first one
	WaitEarly // waits in the queue that began early, because the predecessor didn't run
	WaitHead  // waits at the head of the queue
	WaitNode  // waits in the queue

	// The queued locks.
	LockPending  // acquisitions by way of the pending bit
	LockSlowpath // acquisitions by way of the queue
	LockUseNode2 // acquisitions that used the CPU's second queue node
	LockUseNode3
	LockUseNode4
	LockNoNode // acquisitions that found no node left

	// The 2008 lock.
	TakenSlow         // entries into the slow path: the spin budget was used up
	TakenSlowNested   // of these, while the CPU was already waiting for a lock
	TakenSlowPickup   // acquisitions on the last look before blocking
	TakenSlowSpurious // polls that returned with nothing pending
	ReleasedSlow      // unlocks that found a waiter counted
	ReleasedSlowKicked

	// All locks.
	Contended    // acquisitions that the fast path didn't make
	Blocked      // of these, the ones that called on the machine to sleep, once or more
	EventKick    // notifications sent
	EventWakeup  // polls that ended pending: the channel's interrupt count
	EventUnbound // kicks not sent, because the CPU's channel was not bound

	// EventCoalesced counts kicks not sent, because one was in flight for the waiter.
	EventCoalesced

	NumEvents
)

// String returns the counter's name, as Linux writes it.
func (e Event) String() string {
	return [NumEvents]string{
		"pv_hash_hops", "pv_kick_unlock", "pv_kick_wake", "pv_latency_kick", "pv_latency_wake",
		"pv_lock_stealing", "pv_spurious_wakeup", "pv_wait_again", "pv_wait_early", "pv_wait_head",
		"pv_wait_node",
		"lock_pending", "lock_slowpath", "lock_use_node2", "lock_use_node3", "lock_use_node4",
		"lock_no_node",
		"taken_slow", "taken_slow_nested", "taken_slow_pickup", "taken_slow_spurious",
		"released_slow", "released_slow_kicked",
		"contended", "blocked", "event_kick", "event_wakeup", "event_unbound", "event_coalesced",
	}[e]
}

// HistBuckets is the number of buckets of a log2 histogram: bucket 0 counts
// zeros, bucket i values from 2^(i-1) up to 2^i-1, the last one all above.
const HistBuckets = 40

// Hist is a histogram over powers of two.
type Hist [HistBuckets]arch.Counter

func (h *Hist) add(v uint64) { h[min(bits.Len64(v), HistBuckets-1)].Add(1) }

// Stats is what a CPU counts. Only that CPU writes it; anyone may read. All of it
// concerns contended acquisitions: the 2008 lock's histograms among them.
type Stats struct {
	Events [NumEvents]arch.Counter

	// Rounds is how many rounds were spun for an acquisition that didn't block.
	Rounds Hist
	// Total, Spinning and Blocking are ns per contended acquisition, from the fast path's
	// failure to the lock: in all, awake, and asleep.
	Total, Spinning, Blocking Hist
	// TimeTotal, TimeSpinning and TimeBlocked are the sums of these, in ns.
	TimeTotal, TimeSpinning, TimeBlocked arch.Counter
}

// Stats returns the CPU's counters, or nil if the machine has none.
func (c *CPU) Stats() *Stats { return c.stats }

func (s *Stats) count(e Event) {
	if s != nil {
		s.Events[e].Add(1)
	}
}

func (s *Stats) polled(ns uint64, pending bool) {
	s.TimeBlocked.Add(ns)
	if pending {
		s.Events[EventWakeup].Add(1)
	}
}

// Count adds one to a counter.
func (c *CPU) Count(e Event) { c.stats.count(e) }

// CountN adds n to a counter.
func (c *CPU) CountN(e Event, n uint64) {
	if c.stats != nil {
		c.stats.Events[e].Add(n)
	}
}

// CountIf adds one to a counter if cond holds.
func (c *CPU) CountIf(e Event, cond bool) {
	if cond {
		c.stats.count(e)
	}
}

// Counted returns a counter's value, 0 if the machine has none.
func (c *CPU) Counted(e Event) uint64 {
	if c.stats == nil {
		return 0
	}
	return c.stats.Events[e].Value()
}

// Acquisition is what a slow path notes of one contended acquisition.
type Acquisition struct {
	began, blocked uint64

	// Rounds is how many rounds have been spun.
	Rounds uint64
	// Blocks is how often the CPU has gone, or tried to go, to sleep.
	Blocks uint32
}

// Contend begins a contended acquisition: the fast path has failed.
func (c *CPU) Contend() (a Acquisition) {
	if s := c.stats; s != nil {
		a.began, a.blocked = c.Now(), s.TimeBlocked.Value()
	}
	return a
}

// Acquired ends it: the lock is taken.
func (c *CPU) Acquired(a *Acquisition) {
	if c.stats != nil {
		c.stats.acquired(a, c.Now())
	}
}

func (s *Stats) acquired(a *Acquisition, now uint64) {
	s.Events[Contended].Add(1)
	total, blocked := now-a.began, s.TimeBlocked.Value()-a.blocked
	spinning := total - min(total, blocked)
	s.Total.add(total)
	s.Spinning.add(spinning)
	s.TimeTotal.Add(total)
	s.TimeSpinning.Add(spinning)
	if a.Blocks == 0 {
		s.Rounds.add(a.Rounds)
		return
	}
	s.Events[Blocked].Add(1)
	s.Blocking.add(blocked)
}
