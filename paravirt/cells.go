package paravirt

import "example.com/pvlock/internal/arch"

// The cells that CPUs share, by names that a lock or a machine written elsewhere can use. A cell is
// accessed through the CPU that executes the access, at its own width: c.Xchg8(p, 1), c.Load32(p).
// What order that gives is in the documentation of [example.com/pvlock/internal/arch]; in short,
// loads acquire, stores release, and everything else is a full fence on x86. A store that a later
// store to the same cell shadows, with neither a load of a word, nor a locked instruction, nor a
// call between, may never be made. The zero value of each is 0; none may be copied once shared.
type (
	// Word is four bytes that are accessed as a whole (Whole), as halves (Half) and as bytes
	// (Byte).
	Word = arch.Word
	// U8 is one byte of a Word: what Wait looks at.
	U8 = arch.U8
	// U16 is an aligned half of a Word.
	U16 = arch.U16
	// U32 is a cell of 32 bits.
	U32 = arch.U32
	// Ptr is a cell that holds an Addr.
	Ptr = arch.Ptr
	// Addr is the address of a lock as a number.
	Addr = arch.Addr
)

// Forever, given to SpinWhile8 and its like as the number of rounds, is without bound.
const Forever = arch.Forever
