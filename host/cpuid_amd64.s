//go:build !purego

#include "textflag.h"

// func execCPUID(leaf, subleaf uint32) (eax, ebx, ecx, edx uint32)
TEXT ·execCPUID(SB), NOSPLIT, $0-24
	MOVL leaf+0(FP), AX
	MOVL subleaf+4(FP), CX
	CPUID
	MOVL AX, eax+8(FP)
	MOVL BX, ebx+12(FP)
	MOVL CX, ecx+16(FP)
	MOVL DX, edx+20(FP)
	RET

// func execXenCPUID(leaf, subleaf uint32) (eax, ebx, ecx, edx uint32)
TEXT ·execXenCPUID(SB), NOSPLIT, $0-24
	MOVL leaf+0(FP), AX
	MOVL subleaf+4(FP), CX
	BYTE $0x0F; BYTE $0x0B; BYTE $0x78; BYTE $0x65; BYTE $0x6E // UD2, "xen"
	CPUID
	MOVL AX, eax+8(FP)
	MOVL BX, ebx+12(FP)
	MOVL CX, ecx+16(FP)
	MOVL DX, edx+20(FP)
	RET
