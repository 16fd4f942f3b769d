//go:build !purego && !race

#include "textflag.h"

// The read-modify-writes load with acquire and store with release, and end in
// a DMB: the lock text takes a locked instruction for a full fence, as it is on
// x86, and a release store-exclusive alone would let a later load pass it.

// func load8(p *U8) uint8
TEXT ·load8(SB), NOSPLIT, $0-9
	MOVD p+0(FP), R0
	LDARB (R0), R1
	MOVB R1, ret+8(FP)
	RET

// func load16(p *U16) uint16
TEXT ·load16(SB), NOSPLIT, $0-10
	MOVD p+0(FP), R0
	LDARH (R0), R1
	MOVH R1, ret+8(FP)
	RET

// func store8(p *U8, v uint8)
TEXT ·store8(SB), NOSPLIT, $0-9
	MOVD p+0(FP), R0
	MOVBU v+8(FP), R1
	STLRB R1, (R0)
	RET

// func store16(p *U16, v uint16)
TEXT ·store16(SB), NOSPLIT, $0-10
	MOVD p+0(FP), R0
	MOVHU v+8(FP), R1
	STLRH R1, (R0)
	RET

// func fence()
TEXT ·fence(SB), NOSPLIT, $0-0
	DMB $0xb
	RET

// func xchg8(p *U8, v uint8) uint8
TEXT ·xchg8(SB), NOSPLIT, $0-17
	MOVD p+0(FP), R0
	MOVBU v+8(FP), R1
again:
	LDAXRB (R0), R2
	STLXRB R1, (R0), R3
	CBNZ R3, again
	DMB $0xb
	MOVB R2, ret+16(FP)
	RET

// func xchg16(p *U16, v uint16) uint16
TEXT ·xchg16(SB), NOSPLIT, $0-18
	MOVD p+0(FP), R0
	MOVHU v+8(FP), R1
again:
	LDAXRH (R0), R2
	STLXRH R1, (R0), R3
	CBNZ R3, again
	DMB $0xb
	MOVH R2, ret+16(FP)
	RET

// func cmpxchg8(p *U8, old, new uint8) uint8
TEXT ·cmpxchg8(SB), NOSPLIT, $0-17
	MOVD p+0(FP), R0
	MOVBU old+8(FP), R1
	MOVBU new+9(FP), R4
again:
	LDAXRB (R0), R2
	CMPW R1, R2
	BNE done
	STLXRB R4, (R0), R3
	CBNZ R3, again
done:
	DMB $0xb
	MOVB R2, ret+16(FP)
	RET

// func cmpxchg16(p *U16, old, new uint16) uint16
TEXT ·cmpxchg16(SB), NOSPLIT, $0-18
	MOVD p+0(FP), R0
	MOVHU old+8(FP), R1
	MOVHU new+10(FP), R4
again:
	LDAXRH (R0), R2
	CMPW R1, R2
	BNE done
	STLXRH R4, (R0), R3
	CBNZ R3, again
done:
	DMB $0xb
	MOVH R2, ret+16(FP)
	RET

// func add8(p *U8, d uint8) uint8
TEXT ·add8(SB), NOSPLIT, $0-17
	MOVD p+0(FP), R0
	MOVBU d+8(FP), R1
again:
	LDAXRB (R0), R2
	ADDW R1, R2
	STLXRB R2, (R0), R3
	CBNZ R3, again
	DMB $0xb
	MOVB R2, ret+16(FP)
	RET

// func add16(p *U16, d uint16) uint16
TEXT ·add16(SB), NOSPLIT, $0-18
	MOVD p+0(FP), R0
	MOVHU d+8(FP), R1
again:
	LDAXRH (R0), R2
	ADDW R1, R2
	STLXRH R2, (R0), R3
	CBNZ R3, again
	DMB $0xb
	MOVH R2, ret+16(FP)
	RET

// func pause()
TEXT ·pause(SB), NOSPLIT, $0-0
	YIELD
	RET

// func ticks() uint64
TEXT ·ticks(SB), NOSPLIT, $0-8
	ISB $15
	MRS CNTVCT_EL0, R0
	MOVD R0, ret+0(FP)
	RET
