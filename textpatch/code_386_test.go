//go:build linux && !purego

package textpatch

import (
	"testing"

	"golang.org/x/arch/x86/x86asm"
)

func TestABodyBecomesAJumpThatBeginsAsItDid(t *testing.T) {
	e, err := editBody(Entry(clear), Entry(clearOther))
	check(t, err)
	inst, err := x86asm.Decode(e.New, 32)
	check(t, err)
	to, _ := inst.Args[0].(x86asm.Rel)
	if e.New[0] != e.Old[0] || inst.Op != x86asm.JMP || inst.Len != len(e.New) ||
		e.Addr+uintptr(inst.Len)+uintptr(to) != Entry(clearOther) {
		t.Errorf("% x became % x: %v", e.Old, e.New, inst)
	}
	if was, err := x86asm.Decode(append(e.Old, make([]byte, 15)...), 32); err != nil ||
		was.Len < len(e.New) {
		t.Errorf("% x: %v has %d bytes, fewer than what takes its place", e.Old, was, was.Len)
	}
	if _, err := editBody(Entry(clear)+1, Entry(clearOther)); err == nil {
		t.Error("what isn't how a function begins was accepted")
	}
}
