package torture

import (
	"fmt"
	"strings"
)

// watch tells, look by look, how the clients get on, and a lost wake-up from a slow one. Locks 0 to
// maxLocks-1 are the arena's, those after them the groups' objects.
//
// A wake-up is lost when nobody holds a lock, or is in the middle of releasing it, and all its
// waiters sleep with nothing pending: then nobody is left who would wake them. Two looks that
// follow each other and between which nothing has changed make it certain, however long they were
// apart. While anybody is awake who wants the lock or has it, it is slow, however long it takes: he
// may have lost his CPU.
type watch struct {
	clients []client
	// asleep reports whether vCPU i sleeps with nothing pending.
	asleep func(i int) bool

	locks []watched
	total uint64
	still int // looks since anybody had a lock
}

// watched is what is known of a lock.
type watched struct {
	count          uint64
	stalled        int // looks for which it was wanted and nobody got it
	orphaned       bool
	wanting, awake int
	holder         int // the vCPU that holds it, or -1
}

// stallLooks is after how many looks a lock that is wanted and that nobody gets counts as a stall:
// a tenth of a second.
const stallLooks = 10

// seen is what a look has found.
type seen struct {
	finished bool
	lost     []int // locks of which a wake-up was lost
	stalls   int   // that began with this look
}

func newWatch(clients []client, asleep func(i int) bool) *watch {
	groups := (len(clients) + group - 1) / group
	return &watch{clients: clients, asleep: asleep, locks: make([]watched, maxLocks+groups)}
}

// lockOf returns the number of what client i calls lock k.
func lockOf(i int, k uint32) int {
	if k == own {
		return maxLocks + i/group
	}
	return int(k)
}

// look looks at all clients.
func (w *watch) look() (s seen) {
	now := make([]watched, len(w.locks))
	for k := range now {
		now[k].holder = -1
	}
	s.finished = true
	total := uint64(0)
	for i := range w.clients {
		cl := &w.clients[i]
		for k := range uint32(allLocks) {
			n := cl.counts[k].Value()
			now[lockOf(i, k)].count += n
			total += n
		}
		state := cl.state.Get()
		phase := state & (1<<phaseBits - 1)
		s.finished = s.finished && phase == done
		for k := range uint32(allLocks) {
			if state>>heldShift>>k&1 != 0 {
				now[lockOf(i, k)].holder = i
			}
		}
		if phase == locking {
			l := &now[lockOf(i, state>>wantShift&(1<<wantBits-1))]
			l.wanting++
			if !w.asleep(i) {
				l.awake++
			}
		}
	}
	for k := range now {
		was, is := &w.locks[k], &now[k]
		if is.wanting == 0 || is.count != was.count {
			continue
		}
		is.stalled = was.stalled + 1
		is.orphaned = is.awake == 0 && is.holder < 0
		switch {
		case is.orphaned && was.orphaned && is.wanting == was.wanting:
			s.lost = append(s.lost, k)
			is.orphaned, is.stalled = false, 0
		case is.stalled == stallLooks:
			s.stalls++
		}
	}
	if w.still++; total != w.total {
		w.still = 0
	}
	w.locks, w.total = now, total
	return s
}

// sleepers returns who sleeps waiting for lock k.
func (w *watch) sleepers(k int) (cpus []int) {
	for i := range w.clients {
		state := w.clients[i].state.Get()
		if state&(1<<phaseBits-1) == locking && lockOf(i, state>>wantShift&(1<<wantBits-1)) == k &&
			w.asleep(i) {
			cpus = append(cpus, i)
		}
	}
	return cpus
}

// describe says how the locks stand that are wanted.
func (w *watch) describe() string {
	var parts []string
	for k, l := range w.locks {
		if l.wanting == 0 {
			continue
		}
		who := "nobody holds it"
		if l.holder >= 0 {
			who = fmt.Sprintf("vCPU %d holds it", l.holder)
		}
		parts = append(parts,
			fmt.Sprintf("lock %d: %d wait, %d of them awake, %s", k, l.wanting, l.awake, who))
	}
	if parts == nil {
		return "nobody waits for a lock"
	}
	return strings.Join(parts, "; ")
}
