package sim

// credit is Xen's credit scheduler: a vCPU has credit, gets its share of new credit every 30 ms,
// and pays for the CPU. A vCPU with credit is UNDER and runs before those that are OVER; one that
// wakes while it is UNDER is boosted and runs before both, until a tick finds it running. Slices
// are of 30 ms. There is one queue, which is what Xen's, one to a CPU, with stealing by class, come
// to.
//
// Xen's took the price of a whole tick from the vCPU that ran at it (sched_credit.c of 2008 to
// 2011). A vCPU that sleeps at the tick then never pays; Config.TickDebit has it so.
type credit struct {
	pool   *pool
	length int64
	debit  bool
	actor  int32
	units  []*unit
	queue  [classes]fifo
}

type class uint8

const (
	boost class = iota
	under
	over
	classes = 3
)

const (
	creditTick   = 10_000_000 // ns
	creditPeriod = 30_000_000
)

func (c *credit) ready(u *unit) *seat {
	u.active = true
	if u.class == under {
		u.class = boost
	}
	c.queue[u.class].push(u)
	if s := c.pool.free(u); s != nil {
		return s
	}
	// The running vCPU of the lowest class makes room.
	var worst *seat
	for _, s := range c.pool.seats {
		if s.user != nil && s.user.class > u.class &&
			(worst == nil || s.user.class > worst.user.class) && !c.pool.e.protected(s) {
			worst = s
		}
	}
	return worst
}

func (c *credit) put(_ *seat, u *unit) { c.queue[u.class].push(u) }

func (c *credit) pick(*seat) *unit {
	for i := range c.queue {
		if u := c.queue[i].pop(); u != nil {
			return u
		}
	}
	return nil
}

func (c *credit) take(u *unit)             { c.queue[u.class].remove(u) }
func (c *credit) slice(*seat, *unit) int64 { return c.length }
func (c *credit) slept(*unit)              {}

func (c *credit) over(s *seat) bool {
	for i := range c.queue {
		if c.queue[i].head != nil {
			return class(i) <= s.user.class
		}
	}
	return false
}

func (c *credit) ran(u *unit, d int64) {
	u.active = true
	if !c.debit {
		u.credit -= min(d, c.pool.e.now-u.charged)
	}
}

// event is a tick of all physical CPUs, every 10 ms; each third accounts.
func (c *credit) event() {
	e := c.pool.e
	e.queue.set(c.actor, e.now+creditTick)
	for _, s := range c.pool.seats {
		c.tick(s)
	}
	if e.now%creditPeriod == 0 {
		c.account()
	}
}

// tick is a physical CPU's, every 10 ms.
func (c *credit) tick(s *seat) {
	u := s.user
	if u == nil {
		return
	}
	u.active = true
	if c.debit {
		u.credit -= creditTick
	}
	if u.class == boost {
		u.class = under
	}
}

// account gives out new credit, every 30 ms, and sorts all vCPUs again.
func (c *credit) account() {
	var weights int64
	for _, u := range c.units {
		u.active = u.active || u.state != blocked
		if u.active {
			weights += u.weight
		}
	}
	total := creditPeriod * int64(len(c.pool.seats))
	for _, u := range c.units {
		if !u.active {
			continue
		}
		if !c.debit && u.state == running && u.seat.on {
			d := c.pool.e.now - max(u.since, u.charged)
			u.credit, u.charged = u.credit-d, c.pool.e.now
		}
		u.credit += min(total*u.weight/weights, creditPeriod)
		u.credit = min(max(u.credit, -creditPeriod), creditPeriod)
		class := under
		if u.credit < 0 {
			class = over
		}
		if u.class != class && !(u.class == boost && class == under) {
			if u.queued {
				c.queue[u.class].remove(u)
				c.queue[class].push(u)
			}
			u.class = class
		}
		u.active = false
	}
}
