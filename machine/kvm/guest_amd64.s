//go:build linux && !purego && !race

#include "go_asm.h"
#include "textflag.h"

// guestEntry is where a vCPU starts, with the CPU in AX and the body in BX. It enters Go by way of
// guestMain's ABI0 wrapper, which sets up what compiled code expects in registers, g from the thread-local word
// included. The stack ends here: there is nothing to return to.
TEXT ·guestEntry(SB), NOSPLIT|TOPFRAME, $16-0
	MOVQ AX, 0(SP)
	MOVQ BX, 8(SP)
	CALL ·guestMain(SB)
	MOVQ $const_doneBell, AX
	MOVL $0, 0(AX)
	UNDEF

// func entryPC() uintptr
TEXT ·entryPC(SB), NOSPLIT, $0-8
	LEAQ ·guestEntry(SB), AX
	MOVQ AX, ret+0(FP)
	RET

// func ring(bell uintptr)
TEXT ·ring(SB), NOSPLIT, $0-8
	MOVQ bell+0(FP), AX
	MOVL $1, 0(AX)
	RET

// func wordOfG() (self, below uintptr)
TEXT ·wordOfG(SB), NOSPLIT, $0-16
	MOVQ (TLS), AX
	MOVQ AX, self+0(FP)
	// MOVQ FS:-8, AX
	BYTE $0x64; BYTE $0x48; BYTE $0x8b; BYTE $0x04; BYTE $0x25
	LONG $0xfffffff8
	MOVQ AX, below+8(FP)
	RET
