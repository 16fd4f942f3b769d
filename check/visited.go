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
	table []slot // open addressing
	found []visit
}

// slot is a place in the table: what most look-ups need.
type slot struct {
	fp    uint64
	index uint32 // 1 + index in found; 0 is free
	level uint32
}

// visit is how a state was first reached. Of several ways of the same length it is the one
// with the least parent, so that it is the same in each run.
type visit struct {
	parent uint64
	act    uint8
}

// visitBytes is what a state costs: its visit and, on average, its part of the table.
const visitBytes = 16 + 16*2

// add notes a state, and returns its number and whether it is new.
func (v *visited) add(fp, parent uint64, level uint32, act int) (id uint32, fresh bool) {
	s := &v.shards[fp%numShards]
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.found)*3 >= len(s.table)*2 {
		s.grow()
	}
	o := s.find(fp)
	if o.index != 0 {
		if o.level == level {
			if was := &s.found[o.index-1]; parent < was.parent ||
				parent == was.parent && uint8(act) < was.act {
				*was = visit{parent, uint8(act)}
			}
		}
		return (o.index-1)*numShards + uint32(fp%numShards), false
	}
	s.found = append(s.found, visit{parent, uint8(act)})
	*o = slot{fp, uint32(len(s.found)), level}
	v.count.Add(1)
	return uint32(len(s.found)-1)*numShards + uint32(fp%numShards), true
}

// find returns the slot of a fingerprint, or the free one where it belongs.
func (s *shard) find(fp uint64) *slot {
	mask := uint64(len(s.table) - 1)
	for at := fp >> 6 & mask; ; at = (at + 1) & mask {
		if o := &s.table[at]; o.index == 0 || o.fp == fp {
			return o
		}
	}
}

func (s *shard) grow() {
	old := s.table
	s.table = make([]slot, max(256, 2*len(old)))
	for _, o := range old {
		if o.index != 0 {
			*s.find(o.fp) = o
		}
	}
}

// path returns the actions that lead to a state.
func (v *visited) path(fp uint64) []int {
	var acts []int
	for {
		s := &v.shards[fp%numShards]
		o := s.find(fp)
		if o.level == 0 {
			break
		}
		by := s.found[o.index-1]
		acts = append(acts, int(by.act))
		fp = by.parent
	}
	for i, j := 0, len(acts)-1; i < j; i, j = i+1, j-1 {
		acts[i], acts[j] = acts[j], acts[i]
	}
	return acts
}
