//go:build purego || race

package arch

// TakeWaiter returns a waiter that nobody uses.
func (c Core) TakeWaiter() uint32 {
	var one [1]uint32
	takeShared(one[:])
	return one[0]
}

// DropWaiter gives a waiter back.
func (c Core) DropWaiter(i uint32) { dropShared([]uint32{i}) }
