package spinlock

import (
	"unsafe"

	"example.com/pvlock/internal/arch"
	"example.com/pvlock/paravirt"
)

// codeOf returns the address of a function's code, by which the seed tells
// whether an operation is the native one; 0 for nil.
func codeOf[F any](f F) uintptr {
	at := *(**uintptr)(unsafe.Pointer(&f))
	if at == nil {
		return 0
	}
	return *at
}

// ticketOf returns the lock that a word is the whole of.
func ticketOf(word *arch.Word) *Ticket { return (*Ticket)(unsafe.Pointer(word)) }

// pvUnlockFunc returns the leaf as a function: a function value is the address of a place that
// holds the entry.
func pvUnlockFunc() func(*Queued, *paravirt.CPU) {
	at := &pvUnlockCode
	return *(*func(*Queued, *paravirt.CPU))(unsafe.Pointer(&at))
}
