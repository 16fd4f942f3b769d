package explore

import (
	"sync/atomic"
	"testing"
)

type node struct {
	value int
	next  *node
}

// A stack is Treiber's.
type stack struct{ head atomic.Pointer[node] }

func (s *stack) push(n *node) {
	for {
		old := s.head.Load()
		n.next = old
		if s.head.CompareAndSwap(old, n) {
			return
		}
	}
}

func (s *stack) pop() *node {
	for {
		old := s.head.Load()
		if old == nil {
			return nil
		}
		if s.head.CompareAndSwap(old, old.next) {
			return old
		}
	}
}

// popPlainly is pop with a planted fault: it stores the new head without looking again.
func (s *stack) popPlainly() *node {
	old := s.head.Load()
	if old != nil {
		s.head.Store(old.next)
	}
	return old
}

// Each thread pushes two values and pops two; each value comes out once.
func TestTreiberStack(t *testing.T) {
	for _, tt := range []struct {
		name string
		pop  func(*stack) *node
		want string
	}{{"pop", (*stack).pop, ""}, {"pop without a second look", (*stack).popPlainly, "assertion"}} {
		t.Run(tt.name, func(t *testing.T) {
			var s stack
			var got [2][2]int
			body := func(me int) func() {
				return func() {
					for i := range 2 {
						s.push(&node{value: 1 << (2*me + i)})
					}
					for i := range 2 {
						if n := tt.pop(&s); n != nil {
							got[me][i] = n.value
						}
					}
				}
			}
			final := func() {
				sum := 0
				for i := range got {
					for _, v := range got[i] {
						sum += v
					}
				}
				Assert(sum == 15)
			}
			want(t, tt.want, Config{Final: final, Names: map[string]any{"stack": &s, "got": &got}},
				body(0), body(1))
		})
	}
}

// A popped node is given back and its memory handed out again, so the head may be the same node
// with another successor: ABA. Where no memory is handed out twice, a load from a node given back
// is found.
func TestTreiberStackReuse(t *testing.T) {
	for _, tt := range []struct {
		name  string
		reuse bool
		want  string
	}{{"reuse", true, "assertion"}, {"no reuse", false, "use after free"}} {
		t.Run(tt.name, func(t *testing.T) {
			var s stack
			n1, n2 := &node{value: 1}, &node{value: 2}
			n1.next = n2
			s.head.Store(n1)
			var out [3]*node
			thief := func() { out[0] = s.pop() }
			owner := func() {
				a := s.pop()
				b := s.pop()
				if a == nil || b == nil {
					return
				}
				out[1] = b
				Free(a)
				s.push(new(node))
			}
			final := func() { Assert(out[1] == nil || s.head.Load() != out[1]) }
			want(t, tt.want, Config{Reuse: tt.reuse, Final: final}, thief, owner)
		})
	}
}

// A ring of one producer and one consumer: plain stores are enough on x86, in this order.
type ring struct {
	buf        [2]int
	head, tail uint32
}

func (r *ring) put(v int) bool {
	h := r.head
	if h-atomic.LoadUint32(&r.tail) == uint32(len(r.buf)) {
		return false
	}
	r.buf[h%uint32(len(r.buf))] = v
	r.head = h + 1
	return true
}

// putEarly publishes before it writes.
func (r *ring) putEarly(v int) bool {
	h := r.head
	if h-atomic.LoadUint32(&r.tail) == uint32(len(r.buf)) {
		return false
	}
	atomic.StoreUint32(&r.head, h+1)
	r.buf[h%uint32(len(r.buf))] = v
	return true
}

func (r *ring) get() (int, bool) {
	t := r.tail
	if atomic.LoadUint32(&r.head) == t {
		return 0, false
	}
	v := r.buf[t%uint32(len(r.buf))]
	r.tail = t + 1
	return v, true
}

func TestRing(t *testing.T) {
	for _, tt := range []struct {
		name string
		put  func(*ring, int) bool
		want string
	}{{"put", (*ring).put, ""}, {"head before the value", (*ring).putEarly, "assertion"}} {
		t.Run(tt.name, func(t *testing.T) {
			var r ring
			producer := func() {
				for i := 1; i <= 4; {
					if tt.put(&r, i) {
						i++
					}
				}
			}
			consumer := func() {
				for i := 1; i <= 4; {
					if v, ok := r.get(); ok {
						Assert(v == i)
						i++
					}
				}
			}
			want(t, tt.want, Config{Names: map[string]any{"ring": &r}}, producer, consumer)
		})
	}
}

// A seqlock whose source is right where stores stay in order. The compiler removes the first store,
// which the last one shadows.
type seqlock struct{ seq, a, b uint32 }

//go:noinline
func (s *seqlock) write(v uint32) {
	s.seq = 1
	s.a = v
	s.b = v
	s.seq = 2
}

//go:noinline
func (s *seqlock) writeAtomically(v uint32) {
	atomic.StoreUint32(&s.seq, 1)
	s.a = v
	s.b = v
	atomic.StoreUint32(&s.seq, 2)
}

func TestSeqlock(t *testing.T) {
	for _, tt := range []struct {
		name  string
		write func(*seqlock, uint32)
		want  string
	}{{"plain stores", (*seqlock).write, "assertion"},
		{"atomic stores", (*seqlock).writeAtomically, ""}} {
		t.Run(tt.name, func(t *testing.T) {
			var s seqlock
			reader := func() {
				seq := atomic.LoadUint32(&s.seq)
				a, b := atomic.LoadUint32(&s.a), atomic.LoadUint32(&s.b)
				if seq&1 == 0 && atomic.LoadUint32(&s.seq) == seq {
					Assert(a == b)
				}
			}
			want(t, tt.want, Config{Names: map[string]any{"s": &s}}, func() { tt.write(&s, 7) },
				reader)
		})
	}
}
