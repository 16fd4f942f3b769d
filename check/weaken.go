package check

import (
	"fmt"

	"example.com/pvlock/internal/twin"
	"example.com/pvlock/internal/twin/arch"
)

// A Change makes one place of a lock's text do something else than it says: that is
// how the checker finds out what the place is good for, and how mutants are made.
type Change struct {
	// At is the place, file:line. It changes each execution of it.
	At   string
	What ChangeKind
	// Past is, for Delay, the place after which the event takes place: "" is the CPU's next one.
	Past string
	// Value is what StoreValue stores and Return returns.
	Value uint64
}

// ChangeKind is what a Change does.
type ChangeKind uint8

// The kinds of changes.
const (
	NoChange ChangeKind = iota
	Split               // a locked instruction becomes a load and a store
	Drop                // the event doesn't take place; its result is 0
	// a look doesn't take place; its result is what the CPU saw or stored there last
	Stale
	Delay      // the event takes place after a later one; its result is 0
	StoreValue // the event stores another value
	Return     // the event's result is another value
	AddFence   // a full fence follows
)

// String returns what a change does, for tables.
func (k ChangeKind) String() string {
	return [...]string{"none", "split", "drop", "stale", "delay", "value", "result",
		"fence after"}[k]
}

// String says what is changed.
func (c Change) String() string {
	switch {
	case c.What == NoChange:
		return ""
	case c.Past != "":
		return fmt.Sprintf("%s at %s past %s", c.What, c.At, c.Past)
	}
	return fmt.Sprintf("%s at %s", c.What, c.At)
}

func (c Change) stale() bool { return c.What == Stale }

// weakly executes an event as the change has it.
func (p *Proc) weakly(ev event) (v uint64, n uint32) {
	w := &p.x.cfg.weak
	if w.What == NoChange {
		return p.do(ev)
	}
	if ev.site == nil || ev.site.Pos != w.At {
		return p.after(ev)
	}
	switch w.What {
	case Split:
		if !ev.kind.Locked() {
			break
		}
		p.x.applied.Store(true)
		return p.plain(ev), 0
	case Drop:
		p.x.applied.Store(true)
		p.skipped(ev.site)
		return 0, 0
	case Stale:
		if v, ok := p.seen[ev.addr]; ok && ev.cells {
			p.x.applied.Store(true)
			p.skipped(ev.site)
			if ev.kind == arch.Cas {
				return 0, 0
			}
			return v, ev.n
		}
	case Delay:
		p.x.applied.Store(true)
		ev.use = twin.Use{How: twin.Unused}
		p.held, p.until = append(p.held, ev), w.Past
		return 0, 0
	case StoreValue:
		ev.a = w.Value
	case Return:
		_, n = p.do(ev)
		return w.Value, n
	case AddFence:
		v, n = p.do(ev)
		p.do(event{kind: arch.Fence, site: ev.site, owner: -1})
		return v, n
	}
	return p.after(ev)
}

// after executes an event, and then those that were held back until it.
func (p *Proc) after(ev event) (v uint64, n uint32) {
	v, n = p.do(ev)
	if len(p.held) > 0 && (p.until == "" || ev.site != nil && ev.site.Pos == p.until) {
		p.settle()
	}
	return v, n
}

// settle executes what is held back.
func (p *Proc) settle() {
	held := p.held
	p.held = nil
	for _, ev := range held {
		p.do(ev)
	}
}

// skipped counts that the CPU's text went on without an event. If it goes on like that it has
// nothing left to stop at: then it hangs.
func (p *Proc) skipped(at *site) {
	if p.lost++; p.lost > 1000 {
		p.hist = mix(p.hist, 0xdead)
		p.do(event{kind: evHang, site: at, owner: -1})
	}
}

// plain executes a read-modify-write as a load and a store.
func (p *Proc) plain(ev event) uint64 {
	load, store := ev, ev
	load.kind, load.write, load.use = arch.Load, false, twin.Use{}
	store.kind, store.b, store.use = arch.Store, 0, twin.Use{}
	old, _ := p.do(load)
	v, new, stores := update(&ev, old)
	store.a = new
	if stores {
		p.do(store)
	}
	return v
}

// notice remembers what a CPU saw or stored last.
func (p *Proc) notice(ev *event, v uint64) {
	if p.seen == nil {
		p.seen = make(map[uint64]uint64)
	}
	switch ev.kind {
	case arch.Load, arch.Spin, arch.Add:
		p.seen[ev.addr] = v
	case arch.Store, arch.Xchg:
		p.seen[ev.addr] = ev.a
	case arch.Cmpxchg:
		if p.seen[ev.addr] = v; v == ev.a {
			p.seen[ev.addr] = ev.b
		}
	case arch.Cas:
		if v != 0 {
			p.seen[ev.addr] = ev.b
		} else {
			delete(p.seen, ev.addr)
		}
	}
}

// update returns the result of a read-modify-write, and what it stores, given what it finds.
func update(ev *event, old uint64) (v, new uint64, stores bool) {
	mask := uint64(1)<<(8*ev.width) - 1
	if ev.width == 8 {
		mask = ^uint64(0)
	}
	switch ev.kind {
	case arch.Xchg:
		return old, ev.a, true
	case arch.Cmpxchg:
		return old, ev.b, old == ev.a
	case arch.Cas:
		if old == ev.a {
			return 1, ev.b, true
		}
		return 0, 0, false
	case arch.Add:
		sum := (old + ev.a) & mask
		return sum, sum, true
	case arch.Or:
		return 0, old | ev.a, true
	case arch.And:
		return 0, old & ev.a, true
	}
	panic("check: not a read-modify-write")
}
