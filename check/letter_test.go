package check

import (
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"example.com/pvlock/internal/twin/arch"
	"example.com/pvlock/internal/twin/paravirt"
	"example.com/pvlock/internal/twin/spinlock"
)

// The locks that are kept to the letter make these accesses, of these widths, in this order, and no
// others. Each script in testdata/letter is what some CPUs do, one at a time, and beside each
// access what the document has there.
func TestLetter(t *testing.T) {
	for name, script := range map[string]func(s *stage){
		"xen2008":     sleepsAndIsWoken,
		"xen2008text": sleepsAndIsWoken,
		"bytelock":    spinsUntilItIsFree,
		"ticket":      spinsUntilItIsFree,
		// CPU 1 sleeps at the head of the queue, CPU 2 behind it.
		"pvqspin2015": func(s *stage) {
			s.run(0, "lock")
			s.run(1, "lock")
			s.run(2, "lock")
			s.run(0, "unlock")
			s.wake(1)
			s.wake(2)
			s.run(1, "unlock")
			s.wake(2)
			s.run(2, "unlock")
		},
		"qspin": func(s *stage) {
			s.run(0, "lock")
			s.run(0, "unlock")
		},
	} {
		t.Run(name, func(t *testing.T) {
			// Two rounds, so that a waiter sleeps soon.
			s := newStage(t, name, 3, paravirt.Tunables{Spin: 2})
			script(s)
			want, err := os.ReadFile(filepath.Join("testdata", "letter", name+".txt"))
			if err != nil {
				t.Fatalf("%v; the lock does\n%s", err, strings.Join(s.log, "\n"))
			}
			var lines []string
			for line := range strings.Lines(string(want)) {
				does, _, _ := strings.Cut(line, " ; ")
				if does = strings.TrimSpace(does); does != "" && does[0] != '#' {
					lines = append(lines, does)
				}
			}
			for i := range max(len(lines), len(s.log)) {
				at := func(l []string) string {
					if i < len(l) {
						return l[i]
					}
					return "nothing more"
				}
				if at(s.log) != at(lines) {
					t.Fatalf("step %d is %q, and the document's is %q", i+1, at(s.log), at(lines))
				}
			}
		})
	}
}

func spinsUntilItIsFree(s *stage) {
	s.run(0, "lock")
	s.at["spin"] = []func(){func() { s.run(0, "unlock") }}
	s.run(1, "lock")
	s.run(1, "unlock")
}

// sleepsAndIsWoken has two CPUs sleep, of which an unlock wakes the first; one that finds the lock
// free when it has announced itself; and one that has no event channel.
func sleepsAndIsWoken(s *stage) {
	s.run(0, "try")
	s.run(1, "lock")
	s.run(2, "lock")
	s.run(0, "contended?")
	s.run(0, "unlock")
	s.wake(1)
	s.run(1, "unlock")
	s.wake(2)
	s.run(2, "locked?")

	s.at["clear"] = []func(){func() { s.run(2, "unlock") }}
	s.run(1, "lock")

	said := len(s.log)
	s.m.CPU(2).Down()
	s.log = s.log[:said]
	s.at["spin"] = []func(){func() {}, func() { s.run(1, "unlock") }}
	s.run(2, "lock")
}

// Where the machine says nothing, a waiter spins as long as its lock's document says; that is what
// the catalogue says, too. What the machine says goes before it, and none is none.
func TestLetterBudgets(t *testing.T) {
	for name, own := range map[string]uint32{
		"xen2008": 1 << 10, "xen2008text": 1 << 16, "xen": 1 << 10, "pvticket": 1 << 15,
		"pvqspin2015": 1 << 15, "pvqspin": 1 << 15,
	} {
		if have := lock(name).Tunables.Spin; have != own {
			t.Errorf("%s: the catalogue says %d rounds, want %d", name, have, own)
		}
		for set, want := range map[uint32]uint32{0: own, 7: 7, paravirt.None: 0} {
			s := newStage(t, name, 2, paravirt.Tunables{Spin: set})
			s.run(0, "lock")
			s.run(1, "lock")
			if !slices.Contains(s.log, "poll") || s.spun != uint64(want) {
				t.Errorf("%s: with %d set a waiter spins %d rounds before it sleeps, want %d", name,
					set, s.spun, want)
			}
		}
	}
}

// stage executes the text of some CPUs, each until it sleeps or has done, and writes down what it
// does.
type stage struct {
	t      *testing.T
	kind   spinlock.Kind
	m      *paravirt.Machine
	word   spinlock.Word
	memory map[uintptr]uint8
	names  map[uintptr]string
	actors []*actor
	log    []string
	spun   uint64 // rounds of bounded spins

	// at is what happens when a CPU comes to a spin, or to clearing its channel: the first time,
	// the second, and so on.
	at map[string][]func()
}

// actor is a CPU of a stage: what executes its text.
type actor struct {
	s     *stage
	cpu   int
	yield func(bool) bool
	next  func() (bool, bool)
}

func newStage(t *testing.T, name string, cpus int, tune paravirt.Tunables) *stage {
	k := lock(name)
	// The machine's half as it was in the lock's day.
	m, err := paravirt.New(paravirt.Config{CPUs: cpus, Tunables: tune, Wait: k.Wait, Kick: k.Kick,
		Channel: paravirt.ChannelOps{
			Clear:  func(c *paravirt.CPU) { c.ChannelClear() },
			Poll:   func(c *paravirt.CPU) { c.ChannelPoll() },
			Test:   func(c *paravirt.CPU) bool { return c.ChannelTest() },
			Notify: func(c *paravirt.CPU, cpu uint32) { c.ChannelNotify(cpu) },
		}})
	if err != nil {
		t.Fatal(err)
	}
	s := &stage{t: t, kind: k, m: m, memory: map[uintptr]uint8{}, names: map[uintptr]string{},
		at: map[string][]func(){}}
	for i := range cpus {
		a := &actor{s: s, cpu: i}
		s.actors = append(s.actors, a)
		m.CPU(i).Core = arch.Core{Engine: a}
		if err := m.CPU(i).Up(); err != nil {
			t.Fatal(err)
		}
		slot, node := m.Slot(uint32(i)), m.Node(paravirt.TailCode(uint32(i), 0))
		s.names[address(&slot.Lock)] = fmt.Sprintf("lock_spinners of %d", i)
		for cell, name := range map[any]string{&node.Next: "next", &node.Locked: "locked",
			&node.CPU: "cpu", node.State(): "state"} {
			s.names[address(cell)] = fmt.Sprintf("%s of node %d", name, i)
		}
	}
	for i := range m.Hash() {
		s.names[address(&m.Hash()[i].Lock)], s.names[address(&m.Hash()[i].Node)] = "lock of entry",
			"node of entry"
	}
	s.names[address(&m.Online()[0])] = "online mask"
	s.log = nil
	return s
}

func address(cell any) (at uintptr) {
	_, err := fmt.Sscanf(fmt.Sprintf("%p", cell), "0x%x", &at)
	if err != nil {
		panic(err)
	}
	return at
}

func (s *stage) cell(at uintptr) string {
	if word := address(&s.word); at >= word && at < word+4 {
		return fmt.Sprintf("byte %d of the lock", at-word)
	}
	if name := s.names[at]; name != "" {
		return name
	}
	return "irq"
}

func (s *stage) value(v uint64) string {
	if uintptr(v) == address(&s.word) {
		return "this"
	}
	return fmt.Sprint(v)
}

func (s *stage) say(format string, args ...any) {
	if s.log = append(s.log, fmt.Sprintf(format, args...)); len(s.log) > 1000 {
		s.t.Fatalf("it doesn't end: %s", strings.Join(s.log[:100], "; "))
	}
}

// run has a CPU begin something.
func (s *stage) run(cpu int, what string) {
	a, c, w := s.actors[cpu], s.m.CPU(cpu), &s.word
	do := map[string]func(){
		"lock":       func() { s.kind.Lock(w, c) },
		"unlock":     func() { s.kind.Unlock(w, c) },
		"try":        func() { s.kind.TryLock(w, c) },
		"locked?":    func() { s.kind.IsLocked(w, c) },
		"contended?": func() { s.kind.IsContended(w, c) },
	}[what]
	s.say("CPU %d: %s", cpu, what)
	a.next, _ = iter.Pull(func(yield func(bool) bool) {
		a.yield = yield
		do()
		s.say("CPU %d: done", cpu)
	})
	a.next()
}

// wake has a CPU that sleeps go on.
func (s *stage) wake(cpu int) {
	s.say("CPU %d: woken", cpu)
	s.actors[cpu].next()
}

// happens does what a script has at this point.
func (s *stage) happens(what string) {
	if do := s.at[what]; len(do) > 0 {
		s.at[what] = do[1:]
		do[0]()
	}
}

func (a *actor) Addr(w *spinlock.Word) arch.Addr { return arch.Addr(address(w)) }

func (a *actor) Exec(e arch.Event) (v uint64, rounds uint32) {
	s, at := a.s, uintptr(e.Cell)
	value := func() (v uint64) {
		for i := range uintptr(e.Width) {
			v |= uint64(s.memory[at+i]) << (8 * i)
		}
		return v
	}
	store := func(v uint64) {
		for i := range uintptr(e.Width) {
			s.memory[at+i] = uint8(v >> (8 * i))
		}
	}
	bits := func(v uint64) uint64 { return v & (1<<(8*e.Width) - 1) }
	named := func(what string) string {
		return fmt.Sprintf("%s%d %s", what, 8*uint(e.Width), s.cell(at))
	}
	switch e.Kind {
	case arch.Load:
		s.say("%s", named("load"))
		return value(), 0
	case arch.Store:
		s.say("%s := %s", named("store"), s.value(e.A))
		store(e.A)
	case arch.Xchg:
		s.say("%s := %s", named("xchg"), s.value(e.A))
		v = value()
		store(e.A)
	case arch.Cmpxchg, arch.Cas:
		s.say("%s %s → %s", named("cmpxchg"), s.value(e.A), s.value(e.B))
		v = value()
		if v == e.A {
			store(e.B)
		}
		if e.Kind == arch.Cas {
			return map[bool]uint64{true: 1}[v == e.A], 0
		}
	case arch.Add:
		s.say("%s by %d", named("add"), int64(e.A<<(64-8*e.Width))>>(64-8*e.Width))
		store(value() + e.A)
		return bits(value()), 0
	case arch.Or, arch.And:
		s.say("%s", named("bits"))
		v = value() | e.A
		if e.Kind == arch.And {
			v = value() & e.A
		}
		store(v)
	case arch.Fence:
		s.say("fence")
	case arch.Spin:
		s.say("%s while %#x of it is %#x", named("spin"), e.A, e.B)
		s.happens("spin")
		if value()&e.A == e.B && e.N == arch.Forever {
			s.t.Fatal("spins for ever")
		}
		if e.N != arch.Forever {
			s.spun += uint64(e.N)
		}
		return value(), e.N
	case arch.Clear:
		s.say("clear pending")
		s.happens("clear")
	case arch.Poll:
		s.say("poll")
		a.yield(true)
	case arch.Test:
		return 0, 0
	case arch.Notify:
		s.say("notify CPU %d", e.A)
	case arch.Fatal:
		s.t.Fatal(e.Msg)
	case arch.Head, arch.Seal, arch.Now, arch.Pause:
	default:
		s.t.Fatalf("an event of kind %d", e.Kind)
	}
	return v, 0
}
