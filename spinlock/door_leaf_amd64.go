//go:build !purego && !race

package spinlock

// pvUnlockLeaf and pvUnlockLeafSlow are code, not Go functions: their arguments are in registers.
//
//lint:ignore U1000 assembly takes its address
func pvUnlockLeaf()

//lint:ignore U1000 assembly jumps to it
func pvUnlockLeafSlow()

func pvUnlockLeafCode() uintptr

// pvUnlockCode is the entry of the paravirtual unlock: it releases the byte that its first argument
// points to if that is 1, by a compare-and-swap to 0, and otherwise calls queuedPVUnlockSlow with
// its arguments.
//
// It is written by hand because Go has no byte compare-and-swap, and the leaf that has
// takes its arguments on the stack and can't tail-jump.
var pvUnlockCode = pvUnlockLeafCode()
