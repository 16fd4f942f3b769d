package spinlock

import "runtime"

// Entry is a line of the tables, in words.
type Entry struct {
	// Op is the operation, Func the function that it is; "none" where there is none.
	Op, Func string
}

// Tables returns what the tables hold now.
func Tables() []Entry {
	ops := installed.Load()
	q, t, r := ops.Queued, ops.Ticket, ops.Raw
	return []Entry{
		{"Queued.SlowPath", nameOf(q.SlowPath)},
		{"Queued.Unlock", nameOf(q.Unlock)},
		{"Queued.Wait", nameOf(q.Wait)},
		{"Queued.Kick", nameOf(q.Kick)},
		{"Ticket.Spinning", nameOf(t.Spinning)},
		{"Ticket.Kick", nameOf(t.Kick)},
		{"Raw.IsLocked", nameOf(r.IsLocked)},
		{"Raw.IsContended", nameOf(r.IsContended)},
		{"Raw.Lock", nameOf(r.Lock)},
		{"Raw.TryLock", nameOf(r.TryLock)},
		{"Raw.Unlock", nameOf(r.Unlock)},
	}
}

func nameOf[F any](f F) string {
	code := codeOf(f)
	if code == 0 {
		return "none"
	}
	return runtime.FuncForPC(code).Name()
}
