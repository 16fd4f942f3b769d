package spinlock

import (
	"example.com/pvlock/internal/arch"
	"example.com/pvlock/paravirt"
)

// The lock→node table: how the unlocker of a lock finds the sleeping head of its queue. The
// lock's word says only that somebody sleeps. Open addressing with linear probing from the
// start of a cache line.
//
// There is always a free entry: a lock has at most one, only a lock for which a CPU waits
// has one, a CPU waits in at most four contexts, and the table has four entries for
// each CPU.

// perLine is how many entries share a cache line.
const perLine = 4

// hashStart returns where the probing for a lock starts.
func hashStart(m *paravirt.Machine, lock arch.Addr) uint32 {
	const golden = 0x61c8864680b583eb // 2^64 over the golden ratio, made odd
	return uint32(uint64(lock)*golden>>(64-m.HashBits())) &^ (perLine - 1)
}

// hash enters the node that waits at the head of a lock's queue.
func hash(c *paravirt.CPU, lock arch.Addr, code uint32) *paravirt.HashEntry {
	m := c.Machine()
	table, at := m.Hash(), hashStart(m, lock)
	for hops := range uint32(len(table)) {
		he := &table[(at+hops)&uint32(len(table)-1)]
		if c.CasPtr(&he.Lock, 0, lock) {
			c.Store32(&he.Node, code)
			c.CountN(paravirt.HashHops, uint64(hops)+1)
			return he
		}
	}
	c.Fatal("pvlock: no free entry in the table of hashed locks")
	return nil
}

// unhash removes a lock's entry and returns its node.
func unhash(c *paravirt.CPU, lock arch.Addr) (code uint32) {
	m := c.Machine()
	table, at := m.Hash(), hashStart(m, lock)
	for hops := range uint32(len(table)) {
		he := &table[(at+hops)&uint32(len(table)-1)]
		if c.LoadPtr(&he.Lock) == lock {
			code = c.Load32(&he.Node)
			c.StorePtr(&he.Lock, 0)
			return code
		}
	}
	// A slow value without an entry.
	misused(c, "queued lock, or corrupted lock word")
	return 0
}
