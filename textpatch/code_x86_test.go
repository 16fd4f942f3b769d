//go:build linux && (amd64 || 386) && !purego

package textpatch

import (
	"math/bits"
	"runtime"
	"testing"

	"golang.org/x/arch/x86/x86asm"
)

// TestTheQuickLengthIsTheDecoders compares the two on all Go code of this program.
func TestTheQuickLengthIsTheDecoders(t *testing.T) {
	mem, err := openMemory()
	check(t, err)
	defer mem.Close()
	areas, err := mem.text()
	check(t, err)
	both, all := 0, 0
	for _, a := range areas {
		code, err := mem.read(a.start, int(a.end-a.start))
		check(t, err)
		for at := 0; at+15 <= len(code); {
			pc := a.start + uintptr(at)
			if at%16 == 0 && runtime.FuncForPC(pc) == nil {
				at += 16
				continue
			}
			if vexLen(code[at:]) > 0 {
				at += vexLen(code[at:])
				continue
			}
			inst, err := x86asm.Decode(code[at:], bits.UintSize)
			if err != nil {
				at++ // data, or what the decoder doesn't know
				continue
			}
			all++
			if n := commonLen(code[at:]); n > 0 {
				both++
				if n != inst.Len {
					t.Fatalf("%#x: % x: %v has %d bytes, not %d", pc, code[at:at+15], inst,
						inst.Len, n)
				}
			}
			at += inst.Len
		}
	}
	t.Logf("%d of %d instructions are common", both, all)
	if both < all/2 {
		t.Errorf("%d of %d instructions are common", both, all)
	}
}
