package torture

import (
	"unsafe"

	"example.com/pvlock"
	"example.com/pvlock/internal/arch"
)

// The locks that a program imports live where the catalogue's do: both are cells without pointers,
// and have room in guarded.word and guarded.more.

const room = unsafe.Offsetof(guarded{}.more) +
	unsafe.Sizeof(guarded{}.more) - unsafe.Offsetof(guarded{}.word)

var (
	_ [room - unsafe.Sizeof(pvlock.Mutex{})]byte
	_ [room - unsafe.Sizeof(pvlock.Spinlock{})]byte
)

func mutexOf(w *arch.Word) *pvlock.Mutex       { return (*pvlock.Mutex)(unsafe.Pointer(w)) }
func spinlockOf(w *arch.Word) *pvlock.Spinlock { return (*pvlock.Spinlock)(unsafe.Pointer(w)) }
