//go:build !purego && !race

package arch

// leafSlow is where unlockLeaf goes when it can't release the lock.
//
//lint:ignore U1000 assembly reads it
var leafSlow uintptr

// unlockLeaf is code, not a Go function: its arguments are in registers.
//
//lint:ignore U1000 assembly takes its address
func unlockLeaf()

func unlockLeafCode() uintptr

// UnlockLeaf returns the entry of a function that releases the byte that its first argument
// points to if it is 1, by a compare-and-swap to 0, and otherwise jumps to slow with both of
// its arguments as they came. slow is the entry of a func(*Word, *T), and so is what is returned.
//
// It is written by hand because Go has no byte compare-and-swap, and the leaf that has
// takes its arguments on the stack and can't tail-jump. There is one: a second call changes
// slow for all.
func UnlockLeaf(slow uintptr) (code uintptr, ok bool) {
	leafSlow = slow
	return unlockLeafCode(), true
}
