package spinlock

import (
	"unsafe"

	"example.com/pvlock/internal/arch"
)

// codeOf returns the address of a function's code, by which the seed tells
// whether an operation is the native one.
func codeOf[F any](f F) uintptr { return **(**uintptr)(unsafe.Pointer(&f)) }

// ticketOf returns the lock that a word is the whole of.
func ticketOf(word *arch.Word) *Ticket { return (*Ticket)(unsafe.Pointer(word)) }
