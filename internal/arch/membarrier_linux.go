package arch

import (
	"fmt"
	"sync"
	"syscall"
)

const (
	membarrierQuery                    = 0
	membarrierPrivateExpedited         = 1 << 3
	membarrierRegisterPrivateExpedited = 1 << 4
)

// registerMembarrier registers this process for expedited private membarriers,
// once; that can take milliseconds, because the kernel waits for a grace period
// in a process of several threads. So it happens when first needed.
var registerMembarrier = sync.OnceValue(func() error {
	if sysMembarrier == 0 {
		return fmt.Errorf("membarrier: no system call number on this architecture")
	}
	have, _, errno := syscall.RawSyscall(sysMembarrier, membarrierQuery, 0, 0)
	if errno != 0 {
		return fmt.Errorf("membarrier: query: %w", errno)
	}
	if have&membarrierPrivateExpedited == 0 {
		return fmt.Errorf("membarrier: this kernel offers %#x, without private expedited", have)
	}
	if _, _, errno := syscall.RawSyscall(sysMembarrier, membarrierRegisterPrivateExpedited, 0, 0); errno != 0 {
		return fmt.Errorf("membarrier: register: %w", errno)
	}
	membarrierRegistered.Store(true)
	return nil
})

// MembarrierReady reports whether [Core.Membarrier] can be used, and registers the
// process for it the first time it is asked.
func MembarrierReady() error { return registerMembarrier() }

// Membarrier executes a full fence on every CPU that runs a thread of this process,
// and on those that are about to: after it, whatever any other thread
// stored before in its program order is visible, as if that thread had
// executed a fence at some moment within this call. It costs some 0.3–3 µs, and waits for a preempted
// vCPU; [MembarrierReady] must have returned nil.
func (c Core) Membarrier() {
	if _, _, errno := syscall.RawSyscall(sysMembarrier, membarrierPrivateExpedited, 0, 0); errno != 0 {
		c.Fatal("pvlock: membarrier without MembarrierReady: " + errno.Error())
	}
}
