package sim

import (
	"context"
	"time"

	"example.com/pvlock/internal/twin/arch"
	"example.com/pvlock/internal/twin/paravirt"
	"example.com/pvlock/internal/twin/workload"
)

// newEngine builds a host, its guests and what they run. Everybody is ready at time 0.
func newEngine(ctx context.Context, cfg *Config) (*engine, error) {
	e := &engine{cfg: cfg, costs: &cfg.Costs, ctx: ctx}
	e.ordered = cfg.BoostHead || cfg.Kick == KickOldest
	sockets := max(cfg.Sockets, 1)
	e.perSocket = int32((cfg.PCPUs + sockets - 1) / sockets)
	e.buildHost()
	var space uintptr
	for i, v := range cfg.VMs {
		next, err := e.buildVM(i, v, space)
		if err != nil {
			return nil, err
		}
		space = next
	}
	e.buildBackground()
	e.buildMeasurement()
	e.tasks0 = int32(len(e.actors))
	e.tasks = make([]*task, len(e.actors), len(e.actors)+MaxVCPUs)
	for _, v := range e.vms {
		for _, t := range v.tasks {
			t.id = int32(len(e.tasks))
			e.tasks = append(e.tasks, t)
		}
	}
	e.mem = newMemory(space, cfg.PCPUs)
	e.queue = newQueue(len(e.tasks))
	e.arm()
	return e, nil
}

// actor gives something that events happen to a number.
func (e *engine) actor(f func()) int32 {
	e.actors = append(e.actors, f)
	return int32(len(e.actors)) - 1
}

func (e *engine) newPool(l level, n int) *pool {
	c := e.costs
	p := &pool{e: e, level: l, idle: n, block: c.Block, kick: c.Kick, wake: c.Wake,
		change: c.Switch}
	if l == goLevel {
		p.block, p.kick, p.wake, p.change = c.GoSwitch, c.GoSwitch, 0, c.GoSwitch
	}
	for i := range n {
		s := &seat{pool: p, num: i}
		s.actor = e.actor(func() { e.timer(s) })
		p.seats = append(p.seats, s)
	}
	return p
}

func (e *engine) buildHost() {
	cfg := e.cfg
	p := e.newPool(hostLevel, cfg.PCPUs)
	e.pool = p
	var length int64
	switch {
	case cfg.Gang:
		g := &gangs{pool: p, length: orElse(cfg.Slice, gangSlice)}
		g.actor = e.actor(g.rotate)
		p.policy = g
	case cfg.Scheduler == Credit:
		length = orElse(cfg.Slice, creditSlice)
		c := &credit{pool: p, length: length, debit: cfg.TickDebit}
		c.actor = e.actor(c.event)
		p.policy = c
	case cfg.Scheduler == Fair:
		length = orElse(cfg.Slice, time.Duration(cfg.Costs.Slice))
		p.policy = newFair(p, length)
	default:
		length = orElse(cfg.Slice, roundRobinSlice)
		p.policy = &roundRobin{pool: p, length: length}
	}
	for i, s := range p.seats {
		s.on, s.cpu = true, int32(i)
	}
	e.stagger(p, length)
}

// stagger makes the first slices any length, so that a pool's seats don't switch in step.
func (e *engine) stagger(p *pool, length int64) {
	r := arch.NewRand(e.cfg.Seed, 1<<32|uint64(p.seats[0].actor))
	for _, s := range p.seats {
		if length > 0 {
			s.first = 1 + int64(r.Below(uint32(length)))
		}
	}
}

// tunables are the lock's, with what the configuration overrides.
func (cfg *Config) tunables() paravirt.Tunables {
	t := cfg.Lock.Tunables
	if cfg.Spin != nil {
		t.Spin = paravirt.Exactly(*cfg.Spin)
	}
	if cfg.Steal != nil {
		t.Steal = paravirt.Exactly(*cfg.Steal)
	}
	if cfg.WaitEarly != nil {
		t.NoWaitEarly = !*cfg.WaitEarly
	}
	return t
}

func (e *engine) buildVM(i int, cfg VM, space uintptr) (next uintptr, err error) {
	v := &vm{VM: cfg, id: i}
	if v.Weight == 0 {
		v.Weight = defaultWeight
	}
	n := e.cfg.tasks(cfg)
	m, err := paravirt.New(paravirt.Config{
		CPUs: n, Channel: v.channel(e), Wait: e.cfg.Lock.Wait, Kick: e.cfg.Lock.Kick,
		Tunables: e.cfg.tunables(), Stats: true,
	})
	if err != nil {
		return 0, err
	}
	v.guest, next = newGuest(m, space)
	v.ops = workload.Ops{Lock: v.lock(e), Unlock: v.unlock(e)}
	params := workload.Params{Critical: arch.WorkUnits(e.cfg.Critical),
		Think: arch.WorkUnits(e.cfg.Think), Seed: e.cfg.Seed + uint64(i)<<32}
	for j := range n {
		t := &task{e: e, vm: v, num: j, pv: m.CPU(j)}
		t.pv.Core = arch.Core{Engine: t}
		t.client.Init(params, j)
		v.tasks = append(v.tasks, t)
	}
	e.buildLayers(v)
	e.vms = append(e.vms, v)
	return next, nil
}

// channel makes event channels as machines of threads do: a word for each, and two functions of the
// layer below.
func (v *vm) channel(e *engine) paravirt.ChannelOps {
	ops := paravirt.WordChannel(
		func(c *paravirt.CPU, word *arch.U32, n uint32) { c.ParkThread(word, n) },
		func(c *paravirt.CPU, _ uint32, word *arch.U32) { c.UnparkThread(word, 1) },
	)
	notify := ops.Notify
	ops.Notify = func(c *paravirt.CPU, cpu uint32) {
		if cpu, ok := v.choose(e, cpu); ok {
			notify(c, cpu)
		}
	}
	return ops
}

// buildLayers puts a VM's tasks on vCPUs: directly, or on threads, or on goroutines on either.
func (e *engine) buildLayers(v *vm) {
	v.vcpus = e.units(e.pool, v, v.VCPUs)
	for _, u := range v.vcpus {
		if v.Yield > 0 {
			u.dodge = &dodge{left: v.Yield.Nanoseconds()}
			u.dodge.actor = e.actor(func() { e.dodge(u) })
		}
	}
	top := v.vcpus
	if e.cfg.Threads > 0 {
		p := e.newPool(guestLevel, len(top))
		length := orElse(e.cfg.GuestSlice, guestSlice)
		p.policy = &roundRobin{pool: p, length: length}
		e.stagger(p, length)
		top = e.layer(p, top, v, e.cfg.Threads)
	}
	if e.cfg.Goroutines > 0 {
		p := e.newPool(goLevel, len(top))
		p.policy = &roundRobin{pool: p, length: goSlice.Nanoseconds()}
		e.stagger(p, goSlice.Nanoseconds())
		if e.cfg.StopTheWorld > 0 {
			p.stop = &worldStop{e: e, pool: p, every: e.cfg.StopTheWorld.Nanoseconds()}
			p.stop.actor = e.actor(p.stop.event)
		}
		top = e.layer(p, top, v, e.cfg.Goroutines)
	}
	for i, u := range top {
		u.task = v.tasks[i]
		u.task.unit = u
	}
}

// layer makes units of one layer the seats of a pool, and n units that take turns on them.
func (e *engine) layer(p *pool, on []*unit, v *vm, n int) []*unit {
	for i, u := range on {
		u.inner = p.seats[i]
		u.inner.host = u
	}
	return e.units(p, v, n)
}

func (e *engine) units(p *pool, v *vm, n int) []*unit {
	all := make([]*unit, n)
	for i := range all {
		u := &unit{host: p, num: i, vm: v}
		u.weight = defaultWeight
		if v != nil {
			u.weight, u.gang = int64(v.Weight), v.id
		} else {
			u.gang = len(e.cfg.VMs) + i/e.cfg.PCPUs
		}
		u.class = under
		all[i] = u
	}
	if c, ok := p.policy.(*credit); ok {
		c.units = append(c.units, all...)
	}
	if g, ok := p.policy.(*gangs); ok && n > 0 {
		for len(g.queues) <= all[n-1].gang {
			g.queues, g.alive = append(g.queues, fifo{}), append(g.alive, 0)
		}
	}
	return all
}

func (e *engine) buildBackground() { e.hogs = e.units(e.pool, nil, e.cfg.Background) }

// arm makes everybody ready, and sets the clocks.
func (e *engine) arm() {
	switch p := e.pool.policy.(type) {
	case *gangs:
		e.queue.set(p.actor, p.length)
	case *credit:
		e.queue.set(p.actor, creditTick)
	}
	e.startRecording()
	for _, v := range e.vms {
		for _, t := range v.tasks {
			if s := t.unit.host.stop; s != nil && t.num == 0 {
				e.queue.set(s.actor, s.every)
			}
			e.ready(t.unit)
		}
	}
	for _, u := range e.hogs {
		e.ready(u)
	}
	e.armMeasurement()
}

// dodge lets a vCPU give its CPU up when it has had it for so long, until just after the host's
// next tick.
type dodge struct {
	actor int32
	left  int64
	off   bool
}

// justAfter is how long after a tick it is back.
const justAfter = 1000

func (e *engine) dodge(u *unit) {
	d := u.dodge
	if d.off {
		d.off, d.left = false, u.vm.Yield.Nanoseconds()
		e.ready(u)
		return
	}
	d.off = true
	e.block(u)
	e.queue.set(d.actor, (e.now/creditTick+1)*creditTick+justAfter)
}
