//go:build !purego && !race

#include "textflag.h"

// func xchg8(p *U8, v uint8) uint8
TEXT ·xchg8(SB), NOSPLIT, $0-17
	MOVQ p+0(FP), BX
	MOVB v+8(FP), AX
	XCHGB AX, 0(BX)
	MOVB AX, ret+16(FP)
	RET

// func xchg16(p *U16, v uint16) uint16
TEXT ·xchg16(SB), NOSPLIT, $0-18
	MOVQ p+0(FP), BX
	MOVW v+8(FP), AX
	XCHGW AX, 0(BX)
	MOVW AX, ret+16(FP)
	RET

// func cmpxchg8(p *U8, old, new uint8) uint8
TEXT ·cmpxchg8(SB), NOSPLIT, $0-17
	MOVQ p+0(FP), BX
	MOVB old+8(FP), AX
	MOVB new+9(FP), CX
	LOCK
	CMPXCHGB CX, 0(BX)
	MOVB AX, ret+16(FP)
	RET

// func cmpxchg16(p *U16, old, new uint16) uint16
TEXT ·cmpxchg16(SB), NOSPLIT, $0-18
	MOVQ p+0(FP), BX
	MOVW old+8(FP), AX
	MOVW new+10(FP), CX
	LOCK
	CMPXCHGW CX, 0(BX)
	MOVW AX, ret+16(FP)
	RET

// func add8(p *U8, d uint8) uint8
TEXT ·add8(SB), NOSPLIT, $0-17
	MOVQ p+0(FP), BX
	MOVBLZX d+8(FP), CX
	MOVL CX, AX
	LOCK
	XADDB AX, 0(BX)
	ADDL CX, AX
	MOVB AX, ret+16(FP)
	RET

// func add16(p *U16, d uint16) uint16
TEXT ·add16(SB), NOSPLIT, $0-18
	MOVQ p+0(FP), BX
	MOVWLZX d+8(FP), CX
	MOVL CX, AX
	LOCK
	XADDW AX, 0(BX)
	ADDL CX, AX
	MOVW AX, ret+16(FP)
	RET

// func pause()
TEXT ·pause(SB), NOSPLIT, $0-0
	PAUSE
	RET

// func ticks() uint64
TEXT ·ticks(SB), NOSPLIT, $0-8
	RDTSC
	SHLQ $32, DX
	ORQ DX, AX
	MOVQ AX, ret+0(FP)
	RET
