package pvlock

import (
	"time"

	"example.com/pvlock/internal/arch"
)

// A MutexObserver counts what happens on the slow paths of one mutex. While there is none, a slow
// path pays a load for it; with one, some tens of nanoseconds. The fast paths pay nothing, and so
// aren't counted.
type MutexObserver struct {
	seen *arch.Seen
	stop func()
}

// MutexCounts are what a [MutexObserver] has seen.
type MutexCounts struct {
	// Contended is how often the mutex was taken by one who had to wait, or to look twice.
	Contended uint64
	// Slept is how many of those who waited slept, once or more, whether they got the mutex or gave
	// up.
	Slept uint64
	// HandedOver is how often the mutex was reserved for the goroutine that took it.
	HandedOver uint64
	// GaveUp is how often LockContext returned an error.
	GaveUp uint64
	// Woken is how often a waiter was woken. One may be woken several times before it gets the
	// mutex.
	Woken uint64
	// Waited is the time from the first look at the clock, a µs or less after the wait began, to
	// its end, summed over those who looked at one: all but those who got the mutex while they
	// still spun as one among several.
	Waited time.Duration
}

// Observe begins to count what happens on the slow paths of m. Observers of the same mutex share
// their counts: they begin with the first and end with the last.
func (m *Mutex) Observe() *MutexObserver {
	seen, stop := arch.Observe(&m.lock)
	return &MutexObserver{seen, stop}
}

// Counts returns what was seen so far. Waits that haven't ended aren't in it.
func (o *MutexObserver) Counts() MutexCounts {
	sum := func(i int) uint64 { return o.seen.Sums[i].Load() }
	return MutexCounts{
		Contended: sum(seenContended), Slept: sum(seenSlept), HandedOver: sum(seenHandedOver),
		GaveUp: sum(seenGaveUp), Woken: sum(seenWoken), Waited: time.Duration(sum(seenNanos)),
	}
}

// Stop ends it. It may be called more than once.
func (o *MutexObserver) Stop() { o.stop() }
