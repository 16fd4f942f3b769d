package spinlock

import "slices"

// A Call is a function of a front door, and what a call of it comes to with the tables
// as they are. A patcher may put the one in place of the other.
type Call struct {
	// Name says which it is: "Queued.Unlock".
	Name string
	// Door is the entry of the function that is called: never inlined, it calls the table's
	// operation with the arguments that it is given, and does nothing that matters besides.
	Door uintptr
	// Op is the entry of that operation; 0 if it can't be called directly, because it
	// is not one of this package's.
	Op uintptr
	// Is says whether the operation is less than a call.
	Is CallIs
}

// CallIs is what an operation is.
type CallIs uint8

const (
	// ACall is an operation like any other.
	ACall CallIs = iota
	// AStore is a store-release of a zero byte and no more, at the address that is the first
	// argument.
	AStore
	// Nothing does nothing.
	Nothing
)

// calls returns the doors' calls. Those of a wait and a kick are in the slow paths, which are there
// once for the doors alone: see door_slowpaths.go. A Ticket's Unlock is a function of the door's
// own: it looks at whether locks are ever marked, as Linux's does by a static key.
func calls() []Call {
	ops := installed.Load()
	q, t, r := ops.Queued, ops.Ticket, ops.Raw
	all := []Call{
		{Name: "Queued.Lock's slow path", Door: codeOf((*Queued).lockSlow), Op: codeOf(q.SlowPath)},
		{Name: "Queued.Unlock", Door: codeOf((*Queued).Unlock), Op: codeOf(q.Unlock)},
		{Name: "Queued's wait", Door: codeOf(queuedWait), Op: codeOf(q.Wait)},
		{Name: "Queued's kick", Door: codeOf(queuedKick), Op: codeOf(q.Kick)},
		{Name: "Ticket's spinning", Door: codeOf(ticketSpinning), Op: codeOf(t.Spinning)},
		{Name: "Ticket's kick", Door: codeOf(ticketKick), Op: codeOf(t.Kick)},
		{Name: "Raw.IsLocked", Door: codeOf((*Raw).IsLocked), Op: codeOf(r.IsLocked)},
		{Name: "Raw.IsContended", Door: codeOf((*Raw).IsContended), Op: codeOf(r.IsContended)},
		{Name: "Raw.Lock", Door: codeOf((*Raw).Lock), Op: codeOf(r.Lock)},
		{Name: "Raw.TryLock", Door: codeOf((*Raw).TryLock), Op: codeOf(r.TryLock)},
		{Name: "Raw.Unlock", Door: codeOf((*Raw).Unlock), Op: codeOf(r.Unlock)},
	}
	own := ownCode()
	for i := range all {
		c := &all[i]
		switch {
		case !slices.Contains(own, c.Op):
			// It may be a closure, which wants its context in a register.
			c.Op = 0
		case c.Op == codeOf(queuedNativeUnlock) && unlockIsStore:
			c.Is = AStore
		case slices.Contains(nothing(), c.Op):
			c.Is = Nothing
		}
	}
	return all
}

// ownCode returns the entries of the operations of this package's own tables: functions without a
// context.
func ownCode() []uintptr {
	var own []uintptr
	for _, t := range queuedTables.all {
		q := t.ops()
		own = append(own, codeOf(q.SlowPath), codeOf(q.Unlock), codeOf(q.Wait), codeOf(q.Kick))
	}
	for _, t := range []TicketOps{NativeTicketOps(), PVTicketOps()} {
		own = append(own, codeOf(t.Spinning), codeOf(t.Kick))
	}
	for _, t := range rawTables.all {
		r := t.ops()
		own = append(own, codeOf(r.IsLocked), codeOf(r.IsContended), codeOf(r.Lock),
			codeOf(r.TryLock), codeOf(r.Unlock))
	}
	return own
}

// nothing returns the entries of the operations that do nothing.
func nothing() []uintptr {
	return []uintptr{
		codeOf(waitNothing), codeOf(kickNothing),
		codeOf(ticketSpinNothing), codeOf(ticketKickNothing),
	}
}
