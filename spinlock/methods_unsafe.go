package spinlock

import (
	"unsafe"

	"example.com/pvlock/paravirt"
)

// methods are the five methods of a type of lock, as functions of its memory.
type methods[L any] struct {
	IsLocked    func(l *L, c *paravirt.CPU) bool
	IsContended func(l *L, c *paravirt.CPU) bool
	Lock        func(l *L, c *paravirt.CPU)
	TryLock     func(l *L, c *paravirt.CPU) bool
	Unlock      func(l *L, c *paravirt.CPU)
}

// of returns a lock's methods as functions of memory that goes by another type: the catalogue's
// Word, and the front door's Raw. They are the methods themselves, not functions that call them:
// all pointers are passed alike. Each of these types is a struct of one arch.Word.
func of[To, L any](m methods[L]) methods[To] {
	return *(*methods[To])(unsafe.Pointer(&m))
}
