// Package arch has the cells that the rules look for, as parts of a word.
package arch

type (
	U8      struct{ v uint8 }
	U16     struct{ v uint16 }
	U32     struct{ v uint32 }
	Ptr     struct{ v uintptr }
	Word    struct{ v uint32 }
	Counter struct{ v uint64 }
)

func (w *Word) Byte() *U8 { return nil }
