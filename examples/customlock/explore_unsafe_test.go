//go:build amd64 && !race

package customlock

import (
	"testing"
	"unsafe"

	"example.com/pvlock/explore"
	"example.com/pvlock/paravirt"
)

// What event channels do is the test's: these are hooked, and never run.

//go:noinline
func clearPending(c *paravirt.CPU) {}

//go:noinline
func setPending(c *paravirt.CPU) {}

//go:noinline
func testPending(c *paravirt.CPU) bool { return false }

//go:noinline
func poll(c *paravirt.CPU) {}

//go:noinline
func notify(c *paravirt.CPU, cpu uint32) {}

// channels are the pending flags of the CPUs' event channels, in memory that hooks alone touch.
// Body i runs on CPU i.
type channels [4]uint64

func (h *channels) at(cpu int) uint64 { return uint64(uintptr(unsafe.Pointer(&h[cpu]))) }

// hooks are what a machine's event channels do. A lossy machine's notify does nothing now and then.
func (h *channels) hooks(lossy bool) []explore.Hook {
	set := func(v uint64) func(t *explore.Thread, _ int) {
		return func(t *explore.Thread, _ int) { t.Store(h.at(t.Index()), v, 8) }
	}
	return []explore.Hook{
		{Func: clearPending, Drain: true, Call: set(0)},
		{Func: setPending, Drain: true, Call: set(1)},
		{Func: testPending, Drain: true, Results: 1, Call: func(t *explore.Thread, _ int) {
			t.Return(0, t.Load(h.at(t.Index()), 8))
		}},
		// It ends when the channel is pending, and may end for no reason, on which nobody may rely.
		{Func: poll, Drain: true, Environment: 2, Outcomes: func(t *explore.Thread) uint32 {
			if t.Load(h.at(t.Index()), 8) != 0 {
				return 1
			}
			return 2
		}},
		{Func: notify, Args: 2, Drain: true,
			Outcomes: func(t *explore.Thread) uint32 {
				if lossy {
					return 3
				}
				return 1
			},
			Call: func(t *explore.Thread, outcome int) {
				if outcome == 0 {
					t.Store(h.at(int(t.Arg(1)&3)), 1, 8)
				}
			}},
	}
}

// scenario is n CPUs that take the lock k times each, and count under it.
func scenario(t *testing.T, n, k int, lossy bool) *explore.Result {
	m, err := paravirt.New(paravirt.Config{CPUs: n, Tunables: paravirt.Tunables{Spin: 1},
		Channel: paravirt.ChannelOps{Clear: clearPending, Set: setPending, Test: testPending,
			Poll: poll, Notify: notify}})
	if err != nil {
		t.Fatal(err)
	}
	l, err := New(n)
	if err != nil {
		t.Fatal(err)
	}
	var count int
	var bodies []func()
	for i := range n {
		c := m.CPU(i)
		if err := c.Up(); err != nil {
			t.Fatal(err)
		}
		bodies = append(bodies, func() {
			for range k {
				l.Lock(c)
				count++
				l.Unlock(c)
			}
		})
	}
	h := new(channels)
	return explore.Run(explore.Config{
		Hooks: h.hooks(lossy),
		Final: func() { explore.Assert(count == n*k) },
		Names: map[string]any{"lock": l, "count": &count},
	}, bodies...)
}

// Every interleaving of two CPUs, and of three, as machine code.
func TestExplored(t *testing.T) {
	for _, tt := range []struct{ n, k int }{{2, 2}, {3, 1}} {
		if r := scenario(t, tt.n, tt.k, false); r.Finding != nil || !r.Complete {
			t.Errorf("%d×%d: %s", tt.n, tt.k, r)
		} else {
			t.Logf("%d×%d: %s", tt.n, tt.k, r)
		}
	}
}

// On a machine that loses notifications a CPU sleeps forever.
func TestLostKickIsFound(t *testing.T) {
	r := scenario(t, 2, 2, true)
	if r.Finding == nil || r.Finding.Kind != "deadlock" {
		t.Errorf("want a deadlock: %s", r)
	}
	t.Log(r)
}
