package check

import (
	"strings"
	"testing"
)

// What may be done wrong in a lock is caught. Each mutant is the lock's own text with one place
// changed; the clients find nothing in the text as it is (TestScenarios, TestLocks).
func TestMutantsAreCaught(t *testing.T) {
	const xen, pv, ticket, qspin = "spinlock/xen.go", "spinlock/pvqspin.go", "spinlock/pvticket.go",
		"spinlock/qspin.go"
	const wait, announce, interrupt = "paravirt/wait.go", "paravirt/announce.go",
		"paravirt/interrupt.go"
	for _, m := range []struct {
		name   string
		lock   string
		change Change
		client Client
		cpus   int
		spin   uint32
	}{
		{"tas: a plain compare and store", "tas",
			Change{At: place("spinlock/tas.go", ") Lock", "Cas32"), What: Split}, Plain(2, 1), 2,
			0},
		{"ticket: a plain addition", "ticket",
			Change{At: place("spinlock/ticket.go", ") Lock", "Add32"), What: Split}, Plain(2, 1), 2,
			0},
		{"xen: a plain release and look", "xen",
			Change{At: place(xen, ") Unlock", "Add32"), What: Split}, Plain(2, 2), 2, 0},
		// Swapped with the count alone, the announcement still comes before the look, and that is
		// enough: see the necessity table.
		{"xen: counted and looked before announced", "xen",
			Change{At: place(announce, "Announce", "c.StorePtr(&s.Lock, lock)"), What: Delay,
				Past: place(xen, "lockSlow", "c.Xchg8(l.lock(), 1) == 0; got")}, Plain(2, 2), 2, 0},
		{"xen: not counted", "xen",
			Change{At: place(xen, "lockSlow", "c.Add16(l.spinners(), 1)"), What: Drop}, Plain(2, 2),
			2, 0},
		{"xen: no look after the announcement", "xen",
			Change{At: place(xen, "lockSlow", "c.Xchg8(l.lock(), 1) == 0; got"), What: Return,
				Value: 1}, Plain(2, 2), 2, 0},
		{"xen: pending cleared after the look", "xen",
			Change{At: place(announce, "ReadyToLook", "c.ClearPending()"), What: Delay,
				Past: place(xen, "lockSlow", "c.Xchg8(l.lock(), 1) == 0; got")}, Plain(2, 2), 2, 0},
		{"xen: pending cleared after kicked", "xen",
			Change{At: place(announce, "ReadyToLook", "c.ClearPending()"), What: Delay,
				Past: place(announce, "ReadyToLook", "c.Store32")}, Plain(3, 1), 3, 0},
		{"xen: kicked cleared after the look", "xen",
			Change{At: place(announce, "ReadyToLook", "c.Store32"), What: Delay,
				Past: place(xen, "lockSlow", "c.Xchg8(l.lock(), 1) == 0; got")}, Plain(2, 2), 2, 0},
		{"xen: kicked never cleared", "xen",
			Change{At: place(announce, "ReadyToLook", "c.Store32"), What: Drop}, Plain(2, 2), 2, 0},
		{"xen: the outer lock not saved", "xen",
			Change{At: place(announce, "Announce", "c.LoadPtr(&s.Lock)"), What: Return},
			Nested(2, 1), 2, 0},
		{"xen: the outer wait not left pending", "xen",
			Change{At: place(announce, "Looked", "c.SetPending()"), What: Drop}, Nested(2, 2), 2,
			0},
		{"xen: pending never cleared", "xen",
			Change{At: place(announce, "ReadyToLook", "c.ClearPending()"), What: Drop}, Plain(2, 2),
			2, 0},
		{"xen: an interrupted waiter counts as one that looks", "xen",
			Change{At: place(announce, "choose", "c.Load32(&s.Interrupted)"), What: Return},
			kickFirst(), 3, 0},
		{"xen: an interrupt does not pass the choice on", "xen",
			Change{At: place(interrupt, "EnterInterrupt", "c.Load32(&s.Kicked)"), What: Return},
			kickFirst(), 3, 0},
		{"xen: an interrupt does not pass the choice on, for want of a fence", "xen",
			Change{At: place(interrupt, "EnterInterrupt", "c.Fence()"), What: Drop}, kickFirst(), 3,
			0},
		{"xen: no look when the announcement is given up", "xen",
			Change{At: place(xen, "lockSlow", "\t\tgot = c.Xchg8(l.lock(), 1) == 0"), What: Return,
				Value: 1}, kickFirst(), 3, AnySpin},
		{"xen: no second look at the slot", "xen",
			Change{At: place(announce, "choose", "waits := c.LoadPtr"), What: Stale},
			heldByWaiter(), 3, 0},
		{"pvticket: pending never cleared", "pvticket",
			Change{At: place(ticket, "lockSpinning", "c.ClearPending()"), What: Drop}, Plain(2, 2),
			2, 0},
		{"pvticket: notifies before it releases", "pvticket",
			Change{At: place(ticket, ") Unlock", "c.Add16"), What: Split}, Plain(2, 2), 2, 0},
		{"pvticket: marked before announced", "pvticket",
			Change{At: place(ticket, "announce", "c.StorePtr(&slot.Lock, lock)"), What: Drop},
			Plain(2, 2), 2, 0},
		{"pvticket: no look after the mark", "pvticket",
			Change{At: place(ticket, "lockSpinning", "c.Load16(word.Half(0))&^ticketMark == want"),
				What: Return, Value: 1 << 15}, Plain(2, 2), 2, 0},
		{"pvqspin: unhashes after the release", "pvqspin",
			Change{At: place("spinlock/pvhash.go", "unhash", "c.StorePtr(&he.Lock, 0)"),
				What: Delay, Past: place(pv, "pvUnlockSlow", "c.Store8(lockedByte(w), unlocked)")},
			Plain(3, 1), 3, 0},
		{"pvqspin: kicks before it releases", "pvqspin",
			Change{At: place(pv, "pvUnlockSlow", "c.Store8(lockedByte(w), unlocked)"), What: Delay,
				Past: place(wait, "KickEvent", "c.Notify(cpu)")}, Plain(2, 2), 2, 0},
		{"pvqspin: the head says halted", "pvqspin",
			Change{At: place(pv, "takeAtHead", "c.Store8(node.State(), hashed)"), What: StoreValue,
				Value: 1}, Plain(2, 2), 2, AnySpin},
		{"pvqspin: no look after halted", "pvqspin",
			Change{At: place(wait, "WaitEvent", "case c.Load8(p) == v"), What: Return, Value: 3},
			Plain(2, 2), 2, 0},
		{"pvqspin: a plain exchange of the tail", "pvqspin",
			Change{At: place("spinlock/queue.go", "join", "c.Xchg16"), What: Split}, Plain(3, 1), 3,
			0},
		{"qspin: pending set by a plain store", "qspin",
			Change{At: place(qspin, "nativeSlow", "v|pendingOnly"), What: Split}, Plain(3, 1), 3,
			0},
	} {
		t.Run(m.name, func(t *testing.T) {
			c := Config{Lock: lock(m.lock), CPUs: m.cpus, Client: m.client, Spin: m.spin,
				Spurious: true, Change: m.change, Busy: strings.HasSuffix(m.name, "never cleared")}
			if m.client.Handler != nil {
				c.Interrupts = 1
			}
			if c.Busy {
				sound := c
				sound.Change = Change{}
				clean(t, explore(t, sound))
			}
			r := explore(t, c)
			if r.Finding == nil {
				t.Fatalf("%s: not caught", m.change)
			}
			t.Logf("%s in %d steps: %s", r.Finding.Kind, r.Finding.Steps, r.Finding.Text)
		})
	}
}

// The necessity table finds what a lock can't do without, and what it can.
func TestNecessity(t *testing.T) {
	needs := func(name string) map[string]ViolationKind {
		table, err := Necessity(t.Context(),
			NecessityClients(Config{Lock: lock(name), States: 400_000}))
		if err != nil {
			t.Fatal(err)
		}
		found := make(map[string]ViolationKind)
		for _, n := range table {
			t.Logf("%s %s: %q in %d steps (%s)", n.At, n.Change, n.Breaks, n.Steps, n.Text)
			if n.Breaks == "" && !n.Complete {
				t.Errorf("%s %s: not explored to the end", n.At, n.Change)
			}
			found[n.At+" "+n.Change] = n.Breaks
		}
		return found
	}
	tas := needs("tas")
	if at := place("spinlock/tas.go", ") Lock", "Cas32") + " split"; tas[at] != TwoHolders {
		t.Errorf("tas: a lock without an atomic compare-and-swap: %q", tas[at])
	}
	ticket := needs("ticket")
	if at := place("spinlock/ticket.go", ") Lock", "Add32") + " split"; ticket[at] != TwoHolders {
		t.Errorf("ticket: a ticket without an atomic addition: %q", ticket[at])
	}
	xen := needs("xen")
	for at, want := range map[string]ViolationKind{
		place("spinlock/xen.go", ") Unlock", "Add32") +
			" split": LostWakeup,
		place("spinlock/xen.go", "lockSlow", "c.Add16(l.spinners(), 1)") +
			" split": LostWakeup,
		place("spinlock/xen.go", "lockSlow", "c.Xchg8(l.lock(), 1) == 0; got") +
			" stale": LostWakeup,
		place("paravirt/wait.go", "KickEvent", "c.Notify(cpu)") + " drop": LostWakeup,
	} {
		if xen[at] != want {
			t.Errorf("xen: %s breaks %q, want %q", at, xen[at], want)
		}
	}
}
