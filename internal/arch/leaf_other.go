//go:build !amd64 || purego || race

package arch

// UnlockLeaf has no leaf here.
func UnlockLeaf(slow uintptr) (code uintptr, ok bool) { return 0, false }
