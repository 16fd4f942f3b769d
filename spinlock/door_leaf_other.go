//go:build !amd64 || purego || race

package spinlock

// pvUnlockCode is 0: there is no leaf here.
var pvUnlockCode uintptr
