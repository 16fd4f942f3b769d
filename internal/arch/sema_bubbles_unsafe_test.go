//go:build pvlockbubbles && !purego

package arch

import (
	"reflect"
	"sync"
	"testing"
	"testing/synctest"
	"unsafe"
)

// A sync.WaitGroup is laid out as nap.end takes it to be.
func TestBubblesRestOnTheLayoutOfWaitGroup(t *testing.T) {
	theirs := reflect.TypeFor[sync.WaitGroup]()
	state, _ := theirs.FieldByName("state")
	sema, ok := theirs.FieldByName("sema")
	if !ok || state.Offset != unsafe.Offsetof(waitGroup{}.state) ||
		sema.Offset != unsafe.Offsetof(waitGroup{}.sema) {
		t.Errorf("%v: state at %d, sema at %d", theirs, state.Offset, sema.Offset)
	}
}

// Goroutines know their bubbles.
func TestBubbleOf(t *testing.T) {
	if n := bubbleOf(); n != 0 {
		t.Errorf("outside of all bubbles: %d", n)
	}
	seen := make(map[uint64]bool)
	for range 3 {
		synctest.Test(t, func(t *testing.T) {
			n := bubbleOf()
			other := make(chan uint64)
			go func() { other <- bubbleOf() }()
			if m := <-other; n == 0 || m != n || seen[n] {
				t.Errorf("bubbles %d and %d, after %v", n, m, seen)
			}
			seen[n] = true
		})
	}
}
