package explore

import (
	"sync"
	"sync/atomic"
	"testing"
)

// want explores, and fails the test unless it finds what is wanted: "" for nothing.
func want(t *testing.T, kind string, cfg Config, bodies ...func()) *Result {
	t.Helper()
	r := Run(cfg, bodies...)
	t.Logf("%s\n%d rounds, %.1f s, %.0f bytes a state, %.0f states/s", r, r.Rounds, r.Elapsed.Seconds(), r.StateBytes, float64(r.States)/r.Elapsed.Seconds())
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
	want(t, "assertion", Config{Final: func() { Assert(n == 2) }, Names: map[string]any{"n": &n}}, body, body)
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
	if p := Run(poisoned, bodies...); p.States != plain.States || p.Transitions != plain.Transitions {
		t.Errorf("with poison in what is dead: %s\nwithout: %s", p, plain)
	}
	for _, without := range []Feature{Liveness, Facts, Symmetry, PartialOrder, Symmetry | PartialOrder} {
		c := cfg
		c.Without = without
		c.MaxStates = 200000
		r := Run(c, bodies...)
		if r.Finding != nil || r.Refused != "" {
			t.Errorf("without feature %d: %s", without, r)
		}
		if r.Complete && without != Liveness && r.States < plain.States {
			t.Errorf("without feature %d: %d states, fewer than %d", without, r.States, plain.States)
		}
	}
}
