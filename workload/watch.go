package workload

import "example.com/pvlock/paravirt"

// Verdict is what a look at the clients tells.
type Verdict int

// The verdicts.
const (
	// Progress: somebody has had the lock since the last look.
	Progress Verdict = iota
	// Slow: nobody has, but somebody is awake who will: the holder, or a waiter
	// that spins. It may have lost its CPU.
	Slow
	// Lost: nobody has, nobody holds the lock, and all its waiters sleep with
	// nothing pending. That does not end by itself: a wake-up was lost.
	Lost
	// Finished: all have returned.
	Finished
)

// Watch tells a lost wake-up from a slow one. Two looks that follow each other by long enough for a
// running CPU to get something done, and between which nothing has changed, make a verdict; the
// observer decides how long that is, for a wrong Lost costs only a needless kick and a wrong count.
type Watch struct {
	seen   uint64
	frozen bool
}

// Look looks at the clients of a lock on machine m.
func (w *Watch) Look(m *paravirt.Machine, clients []Client) Verdict {
	var total uint64
	finished, asleep, awake := 0, 0, 0
	for i := range clients {
		total += clients[i].Acquisitions.Value()
		switch phase := clients[i].Phase(); {
		case phase == Done:
			finished++
		case phase == Locking && m.Asleep(i):
			asleep++
		default:
			awake++
		}
	}
	switch {
	case finished == len(clients):
		return Finished
	case total != w.seen:
		w.seen, w.frozen = total, false
		return Progress
	case awake > 0 || asleep == 0:
		w.frozen = false
		return Slow
	case !w.frozen:
		w.frozen = true
		return Slow
	}
	w.frozen = false
	return Lost
}

// Rescue wakes every client that sleeps.
func Rescue(m *paravirt.Machine, clients []Client) {
	for i := range clients {
		if clients[i].Phase() == Locking && m.Asleep(i) {
			m.Rescue(i)
		}
	}
}
