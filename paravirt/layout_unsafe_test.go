package paravirt

import (
	"math/bits"
	"testing"
	"unsafe"
)

// What CPUs share is laid out in cache lines, which the allocator gives no promise of:
// it puts objects without pointers at multiples of the largest power of two in
// their size class.
func TestWhatIsSharedStartsCacheLines(t *testing.T) {
	if s := unsafe.Sizeof(Slot{}); s != line {
		t.Errorf("a slot has %d bytes", s)
	}
	if s := unsafe.Sizeof(channel{}); s != line {
		t.Errorf("a channel has %d bytes", s)
	}
	if s := unsafe.Sizeof(nodes{}); s != line {
		t.Errorf("a CPU's nodes have %d bytes", s)
	}
	if s := unsafe.Sizeof(HashEntry{}); s != 2*wordSize {
		t.Errorf("a hash entry has %d bytes", s)
	}
	check := func(n int, what string, p unsafe.Pointer) {
		if off := uintptr(p) % line; off != 0 {
			t.Errorf("%d CPUs: the %s start %d bytes into a line", n, what, off)
		}
	}
	var keep []*Machine
	for n := 1; n <= MaxCPUs; n += 1 + n/40 {
		m, err := New(Config{CPUs: n, Channel: ChannelOps{Poll: func(*CPU) {}}})
		if err != nil {
			t.Fatal(err)
		}
		check(n, "slots", unsafe.Pointer(&m.slots[0]))
		check(n, "channels", unsafe.Pointer(&m.channels[0]))
		check(n, "nodes", unsafe.Pointer(&m.nodes[0]))
		check(n, "hash entries", unsafe.Pointer(&m.hash[0]))
		if want := max(256, 1<<bits.Len(uint(4*n-1))); len(m.hash) != want {
			t.Errorf("%d CPUs: %d hash entries, want %d", n, len(m.hash), want)
		}
		if keep = append(keep, m); len(keep) > 8 {
			keep = keep[1:]
		}
	}
}
