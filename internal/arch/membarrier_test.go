package arch

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"
)

// fakeKernel answers a barrier's system calls.
type fakeKernel struct {
	registered, refuses, refusesFence atomic.Bool
	registrations, fences             atomic.Int32
	wait                              chan struct{} // if not nil, a registration waits for it
}

func (k *fakeKernel) barrier() *barrier {
	return &barrier{
		register: func() error {
			if k.wait != nil {
				<-k.wait
			}
			k.registrations.Add(1)
			if k.refuses.Load() {
				return errors.New("refused")
			}
			k.registered.Store(true)
			return nil
		},
		fence: func() error {
			if !k.registered.Load() || k.refuses.Load() || k.refusesFence.Load() {
				return errors.New("not registered, or refused")
			}
			k.fences.Add(1)
			return nil
		},
	}
}

// settled returns the barrier's state when no registration is under way.
func settled(b *barrier) uint32 {
	for b.state.Load() == registering {
		time.Sleep(time.Millisecond)
	}
	return b.state.Load()
}

// The first fence doesn't wait for the registration, nor does any that comes before its end.
func TestFenceDoesNotWaitForTheRegistration(t *testing.T) {
	k := &fakeKernel{wait: make(chan struct{})}
	b := k.barrier()
	for range 10 {
		if b.execute() {
			t.Fatal("a fence was executed by a process that isn't registered")
		}
	}
	close(k.wait)
	if settled(b) != registered || !b.execute() {
		t.Error("the barrier isn't used after the registration")
	}
	if n := k.registrations.Load(); n != 1 {
		t.Errorf("%d registrations, want 1", n)
	}
}

// A registration that was lost is made again, each time.
func TestLostRegistrationIsMadeAgain(t *testing.T) {
	k := new(fakeKernel)
	b := k.barrier()
	for n := int32(1); n <= 3; n++ {
		if b.execute() {
			t.Fatal("a fence was executed by a process that isn't registered")
		}
		if settled(b) != registered || !b.execute() {
			t.Fatal("not registered again")
		}
		if got := k.registrations.Load(); got != n {
			t.Fatalf("%d registrations, want %d", got, n)
		}
		k.registered.Store(false) // restored from a checkpoint without it
	}
}

// What the kernel refuses, from the start or later, the fence or all, isn't asked for again.
func TestRefusedBarrierIsLeftAlone(t *testing.T) {
	for _, later := range []bool{false, true} {
		for _, fenceAlone := range []bool{false, true} {
			k := new(fakeKernel)
			b := k.barrier()
			if later {
				b.execute()
				if settled(b) != registered {
					t.Fatal("not registered")
				}
			}
			if fenceAlone {
				k.refusesFence.Store(true)
			} else {
				k.refuses.Store(true)
			}
			if b.execute() {
				t.Error("a refused fence counts as executed")
			}
			if settled(b) != refused {
				t.Error("a refused barrier isn't seen as one")
			}
			tries := k.registrations.Load()
			if b.execute() || k.registrations.Load() != tries {
				t.Error("a refused barrier is asked for again")
			}
		}
	}
}
