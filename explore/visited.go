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
		mu   sync.Mutex
		keys []uint64
		ids  []uint32
		used int
		_    [8]byte
	}
	n      atomic.Uint32
	origin [1 << 14]atomic.Pointer[originChunk]
}

// An originChunk says how states were reached: from which, by which thread's which act.
type originChunk struct {
	parent [1 << 16]uint32
	how    [1 << 16]uint8
}

func newVisitedSet() *visitedSet {
	v := new(visitedSet)
	for i := range v.shard {
		v.shard[i].keys, v.shard[i].ids = make([]uint64, 64), make([]uint32, 64)
	}
	return v
}

// visit returns a state's number, and whether it is new.
func (v *visitedSet) visit(h uint64, parent uint32, how uint8) (id uint32, fresh bool) {
	if h == 0 {
		h = 1
	}
	s := &v.shard[h>>58]
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.used*4 > len(s.keys)*3 {
		keys, ids := s.keys, s.ids
		s.keys, s.ids = make([]uint64, 2*len(keys)), make([]uint32, 2*len(keys))
		mask := uint64(len(s.keys) - 1)
		for i, k := range keys {
			if k != 0 {
				at := k & mask
				for s.keys[at] != 0 {
					at = (at + 1) & mask
				}
				s.keys[at], s.ids[at] = k, ids[i]
			}
		}
	}
	mask := uint64(len(s.keys) - 1)
	at := h & mask
	for s.keys[at] != 0 {
		if s.keys[at] == h {
			return s.ids[at], false
		}
		at = (at + 1) & mask
	}
	id = v.n.Add(1) - 1
	s.keys[at], s.ids[at] = h, id
	s.used++
	c := v.chunk(id)
	c.parent[id&0xffff], c.how[id&0xffff] = parent, how
	return id, true
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
		n += 12 * len(v.shard[i].keys)
	}
	return n + 5*((int(v.n.Load())+0xffff)&^0xffff)
}
