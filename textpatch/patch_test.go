//go:build linux && (amd64 || 386 || arm64) && !purego

package textpatch

import (
	"bytes"
	"errors"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
)

var clears atomic.Int64

// clear is what the tests' programs call; counted, so that it is known whether it was.
//
//go:noinline
func clear(p *uint32) {
	clears.Add(1)
	*p = 0
}

// clearOther is another function like it.
//
//go:noinline
func clearOther(p *uint32) {
	clears.Add(1000)
	*p = 0
}

// ways is how text can be written in this build.
var ways = map[string][]When{"amd64": {Quiet, Live}, "386": {Quiet},
	"arm64": {Quiet}}[runtime.GOARCH]

//go:noinline
func callOnce(p *uint32) { clear(p) }

//go:noinline
func callTwice(p, q *uint32) {
	clear(p)
	clear(q)
}

func inlinedCall(p *uint32) { clear(p) }

//go:noinline
func callInlined(p *uint32) { inlinedCall(p) }

//go:noinline
func callDeferred(p *uint32) {
	defer clear(p)
	*p = 2
}

// sitesIn returns the sites in a function.
func sitesIn(t *testing.T, target, in any) []Site {
	t.Helper()
	all, unsure, err := Calls(Entry(target))
	if err != nil {
		t.Fatal(err)
	}
	if len(unsure) != 0 {
		t.Errorf("not known to be calls: %v", unsure)
	}
	return sitesOf(in, all)
}

// sitesOf returns those sites that are in a function.
func sitesOf(in any, all []Site) (own []Site) {
	for _, s := range all {
		if runtime.FuncForPC(s.Addr).Entry() == Entry(in) {
			own = append(own, s)
		}
	}
	return own
}

func apply(t *testing.T, p *Patch) {
	t.Helper()
	err := p.Apply(Quiet)
	if errors.Is(err, ErrNoEffect) {
		t.Skipf("SKIPPED: %v", err)
	}
	check(t, err)
	t.Cleanup(func() {
		if err := p.Undo(Quiet); err != nil {
			t.Error(err)
		}
	})
}

func check(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

func TestEveryCallIsFoundWhereItIs(t *testing.T) {
	for _, c := range []struct {
		name string
		in   any
		want int
	}{
		{"one", callOnce, 1}, {"two", callTwice, 2}, {"inlined", callInlined, 1},
		{"deferred: open-coded", callDeferred, 1},
		{"itself", clear, 0}, {"none", clearOther, 0},
	} {
		sites := sitesIn(t, clear, c.in)
		if c.name == "deferred: open-coded" && len(sites) == 0 {
			continue // the compiler may have made a closure of it, as with -race and -N
		}
		if len(sites) != c.want {
			t.Errorf("%s: %d sites, want %d: %v", c.name, len(sites), c.want, sites)
		}
		for _, s := range sites {
			if _, file, line := s.Where(); !strings.HasSuffix(file, "patch_test.go") || line == 0 {
				t.Errorf("%s: at %s:%d", c.name, file, line)
			}
		}
	}
}

func TestACallThatIsReplacedByAnotherCallsThat(t *testing.T) {
	sites := sitesIn(t, clear, callTwice)
	var p Patch
	check(t, p.Call(sites[0], Entry(clearOther)))
	x, y := uint32(1), uint32(1)
	for _, c := range []struct {
		does string
		want int64
		step func() error
	}{
		{"before", 2, func() error { return nil }},
		{"patched", 1001, func() error { return p.Apply(Quiet) }},
		{"applied twice", 1001, func() error { return p.Apply(Quiet) }},
		{"undone", 2, func() error { return p.Undo(Quiet) }},
		{"undone twice", 2, func() error { return p.Undo(Quiet) }},
	} {
		check(t, c.step())
		clears.Store(0)
		callTwice(&x, &y)
		if n := clears.Load(); n != c.want {
			t.Errorf("%s: the calls counted %d, want %d", c.does, n, c.want)
		}
	}
}

func TestACallThatIsReplacedByNothingDoesNothing(t *testing.T) {
	var p Patch
	check(t, p.Nop(sitesIn(t, clear, callOnce)[0]))
	apply(t, &p)
	x := uint32(5)
	clears.Store(0)
	callOnce(&x)
	if x != 5 || clears.Load() != 0 {
		t.Errorf("the word is %d, calls %d", x, clears.Load())
	}
}

func TestOtherCodeThanExpectedIsRefusedByNameAndLeftAlone(t *testing.T) {
	both := sitesIn(t, clear, callTwice)
	var first, second Patch
	check(t, first.Nop(both[1]), second.Nop(both[0]), second.Nop(both[1]))
	apply(t, &first)
	err := second.Apply(Quiet)
	var m *Mismatch
	if !errors.As(err, &m) || m.Addr != both[1].Addr || !bytes.Equal(m.Have, first.Edits()[0].New) {
		t.Fatalf("%v", err)
	}
	if second.Applied() {
		t.Error("it says that it is applied")
	}
	x, y := uint32(1), uint32(1)
	callTwice(&x, &y)
	if x != 0 || y != 1 {
		t.Errorf("words are %d and %d: the first call should do what it did, the second nothing", x,
			y)
	}
}

// Writes are refused one time, as by a signal, and from some time on to one place, as by a sandbox:
// what was written before that is put back.
func TestAWriteThatIsRefusedChangesNothing(t *testing.T) {
	sites := sitesIn(t, clear, callTwice)
	defer func() { refuse = nil }()
	for _, when := range ways {
		mem, err := openMemory()
		check(t, err, mem.try(when))
		mem.Close()
		var seen []uintptr // the places of the writes of a patch that is not refused
		refuse = func(addr uintptr) error {
			seen = append(seen, addr)
			return nil
		}
		var p Patch
		check(t, p.Nop(sites[0]), p.Call(sites[1], Entry(clearOther)), p.Apply(when))
		refuse = nil
		check(t, p.Undo(when))
		for n, place := range seen {
			for _, always := range []bool{false, true} {
				if always && slices.Contains(seen[:n], place) {
					continue // it would have been refused before
				}
				writes := 0
				refuse = func(addr uintptr) error {
					writes++
					if writes == n+1 || always && addr == place {
						return syscall.EIO
					}
					return nil
				}
				var p Patch
				check(t, p.Nop(sites[0]), p.Call(sites[1], Entry(clearOther)))
				err := p.Apply(when)
				refuse = nil
				if !errors.Is(err, syscall.EIO) || strings.Contains(err.Error(), "undone") ||
					strings.Contains(err.Error(), "\n") {
					t.Fatalf("%v: write %d of %d refused: %v, want the kernel's error in one line",
						when, n+1, len(seen), err)
				}
				clears.Store(0)
				x, y := uint32(1), uint32(1)
				if callTwice(&x, &y); x != 0 || y != 0 || clears.Load() != 2 || p.Applied() ||
					!p.Touched() {
					t.Errorf("%v: write %d refused: words are %d and %d, calls counted %d", when,
						n+1, x, y, clears.Load())
				}
			}
		}
	}
}

func TestWhatIsNoInstructionIsNotWritten(t *testing.T) {
	s := sitesIn(t, clear, callOnce)[0]
	was, err := encodeCall(s, s.Target)
	check(t, err)
	for _, bad := range [][]byte{
		bytes.Repeat([]byte{0x06}, len(was)), // undefined in 64-bit mode; on arm64 too
		append([]byte{0x90}, was[1:]...),     // two instructions
		append(bytes.Clone(was), was...),     // too long
	} {
		if runtime.GOARCH != "amd64" && len(bad) == len(was) {
			continue
		}
		p := Patch{edits: []Edit{{Addr: s.Addr, Old: was, New: bad}}}
		if err := p.Apply(Quiet); err == nil {
			check(t, p.Undo(Quiet))
			t.Errorf("% x was written", bad)
		}
	}
}

func TestTheDisassemblyIsOfLiveMemory(t *testing.T) {
	s := sitesIn(t, clear, callOnce)[0]
	var p Patch
	check(t, p.Call(s, Entry(clearOther)))
	text := func() string {
		lines, err := Disassemble(s.Addr, 1)
		check(t, err)
		return lines[0].String()
	}
	if before := text(); !strings.Contains(before, "textpatch.clear(SB)") {
		t.Errorf("before: %s", before)
	}
	apply(t, &p)
	if after := text(); !strings.Contains(after, "textpatch.clearOther(SB)") {
		t.Errorf("after: %s", after)
	}
}

func TestNoMappingIsWritableAndExecutable(t *testing.T) {
	var p Patch
	check(t, p.Nop(sitesIn(t, clear, callOnce)[0]))
	apply(t, &p)
	maps, err := os.ReadFile("/proc/self/maps")
	check(t, err)
	for line := range strings.Lines(string(maps)) {
		if perms := strings.Fields(line)[1]; strings.Contains(perms, "w") &&
			strings.Contains(perms, "x") {
			t.Error(line)
		}
	}
}
