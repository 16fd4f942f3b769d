package check

import (
	"context"
	"slices"
	"strings"

	"example.com/pvlock/internal/twin"
	"example.com/pvlock/internal/twin/arch"
	"example.com/pvlock/internal/twin/spinlock"
	"example.com/pvlock/result"
)

// Necessity weakens every piece of a lock's text that the clients execute, one at a time, and says
// what breaks. The clients must find nothing in the text as it stands.
//
// What is weakened: each fence is dropped; each locked instruction becomes a load and a store; each
// look at a cell that the CPU has read or written before in the same acquisition is skipped; each
// store takes place after the store or locked instruction that follows it; each operation of the
// event channel is dropped.
func Necessity(ctx context.Context, clients []Config) ([]result.Need, error) {
	changes, err := weakenings(clients)
	if err != nil {
		return nil, err
	}
	var table []result.Need
	for _, ch := range changes {
		need := result.Need{At: ch.At, Text: line(ch.At), Change: ch.What.String(), Complete: true}
		if ch.Past != "" {
			need.Change = "swapped with " + ch.Past
		}
		applied := false
		for _, c := range clients {
			c.Change = ch
			r, err := Run(ctx, c)
			if err != nil {
				return nil, err
			}
			applied = applied || r.applied
			if r.Finding != nil && (need.Breaks == "" || r.Finding.Steps < need.Steps) {
				need.Breaks, need.Client, need.Steps = r.Finding.Kind, r.Client, r.Finding.Steps
			}
			if r.Finding != nil {
				need.Complete, need.Cut = false, nil
				break
			}
			if !r.Complete {
				need.Complete = false
				need.Cut = append(need.Cut, r.Client+": "+r.Bound)
			}
		}
		if applied {
			table = append(table, need)
		}
		if ctx.Err() != nil {
			break
		}
	}
	return table, nil
}

// weakenings are the changes that weaken something that the clients execute, found by running them
// as they are.
func weakenings(clients []Config) ([]Change, error) {
	var all []Change
	add := func(c Change) {
		if !slices.Contains(all, c) {
			all = append(all, c)
		}
	}
	for _, c := range clients {
		if err := c.complete(); err != nil {
			return nil, err
		}
		x, err := newModel(c)
		if err != nil {
			return nil, err
		}
		x.wander()
		for i := range x.numNodes {
			x.weaken(x.node(int32(i)), add)
		}
		x.close()
	}
	slices.SortFunc(all, func(a, b Change) int {
		if d := comparePlaces(a.At, b.At); d != 0 {
			return d
		}
		if d := int(a.What) - int(b.What); d != 0 {
			return d
		}
		return strings.Compare(a.Past, b.Past)
	})
	return all, nil
}

func (x *model) weaken(n *node, add func(Change)) {
	ev := &n.ev
	if n.meta.boot || ev.site == nil || !inText(ev.site.Pos) {
		return
	}
	// A pair is two writes of one call, with nothing in between.
	pairs := func() {
		for _, e := range *n.edges.Load() {
			to := &e.to.ev
			if !e.in.irq && e.to.meta == n.meta && to.write && to.site != nil &&
				inText(to.site.Pos) && to.addr != ev.addr {
				add(Change{At: ev.site.Pos, What: Delay, Past: to.site.Pos})
			}
		}
	}
	switch {
	case ev.kind == arch.Fence, ev.kind == evDrain:
		add(Change{At: ev.site.Pos, What: Drop})
	case ev.kind.Locked():
		add(Change{At: ev.site.Pos, What: Split})
		if ev.use.How != twin.Unused && ev.kind != arch.Or && ev.kind != arch.And {
			add(Change{At: ev.site.Pos, What: Stale})
		}
	case ev.kind == arch.Load:
		if !x.constant(ev) {
			add(Change{At: ev.site.Pos, What: Stale})
		}
	case ev.kind == arch.Store:
		pairs()
	}
	if ev.kind.Locked() && ev.use.How == twin.Unused {
		pairs()
	}
	switch ev.kind {
	case arch.Clear, arch.Set, arch.Notify, arch.Rouse, arch.SleepBy:
		add(Change{At: ev.site.Pos, What: Drop})
	case arch.Test:
		add(Change{At: ev.site.Pos, What: Drop})
	}
}

// inText says whether a place is in the text of a lock, or of how its waiters sleep and are found.
// How a CPU comes up belongs to neither.
func inText(pos string) bool {
	file, _, _ := strings.Cut(pos, ":")
	switch file {
	case "paravirt/wait.go", "paravirt/announce.go", "paravirt/interrupt.go":
		return true
	}
	return strings.HasPrefix(pos, "spinlock/") || strings.HasPrefix(pos, "mutex/")
}

func comparePlaces(a, b string) int {
	fa, la, _ := strings.Cut(a, ":")
	fb, lb, _ := strings.Cut(b, ":")
	if d := strings.Compare(fa, fb); d != 0 {
		return d
	}
	if d := len(la) - len(lb); d != 0 {
		return d
	}
	return strings.Compare(la, lb)
}

// NecessityClients returns the clients that a lock's necessity table is made with.
func NecessityClients(c Config) []Config {
	set := needed(c.Lock)
	for i := range set {
		set[i].States, set[i].Memory, set[i].Workers, set[i].Buffer = c.States, c.Memory, c.Workers,
			c.Buffer
	}
	return set
}

func needed(k spinlock.Kind) []Config {
	if k.Name == mutexName {
		one := func(cpus int, client Client, spin uint32) Config {
			return Config{Lock: k, CPUs: cpus, Client: Goroutines(client), Spin: spin}
		}
		return []Config{one(2, Plain(2, 2), 0), one(2, GivingUp(2, 1, 3), AnySpin),
			one(3, GivingUp(3, 1, 1), 0)}
	}
	var set []Config
	for _, spin := range []uint32{0, AnySpin} {
		if spin != 0 && !k.Sleeps {
			break
		}
		set = append(set,
			Config{Lock: k, CPUs: 2, Client: Plain(2, 2), Spin: spin},
			Config{Lock: k, CPUs: 2, Client: Nested(2, 1), Spin: spin, Interrupts: 1,
				Spurious: true})
	}
	set = append(set,
		Config{Lock: k, CPUs: 3, Client: Plain(3, 1), Spurious: true},
		Config{Lock: k, CPUs: 2, Client: Late(2), Spurious: true})
	if k.Sleeps && slices.Contains(queueless, k.Name) {
		// Unlockers find the sleepers of these locks, and a sleeper may be interrupted.
		set = append(set,
			Config{Lock: k, CPUs: 3, Client: kickFirst(), Interrupts: 1},
			Config{Lock: k, CPUs: 3, Client: kickFirst(), Spin: AnySpin, Interrupts: 1})
	}
	return set
}
