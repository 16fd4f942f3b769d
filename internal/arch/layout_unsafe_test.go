package arch

import (
	"testing"
	"unsafe"
)

func TestLayout(t *testing.T) {
	var w Word
	if unsafe.Sizeof(w) != 4 || unsafe.Alignof(w) != 4 || unsafe.Sizeof(U8{}) != 1 ||
		unsafe.Sizeof(U16{}) != 2 || unsafe.Sizeof(U32{}) != 4 {
		t.Error("a cell has not the size that its name says")
	}
	if unsafe.Sizeof(Core{}) != 0 {
		t.Error("a Core is not empty")
	}
	var c Core
	c.Store32(w.Whole(), 0x04030201)
	for i := range uintptr(4) {
		if got := c.Load8(w.Byte(i)); got != uint8(i)+1 {
			t.Errorf("byte %d is %d: byte 0 is not the least significant", i, got)
		}
	}
	if c.Load16(w.Half(0)) != 0x0201 || c.Load16(w.Half(1)) != 0x0403 {
		t.Error("half 0 is not the less significant")
	}
	if c.Addr(&w) != Addr(uintptr(unsafe.Pointer(&w))) {
		t.Error("Addr is not the address")
	}
}
