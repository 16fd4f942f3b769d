package explore

import (
	"reflect"
	"unsafe"
)

func addressOf[T any](p *T) uintptr { return uintptr(unsafe.Pointer(p)) }

func sizeOf[T any](p *T) uintptr { return unsafe.Sizeof(*p) }

// codeAddress returns a function's entry.
func codeAddress(f any) uint64 { return uint64(reflect.ValueOf(f).Pointer()) }

// closureAddress returns the address of a closure: of its code pointer and what it captured.
func closureAddress(f func()) uint64 { return *(*uint64)(unsafe.Pointer(&f)) }

// word reads eight bytes of the process's own memory.
func word(addr uint64) uint64 { return *(*uint64)(pointer(addr)) }

// text returns the bytes of code at pc, no more than an instruction has.
func text(pc uint64) []byte { return unsafe.Slice((*byte)(pointer(pc)), 15) }

// stringAt reads a string of the process's memory.
func stringAt(addr, n uint64) string {
	if !ofProcess(addr) || n > 1<<10 {
		return ""
	}
	return string(unsafe.Slice((*byte)(pointer(addr)), n))
}

// pointer makes an address a pointer. The bodies, which the caller keeps, keep what is there.
func pointer(addr uint64) unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(&addr)) }

// itabOf returns the method table of a type for an interface, both given by their descriptors.
func itabOf(inter, typ uint64) (tab uint64, ok bool) {
	i, t := typeAt(inter), typeAt(typ)
	if !t.Implements(i) {
		return 0, false
	}
	v := reflect.New(i)
	v.Elem().Set(reflect.Zero(t))
	return *(*uint64)(v.UnsafePointer()), true
}

// typeAt makes a descriptor's address a type.
func typeAt(addr uint64) reflect.Type {
	w := [2]uint64{addr}
	return reflect.TypeOf(*(*any)(unsafe.Pointer(&w)))
}
