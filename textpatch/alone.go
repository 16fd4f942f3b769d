//go:build linux && (amd64 || 386 || arm64) && !purego

package textpatch

import (
	"runtime"

	"example.com/pvlock/internal/arch"
	"example.com/pvlock/internal/gomaxprocs"
)

// alone calls f while no other goroutine runs: GOMAXPROCS is 1, which bounds the threads that
// execute Go code, and the one that does is pinned, so that Go's scheduler leaves it alone. Every
// other goroutine stands between two instructions, or in a system call, and what it executes next
// it fetches after f.
//
// f must be short, must not block, and must make system calls in the raw way alone: around the
// others the runtime may give the one P to somebody else.
func alone(f func()) {
	procs, restore := runtime.GOMAXPROCS(0), gomaxprocs.Save()
	var core arch.Core
	for {
		if runtime.GOMAXPROCS(0) != 1 {
			runtime.GOMAXPROCS(1)
		}
		core.Pin()
		if runtime.GOMAXPROCS(0) == 1 {
			break
		}
		core.Unpin() // somebody has set it meanwhile
	}
	f()
	core.Unpin()
	if procs > 1 && runtime.GOMAXPROCS(0) == 1 {
		restore()
	}
}
