package check

import (
	"fmt"
	"strings"

	"example.com/pvlock/internal/twin/arch"
	"example.com/pvlock/internal/twin/paravirt"
	"example.com/pvlock/internal/twin/spinlock"
)

// A Scenario is a fault that a lock had, or that a change of its text would give it: the client
// that shows it, and what the checker must find.
type Scenario struct {
	Name string
	// About is the fault.
	About string
	// Mended says when Linux mended it; "" if nobody ever had it.
	Mended string
	Config Config
	// Want is the violation; "" if there must be none.
	Want ViolationKind
	// Clean is the same client over what doesn't have the fault; nothing is found there.
	Clean []Config
}

// Unseen are faults of the locks' history that no exploration under TSO can show.
func Unseen() []string {
	return []string{
		"pvqspin2015: the order between the unlocker's failed compare-and-exchange and its look " +
			"at the table (2015): on x86 a failed one is a full fence as well",
		"pvqspin: acquire and release in place of full fences (2015), and the release of the " +
			"unlock's compare-and-exchange (2016): every locked instruction of x86 is a full fence",
	}
}

// Lock returns a lock of the catalogue by its name, or the mutex, or the busted one.
func Lock(name string) (spinlock.Kind, error) {
	for _, k := range kinds() {
		if k.Name == name {
			return k, nil
		}
	}
	return spinlock.Kind{}, fmt.Errorf("no lock %q: want one of %s", name,
		strings.Join(Locks(), ", "))
}

// Locks returns the names of what can be checked.
func Locks() (names []string) {
	for _, k := range kinds() {
		names = append(names, k.Name)
	}
	return names
}

func kinds() []spinlock.Kind { return append(spinlock.Kinds(), Mutex(), Busted()) }

func lock(name string) spinlock.Kind {
	k, err := Lock(name)
	if err != nil {
		panic(err)
	}
	return k
}

// Busted is a lock that doesn't exclude: what must be found at once.
func Busted() spinlock.Kind {
	return spinlock.Kind{
		Name: "busted", About: "looks and then stores: does not exclude", From: "negative control",
		MaxCPUs: paravirt.MaxCPUs,
		Lock: func(w *spinlock.Word, c *paravirt.CPU) {
			for c.Load8(w.Byte(0)) != 0 {
				c.SpinWhile8(w.Byte(0), 0xff, 1, arch.Forever)
			}
			c.Store8(w.Byte(0), 1)
		},
		Unlock: func(w *spinlock.Word, c *paravirt.CPU) { c.Store8(w.Byte(0), 0) },
		TryLock: func(w *spinlock.Word, c *paravirt.CPU) bool {
			if c.Load8(w.Byte(0)) != 0 {
				return false
			}
			c.Store8(w.Byte(0), 1)
			return true
		},
		IsLocked: func(w *spinlock.Word, c *paravirt.CPU) bool {
			return c.Load8(w.Byte(0)) != 0
		},
		IsContended: func(w *spinlock.Word, c *paravirt.CPU) bool { return false },
	}
}

// withWait is a lock with today's Wait and Kick.
func withWait(k spinlock.Kind) spinlock.Kind {
	k.Wait, k.Kick = nil, nil
	return k
}

// Scenarios returns the faults of the locks' history, each as the first exploration that shows it.
func Scenarios() []Scenario {
	xen2008, xen := lock("xen2008"), lock("xen")
	pv2015, pv := lock("pvqspin2015"), lock("pvqspin")

	// With the fence of 2009 the other faults of the 2008 lock stand alone.
	fence := Change{At: place("spinlock/xen2008.go", "Unlock", "c.Store8(l.lock(), 0)"),
		What: AddFence}
	// With an unconditional kick, as of September 2015, those of the queued lock do.
	kicks := Change{
		At: place("spinlock/pvqspin2015.go", "pvUnlockSlow2015",
			"c.Load8(node.State()) == halted"),
		What: Return, Value: 1}

	membarrier := place("mutex/mutex_slow.go", "recheck", "c.FenceAll()")
	unlockers := place("mutex/mutex_slow.go", "dequeueNext", "c.Fence()")
	goroutines := func(n, k int, change Change) Config {
		return Config{Lock: Mutex(), CPUs: n, Client: Goroutines(Plain(n, k)), Change: change}
	}

	of := func(k spinlock.Kind, cpus int, client Client, change Change) Config {
		return Config{Lock: k, CPUs: cpus, Client: client, Spin: AnySpin, Spurious: true,
			Change: change}
	}
	nested := func(c Config) Config { c.Interrupts = 1; return c }
	sized := func(c Config, size int) Config { c.Size = size; return c }
	sc := func(c Config) Config { c.Model = SC; return c }

	return []Scenario{
		{
			Name: "xen2008-fence",
			About: "no fence between the release and the look at the count of waiters: a waiter " +
				"counts itself in between, and is never notified",
			Mended: "2009",
			Config: of(xen2008, 2, keep(Plain(2, 2)), Change{}),
			Want:   LostWakeup,
			Clean: []Config{of(xen2008, 2, keep(Plain(2, 2)), fence),
				sc(of(xen2008, 2, keep(Plain(2, 2)), Change{})), of(xen, 2, Plain(2, 2), Change{})},
		},
		{
			Name:   "xen2008text-fence",
			About:  "the same in the lock that the text of 2008 describes",
			Mended: "2009",
			Config: of(lock("xen2008text"), 2, keep(Plain(2, 2)), Change{}),
			Want:   LostWakeup,
			Clean:  []Config{sc(of(lock("xen2008text"), 2, keep(Plain(2, 2)), Change{}))},
		},
		{
			Name: "xen2008-nested",
			About: "an interrupt that waits too overwrites lock_spinners, or swallows the outer " +
				"one's wake-up",
			Mended: "August 2008",
			Config: nested(of(xen2008, 2, keep(Nested(2, 2)), fence)),
			Want:   LostWakeup,
			Clean:  []Config{nested(of(xen, 2, Nested(2, 2), Change{}))},
		},
		{
			Name: "xen2008-kick-first",
			About: "only the first waiter found is notified; it sits in an interrupt that waits " +
				"for what the second would do",
			Mended: "2013",
			Config: nested(of(xen2008, 3, kickFirst(), fence)),
			Want:   LostWakeup,
			Clean:  []Config{nested(of(xen, 3, kickFirst(), Change{}))},
		},
		{
			Name: "xen2008-freed",
			About: "the count of waiters is read after the release, when the lock's memory may " +
				"be gone",
			Mended: "2013 with the ticket lock, and there in 2015",
			Config: of(xen2008, 2, Plain(2, 1), fence),
			Want:   Freed,
			Clean:  []Config{of(xen, 2, Plain(2, 1), Change{})},
		},
		{
			Name: "xen2008-not-online",
			About: "a CPU that is bound and not yet online announces itself and blocks; " +
				"unlockers look among the online ones",
			Mended: "2013",
			Config: of(xen2008, 2, lateOnline(), fence),
			Want:   NotFound,
			Clean:  []Config{of(xen, 2, lateOnline(), Change{}), of(xen, 2, Late(2), Change{})},
		},
		{
			Name: "xen2008-too-wide",
			About: "the lock's two fields reach beyond the memory that its users give it, after " +
				"that shrank to 2 bytes",
			Mended: "2012",
			Config: sized(of(xen2008, 2, Plain(2, 1), Change{}), 2),
			Want:   WrongPlace,
			Clean:  []Config{sized(of(lock("bytelock"), 2, Plain(2, 2), Change{}), 2)},
		},
		{
			Name: "patched-late",
			About: "a lock is taken by the native ticket lock's code, and released by the Xen " +
				"lock's",
			Mended: "2010, by switching it off; here by sealing the tables",
			Config: of(xen, 2, patchedLate(lock("ticket")), Change{}),
			Want:   TwoHolders,
			Clean:  []Config{of(xen, 2, patchedLate(xen), Change{})},
		},
		{
			Name: "pvqspin2015-racy-kick",
			About: "the unlocker kicks only if the node says halted; the predecessor, late with " +
				"its own kick, has just set it to running",
			Mended: "September 2015",
			Config: of(pv2015, 2, keep(Plain(2, 2)), Change{}),
			Want:   LostWakeup,
			Clean: []Config{of(pv2015, 2, keep(Plain(2, 2)), kicks),
				of(pv, 2, Plain(2, 2), Change{})},
		},
		{
			Name: "pvqspin2015-nested-wait",
			About: "Wait on an event channel clears, looks and polls; an interrupt that waits " +
				"in between swallows the outer one's wake-up",
			Mended: "2018",
			Config: nested(of(pv2015, 2, keep(Nested(2, 2)), kicks)),
			Want:   LostWakeup,
			Clean: []Config{nested(of(withWait(pv2015), 2, keep(Nested(2, 1)), kicks)),
				nested(of(pv, 2, Nested(2, 1), Change{}))},
		},
		{
			Name:   "pvqspin2015-kick-unbound",
			About:  "a CPU whose channel isn't bound spins in the queue, and is kicked",
			Mended: "2016",
			Config: of(pv2015, 2, keep(Late(2)), kicks),
			Want:   KickUnbound,
			Clean: []Config{of(withWait(pv2015), 2, keep(Late(2)), kicks),
				of(pv, 2, Late(2), Change{})},
		},
		{
			Name: "pvqspin-august-2015-double-hash",
			About: "with the kick delayed to the unlock, a head that has entered itself in the " +
				"table says halted, and its predecessor enters it again",
			Mended: "2016",
			Config: of(pv, 2, Plain(2, 2),
				Change{At: place("spinlock/pvqspin.go", "takeAtHead",
					"c.Store8(node.State(), hashed)"), What: StoreValue, Value: 1}),
			Want:  DoubleHash,
			Clean: []Config{of(pv, 2, Plain(2, 2), Change{})},
		},
		{
			Name:   "qspin-no-node",
			About:  "a CPU that waits in four contexts already has no queue node left for a fifth",
			Mended: "2019",
			Config: of(lock("qspin"), 2, NoNode(2, 2), Change{}),
			Clean:  []Config{of(pv, 2, NoNode(2, 2), Change{})},
		},
		{
			Name: "mutex-membarrier",
			About: "the mutex without its membarrier: an unlock's load passes its store, and " +
				"misses the waiter that looked before the store",
			Config: goroutines(2, 1, Change{At: membarrier, What: Drop}),
			Want:   LostWakeup,
			Clean: []Config{goroutines(2, 1, Change{}),
				sc(goroutines(2, 2, Change{At: membarrier, What: Drop}))},
		},
		{
			Name:   "mutex-fence",
			About:  "the mutex without the fence of an unlock that was told to look for waiters",
			Config: goroutines(2, 2, Change{At: unlockers, What: Drop}),
			Want:   LostWakeup,
			Clean: []Config{goroutines(2, 2, Change{}),
				sc(goroutines(2, 2, Change{At: unlockers, What: Drop}))},
		},
	}
}
