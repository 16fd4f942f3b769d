package arch

import "sync/atomic"

// A barrier is a system call that executes a fence on the CPUs of all threads of this process, once
// the process is registered for it.
//
// The registration takes milliseconds, because the kernel waits for a grace period in a process of
// several threads. So it happens when a fence is first needed, in the background, and off its P.
// What was registered may be so no longer: a seccomp filter that was loaded since refuses the call,
// or the process was restored from a checkpoint without it. Then it is registered again; if that
// doesn't help it is refused from then on.
type barrier struct {
	state    atomic.Uint32
	register func() error // may block
	fence    func() error
}

// States of a barrier.
const (
	unregistered uint32 = iota
	registering
	registered
	refused
)

// execute executes the fence, and reports whether it did. It doesn't wait for the registration.
func (b *barrier) execute() bool {
	if b.state.Load() == registered {
		if b.fence() == nil {
			return true
		}
		b.state.CompareAndSwap(registered, unregistered)
	}
	if b.state.CompareAndSwap(unregistered, registering) {
		go b.setUp()
	}
	return false
}

// setUp registers the process, and returns why it couldn't.
func (b *barrier) setUp() error {
	err := b.register()
	if err == nil {
		// A filter may allow the registration and refuse the fence.
		err = b.fence()
	}
	if err != nil {
		b.state.Store(refused)
		return err
	}
	b.state.Store(registered)
	return nil
}

// membarrier is membarrier(2), of the private expedited kind. Its fence takes some 0.3–3 µs, and
// waits for a preempted vCPU.
var membarrier = barrier{register: registerMembarrier, fence: callMembarrier}
