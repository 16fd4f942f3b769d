//go:build !linux || !amd64 || purego

package textpatch

// Traps returns how often a thread has met a breakpoint.
func Traps() uint64 { return 0 }
