//go:build !purego && !race

#include "textflag.h"

// Go's internal calling convention, which assembly can't be declared to follow: the first
// two arguments are in AX and BX, nothing is kept. It is reached through a function
// value or a patched call only, never by its name.
//
// Touches AX, CX, DX and the lock's line, and leaves AX and BX as they were for the slow path,
// which returns to this leaf's caller.
//
// func unlockLeaf()
TEXT ·unlockLeaf(SB), NOSPLIT|NOFRAME, $0-0
	MOVQ AX, CX
	MOVL $1, AX
	XORL DX, DX
	LOCK
	CMPXCHGB DX, 0(CX)
	JNE slow
	RET
slow:
	MOVQ CX, AX
	MOVQ ·leafSlow(SB), DX
	JMP DX

// func unlockLeafCode() uintptr
TEXT ·unlockLeafCode(SB), NOSPLIT, $0-8
	LEAQ ·unlockLeaf(SB), AX
	MOVQ AX, ret+0(FP)
	RET
