package explore

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"example.com/pvlock/explore/internal/x86"
)

// A record is what a trace needs of a step: the first access, and what came of it.
type record struct {
	last      *instr
	lastAddr  uint64
	lastValue uint64
	before    uint64
	recording bool
	objects   []object
}

// trace finds the way to a finding again, step by step.
func (x *explorer) trace(f *Finding) {
	var path []uint8
	if x.how >= 0 {
		path = append(path, uint8(x.how))
	}
	for id := x.at; id != 0; {
		parent, how := x.visited.from(id)
		path = append(path, how)
		id = parent
	}
	slices.Reverse(path)
	w := newWorker(x)
	w.recording = true
	w.initial()
	// Numbers of threads in a path are those of states in which equal bodies are sorted.
	names := make([]int, x.n)
	for i := range names {
		names[i] = i
	}
	w.resort(names)
	for _, how := range path {
		i, act := int(how>>5), int(how&31)
		step := Step{Thread: names[i]}
		w.describe(&step, i, act)
		w.bad, w.wide = nil, false
		w.act(i, act)
		w.finish(&step, i, act)
		step.Buffers = make([]string, x.n)
		for j := range x.n {
			step.Buffers[names[j]] = w.buffers(j)
		}
		f.Steps = append(f.Steps, step)
		if w.bad == nil {
			w.resort(names)
		}
	}
	if w.bad != nil { // in the same words, with names
		f.Text = w.bad.Text
	}
	f.At = make([]string, x.n)
	for j := range x.n {
		at := "has returned"
		if w.s.threads[j].at != nil {
			line, fn := x.program.caller(w.s, j)
			at = "is at " + line + " in " + fn
		}
		f.At[names[j]] = fmt.Sprintf("thread %d %s", names[j], at)
	}
	for _, o := range w.objects {
		if o.shown {
			f.Objects = append(f.Objects,
				fmt.Sprintf("%s is allocated at %s by thread %d", o.name, o.site, names[o.thread]))
		}
	}
}

// resort brings the state into the order that it was stored in, and names along.
func (w *worker) resort(names []int) {
	if !w.x.symmetric {
		return
	}
	var o offsets
	b := w.encode(nil, &o)
	perm := w.order(b, &o)
	if perm == nil {
		return
	}
	sorted := slices.Clone(w.sorted(b, &o))
	w.decode(sorted, &o)
	old := slices.Clone(names)
	for i, from := range perm {
		names[i] = old[from]
	}
}

// describe says what a thread is about to do.
func (w *worker) describe(s *Step, i, act int) {
	w.enter(i)
	t := w.t
	if act == flushAct {
		b := t.buffer[0]
		s.What = fmt.Sprintf("%s = %s reaches memory", w.name(w.f.cells[b.cell].addr+uint64(b.off)),
			w.value(b.value))
		return
	}
	if act >= eventAct {
		s.What = w.x.cfg.Events[act-eventAct].Name
		return
	}
	in := t.at
	s.Where, s.Func = w.x.program.caller(w.s, i)
	if in.hook != nil {
		s.What = short(in.hook.name)
		if in.hook.Outcomes != nil {
			s.What += fmt.Sprintf(", outcome %d", act)
		}
		return
	}
	if in.Access == x86.None {
		s.What = "goes on"
		if in.Fence {
			s.What = "fence"
		}
		return
	}
	w.prepare(in)
	cell := w.name(w.addr)
	w.before = 0
	if w.addr >= 1<<12 && (ofProcess(w.addr) || synthetic(w.addr)) {
		w.before = w.load8(w.addr, min(in.Size, 8))
	}
	switch in.Access {
	case x86.Load:
		s.What = cell + " is " + w.value(w.before)
	default:
		s.What = cell
	}
}

// finish adds what came of it.
func (w *worker) finish(s *Step, i, act int) {
	if act >= eventAct || s.What == "" {
		return
	}
	in := w.last
	if in == nil || in.Access == x86.None || in.Access == x86.Load {
		return
	}
	if s.What == w.name(w.lastAddr) {
		v := w.value(w.lastValue)
		switch {
		case in.Access == x86.Store:
			s.What += " = " + v
		case in.Access == x86.LockedRMW:
			s.What += fmt.Sprintf(" %s → %s, locked", w.value(w.before), v)
		default:
			s.What += fmt.Sprintf(" %s → %s", w.value(w.before), v)
		}
	}
}

func number(v uint64) string {
	if v > 1<<16 {
		return fmt.Sprintf("%#x", v)
	}
	return fmt.Sprint(v)
}

// short leaves a function's package path out, but for its last element.
func short(name string) string { return name[strings.LastIndexByte(name, '/')+1:] }

// buffers writes down a thread's store buffer, the oldest store first.
func (w *worker) buffers(i int) string {
	t := &w.s.threads[i]
	var b []string
	for _, q := range t.buffer[:t.nb] {
		b = append(b, w.name(w.f.cells[q.cell].addr+uint64(q.off))+"="+w.value(q.value))
	}
	return strings.Join(b, " ")
}

// print writes the way to a finding: a column for each thread, a row for each step.
func (f *Finding) print(out io.Writer) error {
	var b bytes.Buffer
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	n := len(f.At)
	head := []string{""}
	for i := range n {
		head = append(head, fmt.Sprintf("thread %d", i))
	}
	if len(f.Steps) > 0 {
		fmt.Fprintln(t, strings.Join(append(head, "store buffers", "at"), "\t"))
	}
	for k, s := range f.Steps {
		row := make([]string, n+3)
		row[0] = fmt.Sprint(k + 1)
		row[1+s.Thread] = s.What
		var held []string
		for i, q := range s.Buffers {
			if q != "" {
				held = append(held, fmt.Sprintf("%d: %s", i, q))
			}
		}
		row[n+1], row[n+2] = strings.Join(held, "; "), s.Where
		fmt.Fprintln(t, strings.Join(row, "\t"))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, line := range strings.Split(strings.TrimRight(b.String(), "\n"), "\n") {
		if _, err := fmt.Fprintln(out, strings.TrimRight(line, " ")); err != nil {
			return err
		}
	}
	for _, at := range slices.Concat(f.Objects, f.At) {
		if _, err := fmt.Fprintln(out, at); err != nil {
			return err
		}
	}
	return nil
}
