package torture

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"example.com/pvlock/internal/arch"
	"example.com/pvlock/machine"
	"example.com/pvlock/paravirt"
	"example.com/pvlock/result"
	"example.com/pvlock/rig"
)

// A round is the life of one machine: it is made, its vCPUs hammer the locks for a while, they end,
// and what they have done is held against what the locks protect.
type round struct {
	cfg     *Config
	lock    *lock
	on      string
	chosen  []torment
	rand    *rand.Rand
	threads int // as many as may be left

	m       machine.Machine
	arena   *arena
	objects []object
	clients []client
	in      *injector
	watch   *watch
	found   faults

	tormentor tormentor
	cell      *cell
}

// The lengths of a control's sections.
const (
	controlCritical = 50 * time.Nanosecond
	controlThink    = 100 * time.Nanosecond
)

// look is how often the clients are looked at.
const look = 10 * time.Millisecond

// errStuck is what a round returns whose machine doesn't come to its end: nothing can be done
// beside it.
type errStuck struct{ how string }

func (e errStuck) Error() string { return "the vCPUs don't come to an end: " + e.how }

// budgetsFrom0 are the spin budgets that are tried, in rounds, besides the lock's own.
var budgetsFrom0 = []uint32{0, 1, 16, 1 << 8, 1 << 10, 1 << 12}

func (r *round) make(vcpus int) error {
	tune := r.lock.kind.Tunables
	for _, t := range r.chosen {
		if t.name == budgets {
			if i := r.rand.IntN(len(budgetsFrom0) + 1); i < len(budgetsFrom0) {
				tune.Spin = paravirt.Exactly(budgetsFrom0[i])
			}
			r.cell.Counters["torment_"+t.name]++
		}
	}
	arch.Calibrate()
	units := arch.WorkUnits
	r.arena = new(arena)
	r.objects = make([]object, vcpus/group)
	r.clients = make([]client, vcpus)
	r.in = newInjector(r.arena, vcpus, units(20*time.Microsecond), r.rand.Uint64())
	driven := &ops{lock: r.lock.kind.Lock, unlock: r.lock.kind.Unlock, try: r.lock.kind.TryLock,
		give: r.lock.give, yield: r.lock.yield}
	seed := r.rand.Uint64()
	for i := range r.objects {
		arch.Core{}.Store32(&r.objects[i].left, group)
	}
	critical, think := r.cfg.Critical, r.cfg.Think
	if r.lock.control != "" {
		// With other lengths it might not show what it must.
		critical, think = controlCritical, controlThink
	}
	for i := range r.clients {
		cl := &r.clients[i]
		cl.arena, cl.ops, cl.rand = r.arena, driven, arch.NewRand(seed, uint64(i))
		cl.times = times{
			critical: units(critical) * max(r.lock.stretch.critical, 1),
			think:    units(think) * max(r.lock.stretch.think, 1),
			longer:   units(3 * time.Microsecond), longest: units(200 * time.Microsecond),
			still: units(100 * time.Nanosecond), stiller: units(20 * time.Microsecond),
			stillest: units(12 * time.Millisecond),
		}
		if i/group < len(r.objects) {
			cl.own = &r.objects[i/group]
		}
	}
	var err error
	r.m, err = rig.New(r.on, machine.Config{
		VCPUs: vcpus, HostCPUs: r.cfg.HostCPUs, Tunables: tune,
		Wait: r.lock.kind.Wait, Kick: r.lock.kind.Kick, Stats: true, Around: r.in.around,
	})
	if err != nil {
		return err
	}
	pv := r.m.Paravirt()
	r.watch = newWatch(r.clients, func(i int) bool { return r.in.asleep(pv, i) })
	r.tormentor = tormentor{
		arena: r.arena, chosen: r.chosen, spell: r.cell.spell, control: r.lock.control != "",
		scene: scene{cfg: r.cfg, pv: pv, rand: r.rand},
	}
	return nil
}

// run drives the machine for a while, and returns once it has ended.
func (r *round) run(ctx context.Context, d time.Duration) error {
	before := hold()
	ready, ended := make(chan struct{}), make(chan outcome, 1)
	clients := r.clients
	go func() {
		usage, err := r.m.Run(func() { close(ready) }, func(c *paravirt.CPU) {
			clients[c.ID()].run(c)
		})
		ended <- outcome{usage, err}
	}()
	select {
	case <-ready:
	case o := <-ended:
		// It can't have been ready: its vCPUs run until they are stopped.
		return o.err
	}
	o, err := r.attend(ctx, d, ended)
	if err != nil {
		return err
	}
	r.account(o.usage)
	for _, bad := range leaked(before, r.threads) {
		r.cell.report(result.FindingLeak, bad, 1)
	}
	return nil
}

// outcome is what a machine's Run returned.
type outcome struct {
	usage machine.Usage
	err   error
}

// attend torments the vCPUs for a while, stops them and sees them to their end, and looks at them
// all the time.
func (r *round) attend(ctx context.Context, d time.Duration,
	ended <-chan outcome) (outcome, error) {
	tormented, calm := context.WithCancel(ctx)
	quiet := make(chan struct{})
	go func() {
		defer close(quiet)
		r.tormentor.run(tormented)
	}()
	ticker, timer := time.NewTicker(look), time.NewTimer(d)
	defer ticker.Stop()
	defer timer.Stop()
	stopped := false
	stop := func() {
		stopped = true
		// GOMAXPROCS, affinity and what else was changed is put back before the machine puts back
		// what it has changed itself.
		calm()
		<-quiet
		arch.Core{}.Store32(&r.arena.stop, 1)
	}
	defer stop()
	interrupt := ctx.Done()
	for {
		select {
		case <-interrupt:
			interrupt = nil
			r.cell.Interrupted = !stopped
			stop()
		case <-timer.C:
			stop()
		case o := <-ended:
			return o, o.err
		case <-ticker.C:
			r.look()
		}
		switch {
		case time.Duration(r.watch.still)*look > r.cfg.Patience:
			stop()
			return outcome{}, r.stuck(ended)
		case !stopped && r.cell.caught():
			stop()
		}
	}
}

// look looks at the clients, and makes good what was lost.
func (r *round) look() {
	s := r.watch.look()
	r.cell.Stalls += uint64(s.stalls)
	for _, k := range s.lost {
		sleepers := r.watch.sleepers(k)
		r.cell.LostWakeups++
		r.cell.report(result.FindingLost,
			fmt.Sprintf("lock %d is free, %d vCPUs wait for it asleep, and nobody will wake them",
				k, len(sleepers)), 1)
		for _, i := range sleepers {
			r.m.Paravirt().Rescue(i)
		}
	}
	r.harvest()
	if r.cell.tick != nil {
		r.cell.tick(r)
	}
}

// harvest reports what the vCPUs have found since the last time.
func (r *round) harvest() {
	var now faults
	for i := range r.clients {
		cl := &r.clients[i]
		now.violation += cl.violation.Value()
		now.scribbled += cl.scribbled.Value()
	}
	for _, f := range []struct {
		now, before uint64
		kind, text  string
	}{
		{now.violation, r.found.violation, result.FindingExclusion,
			"a vCPU that held a lock was not alone: the lines it protects changed, or were torn"},
		{now.scribbled, r.found.scribbled, result.FindingReuse,
			"a lock's memory changed after everybody had released it and it was used for " +
				"something else"},
	} {
		if f.now > f.before {
			r.cell.report(f.kind, f.text, f.now-f.before)
		}
	}
	r.found = now
}

// faults are what the vCPUs have found.
type faults struct{ violation, scribbled uint64 }

// stuck gives the machine up.
func (r *round) stuck(ended <-chan outcome) error {
	how := r.watch.describe()
	r.cell.report(result.FindingNoProgress,
		fmt.Sprintf("nobody got a lock in %v: %s", r.cfg.Patience, how), 1)
	r.collect(machine.Usage{})
	if m, ok := r.m.(interface{ Stop() }); ok {
		m.Stop()
		<-ended
	}
	return errStuck{how}
}

// account holds what the vCPUs have done against what the locks protect.
func (r *round) account(usage machine.Usage) {
	r.harvest()
	r.collect(usage)
	var c arch.Core
	var words []*arch.Word
	taken := make([]uint64, maxLocks+len(r.clients))
	for i := range r.clients {
		for k := range uint32(allLocks) {
			taken[lockOf(i, k)] += r.clients[i].counts[k].Value()
		}
	}
	check := func(k int, g *guarded) {
		words = append(words, &g.word)
		for i, n := range g.entries(c) {
			if n != uint32(taken[k]) {
				r.cell.report(result.FindingSum,
					fmt.Sprintf("lock %d was taken %d times, and line %d of what it protects "+
						"counts %d", k, uint32(taken[k]), i, n), 1)
				return
			}
		}
	}
	for k := range r.arena.locks {
		check(k, &r.arena.locks[k])
	}
	for i := range r.objects {
		check(maxLocks+i, &r.objects[i].guarded)
	}
	for _, bad := range leftovers(r.m.Paravirt(), r.lock, words) {
		r.cell.report(result.FindingLeak, bad, 1)
	}
}

// collect adds what the vCPUs have counted to the result.
func (r *round) collect(usage machine.Usage) {
	out := r.cell
	for i := range r.clients {
		cl := &r.clients[i]
		out.each[i] += cl.acquisitions()
		out.Acquisitions += cl.acquisitions()
		out.TryFailed += cl.tried.Value()
		out.Unlocks += cl.unlocks.Value()
		out.LongestWaitNanos = max(out.LongestWaitNanos,
			int64(arch.TicksToNanos(cl.longest.Value())))
		out.Counters["reused"] += cl.reused.Value()
		out.Counters["came_and_went"] += cl.came.Value()
		if n := cl.unbound.Value(); n > 0 {
			out.Counters[result.Unbound] += n
		}
		out.Counters["gave_up"] += cl.gaveUp.Value()
		out.Counters["spurious_wakes"] += r.in.cpus[i].spurious.Value()
		out.Counters["delayed_kicks"] += r.in.cpus[i].delayed.Value()
		stats := r.m.Paravirt().CPU(i).Stats()
		for e := range paravirt.NumEvents {
			out.Counters[e.String()] += stats.Events[e].Value()
		}
	}
	for name, n := range usage.Exits {
		out.Counters[name] += n
	}
	if n := len(usage.Unbound); n > 0 {
		out.Counters[result.Unbound] += uint64(n)
	}
}
