package arch

import "unsafe"

// A cell is a place in shared memory of a given width. Cells are accessed only
// through a Core. They hold no Go pointers, must not be copied once shared, and
// are zero to start with.
type (
	// U8 is one byte of a [Word]. It is never declared by itself: where there are
	// only 32-bit atomics, an access to it is one to the word around it.
	U8 struct{ v uint8 }
	// U16 is an aligned half of a [Word], and is never declared by itself either.
	U16 struct{ v uint16 }
	// U32 is an aligned 32-bit cell.
	U32 struct{ v uint32 }
	// Ptr is a cell that holds an [Addr].
	Ptr struct{ v uintptr }
)

// Word is four bytes of shared memory that are accessed as a whole, as halves
// and as bytes: a lock word. Byte 0 and half 0 are the least significant ones on
// every machine.
type Word struct{ v uint32 }

// Whole returns the word as one cell.
func (w *Word) Whole() *U32 { return (*U32)(unsafe.Pointer(w)) }

// Byte returns byte i, 0 to 3; 0 is the least significant.
func (w *Word) Byte(i uintptr) *U8 { return (*U8)(unsafe.Add(unsafe.Pointer(w), i^flipByte)) }

// Half returns half i, 0 or 1; 0 is the less significant.
func (w *Word) Half(i uintptr) *U16 { return (*U16)(unsafe.Add(unsafe.Pointer(w), i*2^flipHalf)) }

// Addr returns the word's address as a number.
func (Core) Addr(w *Word) Addr { return Addr(uintptr(unsafe.Pointer(w))) }
