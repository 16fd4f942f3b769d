package explore

import (
	"sync"
	"sync/atomic"
)

// The set of visited states holds 64 bits of hash for each, and numbers them. Beside it stands how
// each was reached first, which is all that a trace needs.

const shards = 64

type visitedSet struct {
	shard [shards]struct {
		mu    sync.Mutex
		table atomic.Pointer[visitedTable]
		used  int
		_     [40]byte
	}
	n      atomic.Uint32
	origin [1 << 14]atomic.Pointer[originChunk]
}

// A visitedSlot is a hash, in two halves so that it has no padding, and the state's number. A hash
// of 0 is an empty slot. One cache line has all of it.
type visitedSlot struct{ low, high, id uint32 }

func (s *visitedSlot) key() uint64 { return uint64(s.high)<<32 | uint64(s.low) }

type visitedTable struct{ slots []visitedSlot }

// An originChunk says how states were reached: from which, by which thread's which act.
type originChunk struct {
	parent [1 << 16]uint32
	how    [1 << 16]uint8
}

func newVisitedSet() *visitedSet {
	v := new(visitedSet)
	for i := range v.shard {
		v.shard[i].table.Store(&visitedTable{make([]visitedSlot, 64)})
	}
	return v
}

// An idBlock is numbers of states that a worker takes at once, so that workers don't write to the
// same cache lines. Those that are left in the end are nobody's.
type idBlock struct{ next, end uint32 }

const idBlockSize = 64

func (v *visitedSet) newID(b *idBlock) uint32 {
	if b.next == b.end {
		b.end = v.n.Add(idBlockSize)
		b.next = b.end - idBlockSize
	}
	b.next++
	return b.next - 1
}

// touch reads where a hash belongs, so that it is in the cache when it is looked up. What it
// returns means nothing: it is there so that the compiler does not leave the read out.
func (v *visitedSet) touch(h uint64) uint32 {
	slots := v.shard[h>>58].table.Load().slots
	return atomic.LoadUint32(&slots[h&uint64(len(slots)-1)].low)
}

// visit returns a state's number, and whether it is new.
func (v *visitedSet) visit(h uint64, parent uint32, how uint8,
	ids *idBlock) (id uint32, fresh bool) {
	if h == 0 {
		h = 1
	}
	s := &v.shard[h>>58]
	s.mu.Lock()
	defer s.mu.Unlock()
	slots := s.table.Load().slots
	if s.used*4 > len(slots)*3 {
		old := slots
		slots = make([]visitedSlot, 2*len(old))
		for i := range old {
			if k := old[i].key(); k != 0 {
				*find(slots, k) = old[i]
			}
		}
		s.table.Store(&visitedTable{slots})
	}
	e := find(slots, h)
	if e.key() == h {
		return e.id, false
	}
	id = v.newID(ids)
	*e = visitedSlot{uint32(h), uint32(h >> 32), id}
	s.used++
	c := v.chunk(id)
	c.parent[id&0xffff], c.how[id&0xffff] = parent, how
	return id, true
}

// find returns the slot of a hash, or the empty one where it belongs.
func find(slots []visitedSlot, h uint64) *visitedSlot {
	mask := uint64(len(slots) - 1)
	for at := h & mask; ; at = (at + 1) & mask {
		if k := slots[at].key(); k == h || k == 0 {
			return &slots[at]
		}
	}
}

func (v *visitedSet) chunk(id uint32) *originChunk {
	p := &v.origin[id>>16]
	if c := p.Load(); c != nil {
		return c
	}
	p.CompareAndSwap(nil, new(originChunk))
	return p.Load()
}

// from returns how a state was reached first.
func (v *visitedSet) from(id uint32) (parent uint32, how uint8) {
	c := v.chunk(id)
	return c.parent[id&0xffff], c.how[id&0xffff]
}

// bytes is what the set takes.
func (v *visitedSet) bytes() int {
	n := 0
	for i := range v.shard {
		n += 12 * len(v.shard[i].table.Load().slots)
	}
	return n + 5*((int(v.n.Load())+0xffff)&^0xffff)
}
