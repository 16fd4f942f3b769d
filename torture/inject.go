package torture

import (
	"example.com/pvlock/internal/arch"
	"example.com/pvlock/paravirt"
)

// An injector stands between a lock and its machine's event channels, and does what the contract
// allows and a lock must bear: a sleep ends for no reason, a notification comes late.
type injector struct {
	arena *arena
	late  uint32 // mean units of work by which a notification is late
	cpus  []injected
}

// injected is a vCPU's part. Only that vCPU writes it.
type injected struct {
	rand arch.Rand
	// early says that the next Poll won't sleep: who looks on must not take that vCPU for asleep.
	early    arch.Hint
	spurious arch.Counter
	delayed  arch.Counter
	_        [line]byte
}

func newInjector(a *arena, n int, late uint32, seed uint64) *injector {
	in := &injector{arena: a, late: late, cpus: make([]injected, n)}
	for i := range in.cpus {
		in.cpus[i].rand = arch.NewRand(seed, uint64(i))
	}
	return in
}

func (in *injector) around(ops paravirt.ChannelOps) paravirt.ChannelOps {
	poll, notify := ops.Poll, ops.Notify
	if ops.Rescue == nil {
		// A rescuer isn't delayed, and runs on none of the vCPUs.
		ops.Rescue = notify
	}
	ops.Poll = func(c *paravirt.CPU) {
		s := &in.cpus[c.ID()]
		if s.early.Get() != 0 {
			s.spurious.Add(1)
		} else {
			poll(c)
		}
		s.early.Set(0)
		if c.Load32(&in.arena.knobs)&knobSpurious != 0 && s.rand.Below(4) == 0 {
			s.early.Set(1)
		}
	}
	ops.Notify = func(c *paravirt.CPU, cpu uint32) {
		s := &in.cpus[c.ID()]
		if c.Load32(&in.arena.knobs)&knobDelay != 0 && s.rand.Below(8) == 0 {
			s.delayed.Add(1)
			c.Work(s.rand.Below(2 * in.late))
		}
		notify(c, cpu)
	}
	return ops
}

// asleep reports whether vCPU i sleeps, and nothing that is injected will end that.
func (in *injector) asleep(m *paravirt.Machine, i int) bool {
	return in.cpus[i].early.Get() == 0 && m.Asleep(i)
}
