package sim

import "math"

// queue holds what is due: at most one event for each actor, so that a moment and an actor name an
// event. Events are executed in the order of their keys: of two at the same nanosecond the one of
// the actor with the lower number is first, whenever and by whomever it was queued. It is a heap of
// four children a node.
type queue struct {
	keys []uint64
	at   []int32 // an actor's place in keys, plus one; 0: nothing of it is due
}

// A key is a time and an actor: 2^48 ns are three days.
const (
	actorBits = 16
	maxActors = 1 << actorBits
	never     = uint64(math.MaxUint64)
)

func key(at int64, actor int32) uint64 { return uint64(at)<<actorBits | uint64(actor) }

func keyTime(k uint64) int64 { return int64(k >> actorBits) }

func newQueue(actors int) queue { return queue{at: make([]int32, actors)} }

// min returns the key of the event that is due first, or never.
func (q *queue) min() uint64 {
	if len(q.keys) == 0 {
		return never
	}
	return q.keys[0]
}

// pop removes and returns it.
func (q *queue) pop() uint64 {
	k := q.keys[0]
	q.removeAt(0)
	return k
}

// set says when an actor's event is due.
func (q *queue) set(actor int32, at int64) {
	k := key(at, actor)
	i := int(q.at[actor]) - 1
	if i < 0 {
		q.keys = append(q.keys, k)
		q.up(len(q.keys)-1, k)
		return
	}
	if k < q.keys[i] {
		q.up(i, k)
	} else {
		q.down(i, k)
	}
}

// remove takes an actor's event out, if there is one.
func (q *queue) remove(actor int32) {
	if i := int(q.at[actor]) - 1; i >= 0 {
		q.removeAt(i)
	}
}

// due returns when an actor's event is, if there is one.
func (q *queue) due(actor int32) (at int64, ok bool) {
	i := int(q.at[actor]) - 1
	if i < 0 {
		return 0, false
	}
	return keyTime(q.keys[i]), true
}

func (q *queue) removeAt(i int) {
	n := len(q.keys) - 1
	gone, last := q.keys[i], q.keys[n]
	q.at[gone&(maxActors-1)] = 0
	q.keys = q.keys[:n]
	if i == n {
		return
	}
	if last < gone {
		q.up(i, last)
	} else {
		q.down(i, last)
	}
}

func (q *queue) up(i int, k uint64) {
	for i > 0 {
		parent := (i - 1) / 4
		if q.keys[parent] < k {
			break
		}
		q.put(i, q.keys[parent])
		i = parent
	}
	q.put(i, k)
}

func (q *queue) down(i int, k uint64) {
	for {
		first := 4*i + 1
		if first >= len(q.keys) {
			break
		}
		least := first
		for c := first + 1; c < min(first+4, len(q.keys)); c++ {
			if q.keys[c] < q.keys[least] {
				least = c
			}
		}
		if k < q.keys[least] {
			break
		}
		q.put(i, q.keys[least])
		i = least
	}
	q.put(i, k)
}

func (q *queue) put(i int, k uint64) {
	q.keys[i] = k
	q.at[k&(maxActors-1)] = int32(i) + 1
}
