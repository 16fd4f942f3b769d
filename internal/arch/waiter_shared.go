//go:build purego || race

package arch

// TakeWaiter returns a waiter that nobody uses.
func (c Core) TakeWaiter() uint32 {
	var one [1]uint32
	takeShared(one[:])
	if b := bedOf(one[0]); b.token == nil {
		b.token = make(chan struct{}, 1)
	}
	return one[0]
}

// DropWaiter gives a waiter back.
func (c Core) DropWaiter(i uint32) { dropShared([]uint32{i}) }
