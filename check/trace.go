package check

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"example.com/pvlock/internal/twin/arch"
	"example.com/pvlock/result"
)

// row writes down a step. The state is the one that it leads to, or, for a step that is being
// executed, gets its picture with the next row.
func (r *runner) row(s *state, i int, n *node, what string, environment bool) {
	if r.rows == nil {
		return
	}
	row := result.CheckRow{CPU: i, What: what}
	if !environment && n.ev.site != nil {
		row.Site, row.Func = n.ev.site.Pos, n.ev.site.Func
	}
	for j := range r.x.cfg.CPUs {
		var b []string
		for _, e := range s.buffer[j][:s.filled[j]] {
			ev := &r.x.node(e.node).ev
			b = append(b, r.x.w.name(ev.addr, ev.width)+"="+r.x.value(e.v))
		}
		row.Buffers = append(row.Buffers, strings.Join(b, " "))
		if s.pending&(1<<j) != 0 {
			row.Pending = append(row.Pending, j)
		}
	}
	for l := range r.x.cfg.locks() {
		if r.x.cfg.mutex() {
			lock, wait := r.mutex(s, l)
			row.Locks = append(row.Locks, fmt.Sprintf("%d %08x", lock, wait))
			continue
		}
		row.Locks = append(row.Locks,
			fmt.Sprintf("%08x", r.peek(s, "lock", uint64(r.x.w.lockAddr(l)&(1<<regionBits-1)), 4)))
	}
	*r.rows = append(*r.rows, row)
}

// value writes a number of shared memory: a lock's address by its name.
func (x *model) value(v uint64) string {
	if regionNumber(v) == regionLocks {
		_, l, _ := x.w.regionOf(v)
		return "&" + lockName(int(l))
	}
	if v > 255 {
		return fmt.Sprintf("%#x", v)
	}
	return fmt.Sprint(v)
}

// describe writes an event in lock terms.
func (x *model) describe(ev *event, v uint64, giveUp bool) string {
	cell := ""
	if ev.cells {
		cell = x.w.name(ev.addr, ev.width)
	}
	a, b, res := x.value(ev.a), x.value(ev.b), x.value(v)
	switch ev.kind {
	case arch.Load:
		return cell + " is " + res
	case arch.Store:
		return cell + " = " + a
	case arch.Xchg:
		return cell + " ↔ " + a + ", was " + res
	case arch.Cmpxchg:
		return cell + " " + a + " → " + b + ", was " + res
	case arch.Cas:
		if v == 0 {
			return cell + " " + a + " → " + b + " fails"
		}
		return cell + " " + a + " → " + b
	case arch.Add:
		if d := int64(ev.a<<(64-8*ev.width)) >> (64 - 8*ev.width); d < 0 {
			return fmt.Sprintf("%s -= %d, is %s", cell, -d, res)
		}
		return cell + " += " + a + ", is " + res
	case arch.Or:
		return cell + " |= " + a
	case arch.And:
		return fmt.Sprintf("%s &= %#x", cell, ev.a)
	case arch.Spin:
		if giveUp {
			return "gives up spinning on " + cell
		}
		return "spins until " + cell + " is " + res
	case arch.Fence:
		return "fence"
	case arch.Park:
		if v == 0 {
			return "park: " + cell + " isn't " + a
		}
		return "parks on " + cell
	case arch.Unpark:
		return "unparks the sleeper on " + cell
	case arch.Poll:
		return "poll ends: pending"
	case arch.Clear:
		return "clear pending"
	case arch.Set:
		return "set pending"
	case arch.Test:
		return "test pending: " + res
	case arch.Notify:
		return "notify CPU " + a
	case arch.Bind:
		return "bind the channel"
	case arch.Unbind:
		return "unbind the channel"
	case evParked:
		return "wakes"
	case arch.Sleep:
		return "wakes: roused"
	case arch.Rouse:
		return fmt.Sprintf("rouses CPU %d", ev.a-1)
	case arch.SleepBy:
		return "sleeps by " + [...]string{"permit", "token"}[ev.b] + " from now on"
	case arch.IsDone:
		return "needn't give up"
	case evSection:
		return "critical section"
	case evDrop:
		return "is done with lock " + lockName(int(ev.a))
	case evFree:
		return "frees lock " + lockName(int(ev.a))
	}
	return fmt.Sprintf("event %d", ev.kind)
}

// PrintFinding writes a counterexample: a column for each CPU, a row for each step, and the
// violation last.
func PrintFinding(w io.Writer, f *result.CheckFinding) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	if len(f.Rows) > 0 {
		head := []string{""}
		for i := range f.Rows[0].Buffers {
			head = append(head, fmt.Sprintf("CPU %d", i))
		}
		for l := range f.Rows[0].Locks {
			head = append(head, lockName(l))
		}
		fmt.Fprintln(t, strings.Join(append(head, "store buffers", "pending", "at"), "\t"))
	}
	for i, r := range f.Rows {
		line := []string{fmt.Sprint(i + 1)}
		for j := range r.Buffers {
			what := ""
			if j == r.CPU {
				what = r.What
			}
			line = append(line, what)
		}
		line = append(line, r.Locks...)
		var held []string
		for j, b := range r.Buffers {
			if b != "" {
				held = append(held, fmt.Sprintf("%d:[%s]", j, b))
			}
		}
		pending := strings.Trim(fmt.Sprint(r.Pending), "[]")
		at := r.Site
		if r.Func != "" {
			at += " " + r.Func
		}
		fmt.Fprintln(t, strings.Join(append(line, strings.Join(held, " "), pending, at), "\t"))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "%s: %s\n", f.Kind, f.Text)
	return err
}
