package sim

import "example.com/pvlock/internal/twin/arch"

// fair is a scheduler like Linux's: each CPU has a queue, and runs the unit of it that has been
// served least, in virtual time: time by weight. A unit that wakes is placed near the average of
// those who compute, with what it was owed when it went to sleep, and takes the CPU at once from
// one that has had it for some time. A CPU that has nothing to do takes from the longest queue.
type fair struct {
	pool   *pool
	length int64
	queues [][]*unit
	rand   arch.Rand
	clock  []int64 // the least virtual time of each queue, which only grows
}

// sched is what policies know of a unit.
type sched struct {
	weight  int64
	vtime   int64 // fair: virtual time
	lag     int64 // fair: how far behind it was when it went to sleep
	credit  int64 // credit
	class   class // credit
	active  bool  // credit: has run since the last accounting, or wanted to
	charged int64 // credit: until when it has paid
	gang    int   // gangs
}

const defaultWeight = 256

func newFair(p *pool, length int64) *fair {
	return &fair{pool: p, length: length, rand: arch.NewRand(p.e.cfg.Seed, 1<<33),
		queues: make([][]*unit, len(p.seats)), clock: make([]int64, len(p.seats))}
}

// untouched is for how long a unit has a CPU before one that wakes, and has been served no more,
// takes it: EEVDF's request (kernel/sched/fair.c, base_slice), 1.4 ms on two CPUs, which only a
// wake-up or a tick finds to be over; and with 250 ticks a second a slice lasts 4 ms.
func (f *fair) untouched() int64 { return f.length / 3 }

func (f *fair) ready(u *unit) *seat {
	s := f.pool.free(u)
	if s == nil {
		if s = u.seat; s == nil {
			s = f.shortest()
		}
	}
	if u.seat != nil {
		// What it was owed it still is; what it owed, it has paid by as much as the others got
		// meanwhile.
		u.lag = min(f.lagOf(u.seat, u), max(u.lag, 0))
	}
	f.place(s, u)
	f.queues[s.num] = append(f.queues[s.num], u)
	if s.user == nil {
		return s
	}
	if f.pool.e.now-s.user.since < f.untouched() || f.now(s.user) < u.vtime ||
		f.pool.e.protected(s) {
		return nil
	}
	return s
}

// now is a unit's virtual time at this moment.
func (f *fair) now(u *unit) int64 {
	if u.state != running || !u.seat.on {
		return u.vtime
	}
	return u.vtime + (f.pool.e.now-u.since)*defaultWeight/u.weight
}

func (f *fair) advance(s *seat) {
	least, any := int64(0), false
	if s.user != nil {
		least, any = f.now(s.user), true
	}
	for _, u := range f.queues[s.num] {
		if !any || u.vtime < least {
			least, any = u.vtime, true
		}
	}
	if any {
		f.clock[s.num] = max(f.clock[s.num], least)
	}
}

// place gives a unit that joins a queue its virtual time there.
func (f *fair) place(s *seat, u *unit) {
	f.advance(s)
	u.vtime = f.clock[s.num] - u.lag
	u.lag = 0
}

// lagOf is how far a unit is behind its queue, within bounds.
func (f *fair) lagOf(s *seat, u *unit) int64 {
	f.advance(s)
	return min(max(f.clock[s.num]-u.vtime, -f.length), f.length/2)
}

func (f *fair) shortest() *seat {
	best := f.pool.seats[0]
	for _, s := range f.pool.seats {
		if f.load(s) < f.load(best) {
			best = s
		}
	}
	return best
}

func (f *fair) load(s *seat) int {
	n := len(f.queues[s.num])
	if s.user != nil {
		n++
	}
	return n
}

func (f *fair) put(s *seat, u *unit) { f.queues[s.num] = append(f.queues[s.num], u) }

func (f *fair) pick(s *seat) *unit {
	if len(f.queues[s.num]) == 0 {
		f.steal(s)
	}
	q := f.queues[s.num]
	if len(q) == 0 {
		return nil
	}
	best := 0
	for i, u := range q {
		if b := q[best]; u.vtime < b.vtime || u.vtime == b.vtime && u.num < b.num {
			best = i
		}
	}
	u := q[best]
	f.queues[s.num] = append(q[:best], q[best+1:]...)
	f.advance(s)
	return u
}

// steal takes a unit from the longest queue.
func (f *fair) steal(to *seat) {
	from := -1
	for i, q := range f.queues {
		if len(q) > 0 && (from < 0 || len(q) > len(f.queues[from])) {
			from = i
		}
	}
	if from < 0 {
		return
	}
	f.move(f.pool.seats[from], to)
}

// move moves a queue's last unit to another.
func (f *fair) move(from, to *seat) {
	q := f.queues[from.num]
	u := q[len(q)-1]
	f.queues[from.num] = q[:len(q)-1]
	u.lag = f.lagOf(from, u)
	f.place(to, u)
	f.queues[to.num] = append(f.queues[to.num], u)
}

func (f *fair) take(u *unit) {
	for i := range f.queues {
		for j, v := range f.queues[i] {
			if v == u {
				f.queues[i] = append(f.queues[i][:j], f.queues[i][j+1:]...)
				return
			}
		}
	}
}

// slice is a tick's, which comes a little sooner or later: so the virtual times of those who
// compute differ, and their order changes from round to round.
func (f *fair) slice(*seat, *unit) int64 {
	n := max(f.length/32, 1)
	return max(f.length-n/2+int64(f.rand.Below(uint32(n))), 1)
}

// over is also when queues are balanced.
func (f *fair) over(s *seat) bool {
	for _, from := range f.pool.seats {
		if f.load(from) > f.load(s)+1 {
			f.move(from, s)
			break
		}
	}
	v := f.now(s.user)
	for _, u := range f.queues[s.num] {
		if u.vtime < v {
			return true
		}
	}
	return false
}

func (f *fair) ran(u *unit, d int64) { u.vtime += d * defaultWeight / u.weight }

func (f *fair) slept(u *unit) { u.lag = f.lagOf(u.seat, u) }
