//go:build linux && amd64 && !purego

package textpatch

import (
	"bytes"
	"cmp"
	"fmt"
	"runtime"
	"slices"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// breakpoints are the addresses, ascending, at which text was ever changed while it may have been
// running. The handler takes a trap at any of them for a thread that came while the INT3 was there,
// and sends it back to look again. None is ever taken away: the signal may come long after the INT3
// has gone.
//
// The handler runs anywhere, and reads it without a lock. What it has read stays valid, because
// every table is kept.
var breakpoints struct {
	now  *table
	kept []*table
}

// table is read by assembly.
type table struct {
	len   uintptr
	addrs *uintptr

	all []uintptr
}

// traps counts the threads that were sent back. Written by assembly.
var traps uint64

// Traps returns how often a thread has met a breakpoint.
func Traps() uint64 { return atomic.LoadUint64(&traps) }

// runtimeHandler is where other traps go. Read by assembly.
var runtimeHandler uintptr

// trapHandler is the signal handler: code, not a Go function.
//
//lint:ignore U1000 assembly takes its address
func trapHandler()

func trapHandlerCode() uintptr

// know adds edits to the table.
func know(edits []Edit) {
	var all []uintptr
	if t := breakpoints.now; t != nil {
		all = t.all
	}
	known := len(all)
	all = slices.Clip(all)
	for _, e := range edits {
		if _, found := slices.BinarySearch(all[:known], e.Addr); !found {
			all = append(all, e.Addr)
		}
	}
	if len(all) == known {
		return
	}
	slices.Sort(all)
	t := &table{len: uintptr(len(all)), addrs: unsafe.SliceData(all), all: all}
	breakpoints.kept = append(breakpoints.kept, t)
	atomic.StorePointer((*unsafe.Pointer)(unsafe.Pointer(&breakpoints.now)), unsafe.Pointer(t))
}

// sigaction is the kernel's.
type sigaction struct {
	handler  uintptr
	flags    uint64
	restorer uintptr
	mask     uint64
}

func rtSigaction(set, get *sigaction) error {
	_, _, errno := unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(unix.SIGTRAP),
		uintptr(unsafe.Pointer(set)), uintptr(unsafe.Pointer(get)), unsafe.Sizeof(set.mask), 0, 0)
	if errno != 0 {
		return fmt.Errorf("%w: the handler of SIGTRAP can't be changed: %w", ErrLive, errno)
	}
	return nil
}

// catchTraps puts the handler in front of the one that there is: Go's runtime's, which stays the
// handler of all other traps.
func catchTraps() error {
	var now sigaction
	if err := rtSigaction(nil, &now); err != nil {
		return err
	}
	own := trapHandlerCode()
	if now.handler == own {
		return nil
	}
	const onStack, restorer = 0x08000000, 0x04000000 // SA_ONSTACK, SA_RESTORER
	if now.handler <= 1 || now.flags&onStack == 0 || now.flags&restorer == 0 {
		return fmt.Errorf("%w: SIGTRAP is not handled as Go's runtime does it (handler %#x, "+
			"flags %#x)", ErrLive, now.handler, now.flags)
	}
	atomic.StoreUintptr(&runtimeHandler, now.handler)
	now.handler = own
	return rtSigaction(&now, nil)
}

// readyLive prepares for edits of code that threads may be running.
func readyLive(edits []Edit) error {
	know(edits)
	return catchTraps()
}

// writeLive replaces instructions through a breakpoint. In each step a thread that runs the code
// sees the old instruction or INT3, or INT3, or INT3 or the new instruction. Where the INT3 stands
// already, and the rest is as it is to be, as after an error in the second step, there is only the
// third.
func (m memory) writeLive(edits []Edit, after afterError) (err error) {
	// Between the steps nothing is done that can wait: threads spin in the breakpoint meanwhile.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	whole := func(e Edit) bool { return e.Old[0] != opTrap || !bytes.Equal(e.Old[1:], e.New[1:]) }
	trap := []byte{opTrap}
	for _, step := range []func(e Edit) error{
		func(e Edit) error {
			if whole(e) {
				return m.write(e.Addr, trap)
			}
			return nil
		},
		func(e Edit) error {
			if whole(e) {
				return m.write(e.Addr+1, e.New[1:])
			}
			return nil
		},
		func(e Edit) error { return m.write(e.Addr, e.New[:1]) },
	} {
		for _, e := range edits {
			err = cmp.Or(err, step(e))
			if err != nil && after == stop {
				return fmt.Errorf("while text was changed live: %w", err)
			}
		}
		err = cmp.Or(err, syncCores())
		if err != nil && after == stop {
			return fmt.Errorf("while text was changed live: %w", err)
		}
	}
	return err
}
