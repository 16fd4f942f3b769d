package check

import (
	"sync"
	"sync/atomic"
)

// visited are the states that have been reached, by fingerprint: 64 bits, so that of n
// states some n²/2^65 are taken for another by mistake: one in a million explorations
// of 5 million.
type visited struct {
	shards [numShards]shard
	count  atomic.Int64
}

const numShards = 64

type shard struct {
	mu    sync.Mutex
	table []uint32 // 1 + index in found, open addressing
	found []visit
}

// visit is how a state was first reached. Of several ways of the same length it is the one
// with the least parent, so that it is the same in each run.
type visit struct {
	fp, parent uint64
	level      uint32
	act        uint8
}

const visitBytes = 24 + 4*2

// add notes a state, and returns its number and whether it is new.
func (v *visited) add(fp, parent uint64, level uint32, act int) (id uint32, fresh bool) {
	s := &v.shards[fp%numShards]
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.found)*2 >= len(s.table) {
		s.grow()
	}
	mask := uint64(len(s.table) - 1)
	at := fp >> 6 & mask
	for s.table[at] != 0 {
		o := &s.found[s.table[at]-1]
		if o.fp == fp {
			if o.level == level && (parent < o.parent || parent == o.parent && uint8(act) < o.act) {
				o.parent, o.act = parent, uint8(act)
			}
			return (s.table[at]-1)*numShards + uint32(fp%numShards), false
		}
		at = (at + 1) & mask
	}
	s.found = append(s.found, visit{fp, parent, level, uint8(act)})
	s.table[at] = uint32(len(s.found))
	v.count.Add(1)
	return uint32(len(s.found)-1)*numShards + uint32(fp%numShards), true
}

func (s *shard) grow() {
	old := s.table
	s.table = make([]uint32, max(256, 2*len(old)))
	mask := uint64(len(s.table) - 1)
	for i := range s.found {
		at := s.found[i].fp >> 6 & mask
		for s.table[at] != 0 {
			at = (at + 1) & mask
		}
		s.table[at] = uint32(i + 1)
	}
}

// get returns how a state was reached.
func (v *visited) get(fp uint64) visit {
	s := &v.shards[fp%numShards]
	mask := uint64(len(s.table) - 1)
	for at := fp >> 6 & mask; s.table[at] != 0; at = (at + 1) & mask {
		if o := s.found[s.table[at]-1]; o.fp == fp {
			return o
		}
	}
	panic("check: a state that was never reached")
}

// path returns the actions that lead to a state.
func (v *visited) path(fp uint64) []int {
	var acts []int
	for at := v.get(fp); at.level > 0; at = v.get(at.parent) {
		acts = append(acts, int(at.act))
	}
	for i, j := 0, len(acts)-1; i < j; i, j = i+1, j-1 {
		acts[i], acts[j] = acts[j], acts[i]
	}
	return acts
}
