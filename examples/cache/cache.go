// Package cache shows pvlock.Mutex where it is at home: many short sections, mostly uncontended,
// and a caller who would rather do without than wait.
//
// It is an in-memory cache that keeps what was used last. Its keys are spread over shards, each a
// map and a list under a mutex of its own. Get moves what it finds to the front of the list, so it
// writes: that is why the lock is no RWMutex. GetContext gives up when its context is done, by
// Mutex.LockContext; and Observe counts the shards' slow paths, which says whether there are enough
// of them.
package cache

import (
	"container/list"
	"context"
	"hash/maphash"

	"example.com/pvlock"
)

// A Cache holds at most so many values. Its methods may be called by many goroutines at the same
// time.
type Cache[K comparable, V any] struct {
	seed   maphash.Seed
	shards []shard[K, V]
}

// A shard is what one mutex protects. Each has cache lines to itself, or a lock that nobody waits
// for would still be fetched from a neighbour's CPU.
type shard[K comparable, V any] struct {
	mu       pvlock.Mutex
	capacity int
	values   map[K]*list.Element // of *entry[K, V]
	recent   list.List           // the one used last in front
	_        [64]byte
}

type entry[K comparable, V any] struct {
	key   K
	value V
}

// New makes a cache of so many shards, each of which holds so many values.
func New[K comparable, V any](shards, capacity int) *Cache[K, V] {
	c := &Cache[K, V]{seed: maphash.MakeSeed(), shards: make([]shard[K, V], max(shards, 1))}
	for i := range c.shards {
		c.shards[i].capacity = max(capacity, 1)
		c.shards[i].values = make(map[K]*list.Element)
	}
	return c
}

func (c *Cache[K, V]) shard(key K) *shard[K, V] {
	return &c.shards[maphash.Comparable(c.seed, key)%uint64(len(c.shards))]
}

// Get returns the key's value, if it is there.
func (c *Cache[K, V]) Get(key K) (value V, ok bool) {
	s := c.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.get(key)
}

// GetContext is Get, but doesn't wait for the shard's lock longer than ctx allows: then it returns
// the context's error, and the caller goes to wherever the value comes from. It costs more than Get
// only where it waits.
func (c *Cache[K, V]) GetContext(ctx context.Context, key K) (value V, ok bool, err error) {
	s := c.shard(key)
	if err := s.mu.LockContext(ctx); err != nil {
		return value, false, err
	}
	defer s.mu.Unlock()
	value, ok = s.get(key)
	return value, ok, nil
}

// get is called with the lock held.
func (s *shard[K, V]) get(key K) (value V, ok bool) {
	at, ok := s.values[key]
	if !ok {
		return value, false
	}
	s.recent.MoveToFront(at)
	return at.Value.(*entry[K, V]).value, true
}

// Put stores a value, and forgets the one of its shard that wasn't used for longest if there are
// too many.
func (c *Cache[K, V]) Put(key K, value V) {
	s := c.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	if at, ok := s.values[key]; ok {
		at.Value.(*entry[K, V]).value = value
		s.recent.MoveToFront(at)
		return
	}
	s.values[key] = s.recent.PushFront(&entry[K, V]{key, value})
	if s.recent.Len() > s.capacity {
		oldest := s.recent.Remove(s.recent.Back()).(*entry[K, V])
		delete(s.values, oldest.key)
	}
}

// Observe begins to count what happens on the slow paths of the cache's mutexes, one observer for
// each shard. The caller stops them.
func (c *Cache[K, V]) Observe() []*pvlock.MutexObserver {
	observers := make([]*pvlock.MutexObserver, len(c.shards))
	for i := range c.shards {
		observers[i] = c.shards[i].mu.Observe()
	}
	return observers
}
