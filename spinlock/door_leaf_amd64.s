//go:build !purego && !race

#include "textflag.h"
#include "funcdata.h"

// Go's internal calling convention, which assembly can't be declared to follow: the first
// two arguments are in AX and BX, nothing is kept. It is reached through a function
// value or a patched call only, never by its name.
//
// Touches AX, CX, DX and the lock's line, and leaves AX and BX as they were for the slow path,
// which returns to this leaf's caller.
//
// func pvUnlockLeaf()
TEXT ·pvUnlockLeaf(SB), NOSPLIT|NOFRAME, $0-0
	MOVQ AX, CX
	MOVL $1, AX
	XORL DX, DX
	LOCK
	CMPXCHGB DX, 0(CX)
	JNE slow
	RET
slow:
	MOVQ CX, AX
	JMP ·pvUnlockLeafSlow(SB)

// The call is of the entry that takes its arguments on the stack, the only one that assembly may name.
//
// func pvUnlockLeafSlow()
TEXT ·pvUnlockLeafSlow(SB), NOSPLIT, $16-0
	NO_LOCAL_POINTERS
	MOVQ AX, 0(SP)
	MOVQ BX, 8(SP)
	CALL ·queuedPVUnlockSlow(SB)
	RET

// func pvUnlockLeafCode() uintptr
TEXT ·pvUnlockLeafCode(SB), NOSPLIT, $0-8
	LEAQ ·pvUnlockLeaf(SB), AX
	MOVQ AX, ret+0(FP)
	RET
