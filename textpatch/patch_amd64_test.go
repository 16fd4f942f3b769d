//go:build linux && !purego

package textpatch

import (
	"bytes"
	"encoding/binary"
	"flag"
	"runtime"
	"runtime/pprof"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
)

// A call whose argument is an address in a register, and the line that it is on.
//
//go:noinline
func clearAt(p *uint32) {
	clear(p) // this line
}

func TestAStoreInPlaceOfACallStores(t *testing.T) {
	var p Patch
	check(t, p.StoreZero(sitesIn(t, clear, clearAt)[0]))
	apply(t, &p)
	x := uint32(0x01020304)
	clears.Store(0)
	clearAt(&x)
	if x != 0x01020300 || clears.Load() != 0 {
		t.Errorf("the word is %#x, calls %d", x, clears.Load())
	}
}

func TestANilPointerPanicsAtTheLineOfTheCall(t *testing.T) {
	site := sitesIn(t, clear, clearAt)[0]
	var p Patch
	check(t, p.StoreZero(site))
	apply(t, &p)
	defer func() {
		err, ok := recover().(runtime.Error)
		if !ok || !strings.Contains(err.Error(), "nil pointer") {
			t.Fatalf("recovered %v", err)
		}
		var pcs [32]uintptr
		frames := runtime.CallersFrames(pcs[:runtime.Callers(0, pcs[:])])
		for {
			f, more := frames.Next()
			if strings.HasSuffix(f.Function, "textpatch.clearAt") {
				if _, file, line := site.Where(); f.File != file || f.Line != line {
					t.Errorf("at %s:%d, want %s:%d", f.File, f.Line, file, line)
				}
				return
			}
			if !more {
				t.Fatal("clearAt is not on the stack")
			}
		}
	}()
	clearAt(nil)
}

//go:noinline
func bigConstant() uint64 { return 0x1122334455667788 }

func TestBytesWithinAnInstructionAreNoCall(t *testing.T) {
	entry := Entry(bigConstant)
	mem, err := openMemory()
	check(t, err)
	defer mem.Close()
	code, err := mem.read(entry, 200)
	check(t, err)
	at := bytes.Index(code, []byte{0x48, 0xb8, 0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11})
	if at < 0 {
		t.Fatalf("no constant in % x", code)
	}
	// The constant becomes a call of clear, with the distance that it has from there.
	was := bytes.Clone(code[at : at+10])
	disguised := bytes.Clone(was)
	disguised[2] = opCall
	from := entry + uintptr(at) + 2 + callLen
	binary.LittleEndian.PutUint32(disguised[3:], uint32(Entry(clear)-from))
	before, unsure, err := Calls(Entry(clear))
	check(t, err)
	if len(unsure) != 0 {
		t.Fatalf("unsure before: %v", unsure)
	}
	p := Patch{edits: []Edit{{Addr: entry + uintptr(at), Old: was, New: disguised}}}
	apply(t, &p)
	after, unsure, err := Calls(Entry(clear))
	check(t, err)
	if !slices.Equal(before, after) || len(unsure) != 1 {
		t.Errorf("%d calls and %d unsure, want %d and 1", len(after), len(unsure), len(before))
	}
}

func TestLengthsOfWhatTheDecoderDoesNotKnow(t *testing.T) {
	for _, c := range [][]byte{
		{0xc4, 0xe2, 0xf3, 0xf7, 0xc0},                   // SHRX rcx, rax, rax
		{0xc4, 0xe2, 0xe9, 0xb9, 0xc1},                   // VFMADD231SD
		{0xc4, 0xe3, 0xfb, 0xf0, 0xc0, 0x07},             // RORX rax, rax, 7
		{0xc5, 0xf8, 0x77},                               // VZEROUPPER
		{0xc5, 0xfe, 0x6f, 0x44, 0x24, 0x20},             // VMOVDQU ymm0, [rsp+32]
		{0xc5, 0xfe, 0x6f, 0x05, 1, 2, 3, 4},             // VMOVDQU ymm0, [rip+…]
		{0xc5, 0xf5, 0x72, 0xf0, 0x05},                   // VPSLLD ymm1, ymm0, 5
		{0x62, 0xf1, 0x7c, 0x48, 0x11, 0x44, 0x24, 0x01}, // VMOVUPS [rsp+64], zmm0
		// VPTERNLOGD zmm0, zmm1, zmm2, 255
		{0x62, 0xf3, 0x75, 0x48, 0x25, 0xc2, 0xff},
		// VMOVDQU ymm0, [r11+r9*8+256]
		{0xc4, 0x81, 0x7e, 0x6f, 0x84, 0xcb, 0x00, 0x01, 0x00, 0x00},
	} {
		if n := instructionLen(append(bytes.Clone(c), bytes.Repeat([]byte{0xcc}, 16)...)); n != len(
			c) {
			t.Errorf("% x: %d bytes, want %d", c, n, len(c))
		}
	}
}

var cycles = flag.Int("textpatch.cycles", 200,
	"how often text is patched and undone while threads run it")

// clearPlain keeps its argument in a register: what calls it in room leaves no place on the stack
// for it.
//
//go:noinline
//go:norace
func clearPlain(p *uint32) { *p = *p &^ 0xff }

//go:noinline
func fourCalls(p *[4]uint32) {
	clearPlain(&p[0])
	clearPlain(&p[1])
	clearPlain(&p[2])
	clearPlain(&p[3])
}

// Go's assembler lets no call lie across a multiple of 32 (because of Intel's erratum SKX102), but
// what it didn't write may. So room is the room for another function: a leaf without a frame, so
// that stacks unwind the same wherever one is in it.
//
//go:noinline
//go:norace
func room(p *[4]uint32) {
	x := p[0]
	x = x*268435457 ^ x>>3
	x = x*268451295 ^ x>>4
	x = x*268467133 ^ x>>5
	x = x*268482971 ^ x>>6
	x = x*268498809 ^ x>>7
	x = x*268514647 ^ x>>8
	x = x*268530485 ^ x>>9
	x = x*268546323 ^ x>>10
	x = x*268562161 ^ x>>11
	x = x*268577999 ^ x>>12
	x = x*268593837 ^ x>>13
	x = x*268609675 ^ x>>14
	x = x*268625513 ^ x>>15
	x = x*268641351 ^ x>>3
	x = x*268657189 ^ x>>4
	x = x*268673027 ^ x>>5
	x = x*268688865 ^ x>>6
	x = x*268704703 ^ x>>7
	x = x*268720541 ^ x>>8
	x = x*268736379 ^ x>>9
	x = x*268752217 ^ x>>10
	x = x*268768055 ^ x>>11
	x = x*268783893 ^ x>>12
	x = x*268799731 ^ x>>13
	x = x*268815569 ^ x>>14
	x = x*268831407 ^ x>>15
	x = x*268847245 ^ x>>3
	x = x*268863083 ^ x>>4
	x = x*268878921 ^ x>>5
	x = x*268894759 ^ x>>6
	x = x*268910597 ^ x>>7
	x = x*268926435 ^ x>>8
	x = x*268942273 ^ x>>9
	x = x*268958111 ^ x>>10
	x = x*268973949 ^ x>>11
	x = x*268989787 ^ x>>12
	x = x*269005625 ^ x>>13
	x = x*269021463 ^ x>>14
	x = x*269037301 ^ x>>15
	x = x*269053139 ^ x>>3
	x = x*269068977 ^ x>>4
	x = x*269084815 ^ x>>5
	x = x*269100653 ^ x>>6
	x = x*269116491 ^ x>>7
	x = x*269132329 ^ x>>8
	x = x*269148167 ^ x>>9
	x = x*269164005 ^ x>>10
	x = x*269179843 ^ x>>11
	x = x*269195681 ^ x>>12
	x = x*269211519 ^ x>>13
	x = x*269227357 ^ x>>14
	x = x*269243195 ^ x>>15
	x = x*269259033 ^ x>>3
	x = x*269274871 ^ x>>4
	x = x*269290709 ^ x>>5
	x = x*269306547 ^ x>>6
	x = x*269322385 ^ x>>7
	x = x*269338223 ^ x>>8
	x = x*269354061 ^ x>>9
	x = x*269369899 ^ x>>10
	p[0] = x
}

// writeStraddlingCalls puts fourCalls's code into room, so that of the calls one byte, two, three
// and four lie on the line before.
func writeStraddlingCalls(t *testing.T) {
	entry := Entry(room)
	// movq rax, 8(rsp): where the caller has room for it
	code := []byte{0x48, 0x89, 0x44, 0x24, 0x08}
	for i := range 4 {
		code = append(code, 0x48, 0x8b, 0x44, 0x24, 0x08) // movq 8(rsp), rax
		code = append(code, 0x48, 0x83, 0xc0, byte(4*i))  // addq $4i, rax
		for (entry+uintptr(len(code)))%64 != uintptr(63-i) {
			code = append(code, 0x90)
		}
		call, err := encodeCall(Site{Addr: entry + uintptr(len(code))}, Entry(clearPlain))
		check(t, err)
		code = append(code, call...)
	}
	code = append(code, 0xc3)
	mem, err := openMemory()
	check(t, err)
	defer mem.Close()
	was, err := mem.read(entry, len(code))
	check(t, err)
	if f := runtime.FuncForPC(entry + uintptr(len(code))); f.Entry() != entry {
		t.Fatalf("%d bytes are more than there is room for", len(code))
	}
	apply(t, &Patch{edits: []Edit{{Addr: entry, Old: was, New: code, Part: true}}})
}

func straddles(s Site) bool { return s.Addr/64 != (s.Addr+callLen-1)/64 }

func TestThreadsThatRunTheCodeSeeTheOldOrTheNewInstruction(t *testing.T) {
	for _, c := range []struct {
		name      string
		in        func(*[4]uint32)
		straddles bool
	}{{"calls as Go lays them out", fourCalls, false}, {"calls across cache lines", room, true}} {
		t.Run(c.name, func(t *testing.T) {
			if c.straddles {
				writeStraddlingCalls(t)
			}
			sites := sitesIn(t, clearPlain, c.in)
			if len(sites) != 4 {
				t.Fatalf("%d calls, want 4", len(sites))
			}
			var p Patch
			for _, s := range sites {
				check(t, p.StoreZero(s))
				if straddles(s) != c.straddles {
					t.Fatalf("%v: across cache lines: %v", s, straddles(s))
				}
			}
			for _, when := range ways {
				t.Run(when.String(), func(t *testing.T) { switchWhileRun(t, when, &p, c.in) })
			}
		})
	}
}

// switchWhileRun applies and undoes the patch while threads run f.
func switchWhileRun(t *testing.T, when When, p *Patch, f func(*[4]uint32)) {
	// Profiling interrupts the threads at any instruction, and unwinds their stacks; the collector
	// stops them, and scans these.
	if err := pprof.StartCPUProfile(new(bytes.Buffer)); err == nil {
		defer pprof.StopCPUProfile()
	}
	var wrong atomic.Int64
	before := Traps()
	stop := hammer(2, func() {
		words := [4]uint32{0x0a0b0c0d, 0x0a0b0c0d, 0x0a0b0c0d, 0x0a0b0c0d}
		f(&words)
		if words != [4]uint32{0x0a0b0c00, 0x0a0b0c00, 0x0a0b0c00, 0x0a0b0c00} {
			wrong.Add(1)
		}
	})
	var err error
	for i := 0; i < *cycles && err == nil; i++ {
		if err = p.Apply(when); err == nil {
			err = p.Undo(when)
		}
		if i%100 == 0 {
			runtime.GC()
		}
	}
	calls := stop()
	check(t, err)
	t.Logf("%d cycles; %d runs by other threads; a breakpoint was met %d times", *cycles, calls,
		Traps()-before)
	if wrong.Load() != 0 {
		t.Errorf("%d runs did what neither instruction does", wrong.Load())
	}
	if met := Traps() != before; met != (when == Live) {
		t.Errorf("%v: a thread met a breakpoint: %v", when, met)
	}
}

func TestABreakpointThatIsNotOursIsTheRuntimes(t *testing.T) {
	if runIsChild(t) {
		var p Patch
		check(t, p.Nop(sitesIn(t, clear, callOnce)[0]), p.Apply(Live), p.Undo(Live))
		runtime.Breakpoint()
		return
	}
	out := runChild(t, 2)
	if !strings.Contains(out, "SIGTRAP: trace trap") ||
		!strings.Contains(out, "TestABreakpointThatIsNotOursIsTheRuntimes") {
		t.Errorf("the runtime doesn't say what it says of traps:\n%s", out)
	}
}
