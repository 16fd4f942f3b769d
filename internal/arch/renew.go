package arch

// renewal is a channel that nobody waits at. It has room for one.
var renewal = make(chan struct{}, 1)

// RenewPreemption makes the runtime's request to preempt the goroutine be seen at its next call, if
// there is one. A request that comes while the goroutine is pinned is seen too early: the prologue
// of a function in the pinned section finds that it can't be followed, and takes the mark away that
// the next prologue would look at; Unpin doesn't put it back. The runtime puts it back when it
// releases a lock of its own, as it does in each operation on a buffered channel.
func (Core) RenewPreemption() {
	select {
	case renewal <- struct{}{}:
	default:
	}
	select {
	case <-renewal:
	default:
	}
}
