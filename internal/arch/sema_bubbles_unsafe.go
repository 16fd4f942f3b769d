//go:build pvlockbubbles && !purego

package arch

import (
	"bytes"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"unsafe"
)

// Bubbles says whether waits in bubbles of testing/synctest may block durably. A wait does while
// the lock's holder is of the waiter's bubble: then the bubble's clock goes on, and a deadlock is
// reported. While somebody else holds the lock it doesn't, so that the clock stands still.
//
// For that, each acquisition asks for the goroutine's bubble, which takes microseconds; and when
// the holder changes, those who sleep are woken to sleep in the other way.
const Bubbles = true

// CanBlame says whether waits are in the mutex profile.
const CanBlame = false

// sema is a number of permits, for one goroutine that sleeps.
type sema struct {
	cell    *U32
	permits int // under meetings' mutex, as all below
	bubble  uint64
	nap     *nap // the sleep that goes on, nil if there is none
}

// A meeting is a lock, its holder and its sleepers.
type meeting struct {
	held   bool
	holder uint64 // its bubble
	asleep []*sema
}

var meetings struct {
	sync.Mutex
	of map[*U32]*meeting
}

// at returns the meeting at a lock. The caller has the mutex.
func at(cell *U32) *meeting {
	if meetings.of == nil {
		meetings.of = make(map[*U32]*meeting)
	}
	m := meetings.of[cell]
	if m == nil {
		m = new(meeting)
		meetings.of[cell] = m
	}
	return m
}

// changed ends the sleeps that are of the wrong kind now, and forgets a lock that nobody has to do
// with.
func (m *meeting) changed(cell *U32) {
	for _, s := range m.asleep {
		if s.nap != nil && s.nap.durable != m.isOf(s.bubble) {
			s.nap.end()
		}
	}
	if !m.held && len(m.asleep) == 0 {
		delete(meetings.of, cell)
	}
}

// isOf reports whether the lock is held by a goroutine of that bubble.
func (m *meeting) isOf(bubble uint64) bool { return m.held && bubble != 0 && bubble == m.holder }

// Acquired says that the goroutine has taken the lock of that cell.
func (Core) Acquired(cell *U32) {
	bubble := bubbleOf()
	meetings.Lock()
	defer meetings.Unlock()
	m := at(cell)
	m.held, m.holder = true, bubble
	m.changed(cell)
}

// Releases says that the goroutine is about to release it. Until the next has it nobody blocks
// durably, because it may be anybody.
func (Core) Releases(cell *U32) {
	meetings.Lock()
	defer meetings.Unlock()
	m := at(cell)
	m.held = false
	m.changed(cell)
}

// semaOf says whose waiters sleep on s.
func semaOf(s *sema, cell *U32) { s.cell = cell }

func semacquire(s *sema, _ bool, _ int) { semacquireUnblamed(s) }

func semacquireUnblamed(s *sema) {
	bubble := bubbleOf()
	meetings.Lock()
	m := at(s.cell)
	s.bubble = bubble
	m.asleep = append(m.asleep, s)
	for s.permits == 0 {
		n := newNap(m.isOf(bubble))
		s.nap = n
		meetings.Unlock()
		n.sleep()
		meetings.Lock()
		s.nap = nil
	}
	s.permits--
	for i, other := range m.asleep {
		if other == s {
			m.asleep = append(m.asleep[:i], m.asleep[i+1:]...)
			break
		}
	}
	m.changed(s.cell)
	meetings.Unlock()
}

func semrelease(s *sema, _ bool, _ int) {
	meetings.Lock()
	defer meetings.Unlock()
	s.permits++
	if s.nap != nil {
		s.nap.end()
	}
}

// A nap is one sleep.
type nap struct {
	durable bool
	ended   bool // under meetings' mutex
	permit  uint32
	group   *sync.WaitGroup // of a durable one
}

// newNap returns a nap of the calling goroutine, which is in a bubble if it is durable.
func newNap(durable bool) *nap {
	n := &nap{durable: durable}
	if durable {
		n.group = new(sync.WaitGroup)
		n.group.Add(1)
	}
	return n
}

func (n *nap) sleep() {
	if n.durable {
		n.group.Wait()
		return
	}
	runtimeSemacquire(&n.permit)
}

// waitGroup is the layout of a sync.WaitGroup, which a test compares.
type waitGroup struct {
	state atomic.Uint64
	sema  uint32
}

// end ends the nap, from within the bubble or without: a WaitGroup that was used in a bubble
// refuses Done outside, but its semaphore doesn't.
func (n *nap) end() {
	if n.ended {
		return
	}
	n.ended = true
	if n.durable {
		g := (*waitGroup)(unsafe.Pointer(n.group))
		g.state.Store(0)
		runtimeSemrelease(&g.sema, false, 0)
		return
	}
	runtimeSemrelease(&n.permit, false, 0)
}

// bubbleOf returns the number of the calling goroutine's bubble, 0 outside of all. The first line
// of a traceback has it: goroutine 7 [running, synctest bubble 5]:
func bubbleOf() uint64 {
	var buf [128]byte
	line, _, _ := bytes.Cut(buf[:runtime.Stack(buf[:], false)], []byte("]"))
	_, number, found := bytes.Cut(line, []byte("synctest bubble "))
	if !found {
		return 0
	}
	n, err := strconv.ParseUint(string(number), 10, 64)
	if err != nil {
		Core{}.Fatal("pvlock: this version of Go writes a goroutine's bubble in another way: " +
			string(line))
	}
	return n
}

//go:linkname runtimeSemacquire sync.runtime_Semacquire
func runtimeSemacquire(s *uint32)

//go:linkname runtimeSemrelease sync.runtime_Semrelease
func runtimeSemrelease(s *uint32, handoff bool, skip int)
