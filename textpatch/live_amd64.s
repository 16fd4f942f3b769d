//go:build linux && !purego

#include "textflag.h"

// Offset of the instruction pointer in the kernel's ucontext: flags, link, stack (40 bytes),
// then 16 registers.
#define RIP 168

// The handler of SIGTRAP, called by the kernel on the thread's signal stack, with the
// ucontext in DX. It needs no g, no Go stack, and no register that the kernel doesn't restore.
//
// func trapHandler()
TEXT ·trapHandler(SB), NOSPLIT|NOFRAME, $0-0
	MOVQ RIP(DX), AX
	DECQ AX // INT3 is one byte, and the trap comes after it
	MOVQ ·breakpoints(SB), R8
	TESTQ R8, R8
	JEQ other
	// Search for AX in R9[R10:R11].
	MOVQ 8(R8), R9
	XORL R10, R10
	MOVQ 0(R8), R11
search:
	CMPQ R10, R11
	JAE other
	LEAQ (R10)(R11*1), CX
	SHRQ $1, CX
	CMPQ AX, (R9)(CX*8)
	JEQ back
	JB below
	LEAQ 1(CX), R10
	JMP search
below:
	MOVQ CX, R11
	JMP search
back:
	MOVQ AX, RIP(DX)
	LOCK
	INCQ ·traps(SB)
	RET // to the restorer
other:
	MOVQ ·runtimeHandler(SB), AX
	JMP AX

// func trapHandlerCode() uintptr
TEXT ·trapHandlerCode(SB), NOSPLIT, $0-8
	LEAQ ·trapHandler(SB), AX
	MOVQ AX, ret+0(FP)
	RET
