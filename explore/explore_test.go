package explore

import (
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"example.com/pvlock/explore/internal/x86"
)

// want explores, and fails the test unless it finds what is wanted: "" for nothing.
func want(t *testing.T, kind string, cfg Config, bodies ...func()) *Result {
	t.Helper()
	explorable(t)
	r := Run(cfg, bodies...)
	t.Logf("%s\n%d rounds, %.1f s, %.0f bytes a state, %.0f states/s", r, r.Rounds,
		r.Elapsed.Seconds(), r.StateBytes, float64(r.States)/r.Elapsed.Seconds())
	got := ""
	if r.Refused != "" {
		got = "refused"
	} else if r.Finding != nil {
		got = r.Finding.Kind
	}
	if kind == "" && r.Refused == "" {
		same(t, cfg, bodies)
	}
	if got != kind || kind == "" && !r.Complete {
		t.Errorf("found %q, want %q", got, kind)
	}
	return r
}

// Dekker's entry: each announces itself, and enters if the other has not.
func TestDekker(t *testing.T) {
	for _, tt := range []struct {
		name   string
		atomic bool
		memory Model
		want   string
	}{
		{"plain stores", false, TSO, "assertion"},
		{"plain stores under SC", false, SC, ""},
		{"atomic stores", true, TSO, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var s struct {
				flag   [2]uint32
				inside uint32
			}
			body := func(me int) func() {
				return func() {
					if tt.atomic {
						atomic.StoreUint32(&s.flag[me], 1)
					} else {
						s.flag[me] = 1
					}
					if atomic.LoadUint32(&s.flag[1-me]) == 0 {
						Assert(atomic.AddUint32(&s.inside, 1) == 1)
						atomic.AddUint32(&s.inside, ^uint32(0))
					}
					if tt.atomic {
						atomic.StoreUint32(&s.flag[me], 0)
					} else {
						s.flag[me] = 0
					}
				}
			}
			cfg := Config{Memory: tt.memory, Names: map[string]any{"s": &s}}
			want(t, tt.want, cfg, body(0), body(1))
		})
	}
}

func TestLostUpdate(t *testing.T) {
	n := 0
	body := func() { n++ }
	for _, m := range []Model{TSO, SC} {
		want(t, "assertion",
			Config{Memory: m, Final: func() { Assert(n == 2) }, Names: map[string]any{"n": &n}},
			body, body)
	}
}

func TestMutex(t *testing.T) {
	var mu sync.Mutex
	n := 0
	body := func() {
		for range 2 {
			mu.Lock()
			n++
			mu.Unlock()
		}
	}
	want(t, "", Config{Final: func() { Assert(n == 4) }}, body, body)
}

// same explores in other ways, whose verdict, or even whose counts, must be the same.
func same(t *testing.T, cfg Config, bodies []func()) {
	t.Helper()
	cfg.Workers = 1
	plain := Run(cfg, bodies...)
	poisoned := cfg
	poisoned.Poison = 0xdeadbeefcafef00d
	if p := Run(poisoned, bodies...); p.States != plain.States ||
		p.Transitions != plain.Transitions {
		t.Errorf("with poison in what is dead: %s\nwithout: %s", p, plain)
	}
	for _, without := range []Feature{Liveness, Facts, Symmetry, PartialOrder,
		Symmetry | PartialOrder} {
		c := cfg
		c.Without = without
		c.MaxStates = 200000
		r := Run(c, bodies...)
		if r.Finding != nil || r.Refused != "" {
			t.Errorf("without feature %d: %s", without, r)
		}
		if r.Complete && without != Liveness && r.States < plain.States {
			t.Errorf("without feature %d: %d states, fewer than %d", without, r.States,
				plain.States)
		}
	}
}

// explorable skips a test where nothing can be explored, which TestUnsupported is about.
func explorable(t *testing.T) {
	t.Helper()
	if runtime.GOARCH != "amd64" || raceEnabled || covered() {
		t.Skip(unsupported(new(Config), []func(){func() {}}))
	}
}

func TestUnsupported(t *testing.T) {
	body := func() {}
	for _, tt := range []struct {
		name   string
		cfg    Config
		bodies []func()
	}{
		{"no bodies", Config{}, nil},
		{"too many", Config{}, slices.Repeat([]func(){body}, 9)},
		{"a nil body", Config{}, []func(){nil}},
		{"a negative buffer", Config{Buffer: -1}, []func(){body}},
		{"a large buffer", Config{Buffer: 9}, []func(){body}},
		{"a hook of nothing", Config{Hooks: []Hook{{}}}, []func(){body}},
		{"a hook within a function",
			Config{Hooks: []Hook{{Func: uintptr(codeAddress(Assert)) + 1}}}, []func(){body}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := Run(tt.cfg, tt.bodies...)
			if r.Refused == "" || strings.Contains(r.Refused, "\n") {
				t.Errorf("want a refusal of one line, have %q", r.Refused)
			}
		})
	}
	if _, err := runtimeOf("go1.99.1"); err == nil || strings.Contains(err.Error(), "\n") {
		t.Errorf("an unknown version: %v, want an error of one line", err)
	}
	if _, err := runtimeOf(runtime.Version()); err != nil {
		t.Error(err)
	}
}

// A bound makes a result that is not complete, and says which.
func TestBounds(t *testing.T) {
	explorable(t)
	cfg, bodies := excludes(new(ticketLock), 3, 4)
	cfg.MaxStates = 1000
	if r := Run(cfg, bodies...); r.Complete || !strings.Contains(r.Cut, "1000 states") {
		t.Errorf("%s", r)
	}
}

// placesOf returns the places of instructions that have what is asked for, in a body and what it
// calls.
func placesOf(body func(), is func(in *instr) bool) (all []uintptr) {
	p := newProgram(map[uint64]*Hook{}, new(knownRuntime), nil, nil)
	p.lookup(word(closureAddress(body)))
	for pc, in := range p.instrs {
		if is(in) {
			all = append(all, uintptr(pc))
		}
	}
	slices.Sort(all)
	return all
}

// firstOf returns the place of the first such instruction of the body itself.
func firstOf(body func(), is func(in *instr) bool) uintptr {
	entry := word(closureAddress(body))
	for _, at := range placesOf(body, is) {
		if entryOf(uint64(at)) == entry {
			return at
		}
	}
	return 0
}

// Each weakening of the one instruction that a body rests on is found.
func TestWeaken(t *testing.T) {
	explorable(t)
	var n, flag uint32
	add := func() { atomic.AddUint32(&n, 1) }
	locked := func(in *instr) bool { return in.Access == x86.LockedRMW }
	final := func() { Assert(n == 2) }
	want(t, "", Config{Final: final}, add, add)
	for _, m := range []Model{TSO, SC} {
		want(t, "assertion",
			Config{Memory: m, Final: final,
				Weaken: map[uintptr]Weakening{firstOf(add, locked): PlainRMW}}, add, add)
	}

	var x, y, r0, r1 uint32
	left := func() { atomic.StoreUint32(&x, 1); r0 = atomic.LoadUint32(&y) }
	right := func() { atomic.StoreUint32(&y, 1); r1 = atomic.LoadUint32(&x) }
	both := func() { Assert(r0 == 1 || r1 == 1) }
	want(t, "", Config{Final: both}, left, right)
	weak := map[uintptr]Weakening{firstOf(left, locked): PlainRMW, firstOf(right, locked): PlainRMW}
	want(t, "assertion", Config{Final: both, Weaken: weak}, left, right)

	set := func() { flag = 1 }
	store := func(in *instr) bool { return in.Access == x86.Store && in.Size == 4 }
	isSet := func() { Assert(flag == 1) }
	want(t, "", Config{Final: isSet}, set)
	want(t, "assertion",
		Config{Final: isSet, Weaken: map[uintptr]Weakening{firstOf(set, store): NoStore}}, set)
}

// An event from outside: it may happen at any time, or never.
func TestEvent(t *testing.T) {
	explorable(t)
	var flag uint32
	at := uint64(addressOf(&flag))
	event := Event{Name: "sets the flag", Environment: true,
		Outcomes: func(t *Thread) uint32 { return uint32(1 - t.Load(at, 4)) },
		Call:     func(t *Thread, _ int) { t.Store(at, 1, 4) }}
	waits := func() {
		for atomic.LoadUint32(&flag) == 0 {
		}
	}
	looks := func() { Assert(atomic.LoadUint32(&flag) == 0) }
	want(t, "livelock", Config{Events: []Event{event}}, waits)
	want(t, "assertion", Config{Events: []Event{event}}, looks)
	event.Environment = false
	want(t, "", Config{Events: []Event{event}}, waits)
}

// Memory that bodies read and another goroutine changes makes a result that is not complete.
func TestDisturbed(t *testing.T) {
	explorable(t)
	var n uint32
	var seen [1]uint32
	hook := Hook{Func: report, Args: 6, Local: true, Call: func(*Thread, int) { n++ }}
	r := Run(Config{Hooks: []Hook{hook}}, func() {
		seen[0] = n + 1
		report(0, 0, 0, 0, 0, 0)
	})
	if r.Complete || !strings.Contains(r.Cut, "another goroutine") {
		t.Errorf("%s", r)
	}
}
