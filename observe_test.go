package pvlock

import (
	"context"
	"errors"
	"testing"
)

// An observer sees what happens on the slow paths of its mutex, and nothing else.
func TestMutexObserverSeesSlowPaths(t *testing.T) {
	var m, other Mutex
	o := m.Observe()
	defer o.Stop()
	m.Lock()
	m.Unlock() //nolint:staticcheck // the fast path is what is not to be seen
	if have := o.Counts(); have != (MutexCounts{}) {
		t.Errorf("a fast path was counted: %+v", have)
	}

	wait := func(m *Mutex) {
		m.Lock()
		ctx, cancel := context.WithCancel(context.Background())
		gone := make(chan error)
		go func() { gone <- m.LockContext(ctx) }()
		someoneSleeps(m)
		cancel()
		if err := <-gone; !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		go func() { gone <- m.LockContext(context.Background()) }()
		someoneSleeps(m)
		m.Unlock()
		if err := <-gone; err != nil {
			t.Fatal(err)
		}
		m.Unlock()
	}
	wait(&other)
	if have := o.Counts(); have != (MutexCounts{}) {
		t.Errorf("another mutex was counted: %+v", have)
	}
	wait(&m)
	have := o.Counts()
	if have.Contended != 1 || have.GaveUp != 1 || have.Slept != 2 || have.Woken == 0 ||
		have.Waited <= 0 {
		t.Errorf("one gave up asleep and one was woken: %+v", have)
	}

	second := m.Observe()
	o.Stop()
	o.Stop()
	wait(&m)
	if have := second.Counts(); have.Contended != 2 {
		t.Errorf("a second observer ended with the first: %+v", have)
	}
	second.Stop()
	wait(&m)
	if have := second.Counts(); have.Contended != 2 {
		t.Errorf("it counts after its end: %+v", have)
	}
}
