//go:build amd64 && !race && !purego

package spinlock

import (
	"testing"

	"example.com/pvlock/explore"
	"example.com/pvlock/internal/arch"
	"example.com/pvlock/paravirt"
)

// announceEarly has the stores in the wrong order.
//
//go:noinline
func announceEarly(c *paravirt.CPU, slot *paravirt.Slot, lock arch.Addr, want uint32) {
	c.StorePtr(&slot.Lock, lock)
	c.Store32(&slot.Want, want)
}

// An announcement, as the machine code that the compiler made: an unlocker that reads the lock and
// then the ticket never pairs the new lock with the old ticket.
func TestAnnounceAsCompiled(t *testing.T) {
	if testing.CoverMode() != "" {
		t.Skip("counters are shared memory")
	}
	for _, tt := range []struct {
		name     string
		announce func(*paravirt.CPU, *paravirt.Slot, arch.Addr, uint32)
		found    bool
	}{{"announce", announce, false}, {"the lock before the ticket", announceEarly, true}} {
		t.Run(tt.name, func(t *testing.T) {
			var slot paravirt.Slot
			var waiter, unlocker paravirt.CPU
			const before, after = 0x1000, 0x2000
			announce(&waiter, &slot, before, 5)
			r := explore.Run(explore.Config{Names: map[string]any{"slot": &slot}},
				func() { tt.announce(&waiter, &slot, after, 7) },
				func() {
					lock := unlocker.LoadPtr(&slot.Lock)
					want := unlocker.Load32(&slot.Want)
					explore.Assert(lock != after || want == 7)
				})
			if r.Refused != "" || !r.Complete || (r.Finding != nil) != tt.found {
				t.Errorf("%s", r)
			}
		})
	}
}
