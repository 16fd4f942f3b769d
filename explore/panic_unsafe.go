package explore

import (
	"reflect"
	"sync"
	"unsafe"
)

// words are the two words of an interface.
func words(v any) [2]uint64 { return *(*[2]uint64)(unsafe.Pointer(&v)) }

// The values with which the processor's faults panic: each is the runtime's own.
var (
	nilDereference = onceRecovered(func() { sink = *nilInt })
	divideError    = onceRecovered(func() { sink /= zeroInt })
	panicsNil      = onceRecovered(func() { panic(nil) })
	conversion     = onceRecovered(func() { sink = len(zeroAny.(error).Error()) })
)

func onceRecovered(f func()) func() any {
	return sync.OnceValue(func() (v any) {
		defer func() { v = recover() }()
		f()
		return nil
	})
}

var (
	nilInt  *int
	zeroInt int
	sink    int
	zeroAny any = 1
)

// native makes an interface of a body's a value of this process, with a copy of what a body has
// allocated. It reports whether nothing in it leads to memory of bodies.
func (w *worker) native(typ, data uint64) (v any, ok bool) {
	if !ofProcess(typ) {
		return nil, false
	}
	if ofProcess(data) || data == 0 {
		*(*[2]uint64)(unsafe.Pointer(&v)) = [2]uint64{typ, data}
		return v, true
	}
	t := typeAt(typ)
	pointer := t.Kind() == reflect.Pointer
	if pointer {
		t = t.Elem()
	}
	c := reflect.New(t)
	size := int(t.Size())
	b := unsafe.Slice((*byte)(c.UnsafePointer()), size)
	for o := 0; o < size; o += 8 {
		n := min(8, size-o)
		x := w.load8(data+uint64(o), uint8(n))
		if synthetic(x) {
			return nil, false
		}
		for k := range n {
			b[o+k] = byte(x >> (8 * k))
		}
	}
	if pointer {
		return c.Interface(), true
	}
	return c.Elem().Interface(), true
}
