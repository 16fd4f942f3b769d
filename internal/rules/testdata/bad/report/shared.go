package report

import (
	"unsafe" // want unsafe: imports unsafe

	"example.com/pvlock/internal/arch"
)

type direct struct { // want shared: a shared cell and a Go pointer
	cell arch.U32
	next *direct
}

type nested struct { // want shared: a shared cell and a Go pointer
	numbers [2]struct {
		word arch.Word
	}
	name string
}

type kinds struct { // want shared: a shared cell and a Go pointer
	a struct { // want shared: a shared cell and a Go pointer
		arch.Ptr
		p []int
	}
}

var (
	_ struct { // want shared: a shared cell and a Go pointer
		c arch.Word
		p map[int]int
	}
	_ struct { // want shared: a shared cell and a Go pointer
		c arch.Word
		p chan int
	}
	_ struct { // want shared: a shared cell and a Go pointer
		c arch.Word
		p func()
	}
	_ struct { // want shared: a shared cell and a Go pointer
		c arch.Word
		p error
	}
	_ struct { // want shared: a shared cell and a Go pointer
		c arch.Word
		p unsafe.Pointer
	}
	_ [4]direct // want shared: a shared cell and a Go pointer
)

type generic[T any] struct { // want shared: a shared cell and a Go pointer
	cell  arch.U32
	value T
}

type fine struct {
	cell  arch.U32
	count arch.Counter
	at    uintptr
	words [4]arch.Word
}

// A pointer to shared state, and statistics beside a pointer, are fine.
type alsoFine struct {
	cells []arch.U32
	one   *fine
	byte  *arch.U8
	count arch.Counter
}

type loose struct {
	b        arch.U8     // want shared: a cell of less than 32 bits
	h        [2]arch.U16 // want shared: a cell of less than 32 bits
	arch.U16             // want shared: a cell of less than 32 bits
}

var global arch.U8 // want shared: a cell of less than 32 bits

func param(v arch.U8) { // want shared: a cell of less than 32 bits
	_ = v
}

func use(w *arch.Word, f func(*arch.U8)) {
	b := w.Byte()
	f(b)
	copied := *b      // want shared: a cell of less than 32 bits
	_ = new(arch.U16) // want shared: a cell of less than 32 bits
	_ = []arch.U8{}   // want shared: a cell of less than 32 bits
	param(copied)
}
