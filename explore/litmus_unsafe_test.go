package explore

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"unsafe"

	"example.com/pvlock/explore/internal/x86"
)

// A litmus is the memory and the registers of a litmus test. The cells lie apart: the compiler
// makes one store of two to neighbours.
type litmus struct {
	x   uint32
	_   [60]byte
	y   uint32
	_   [60]byte
	pad uint32
	r   [4]uint32
}

//go:noinline
func report(r0, r1, r2, r3, x, y uint32) {}

// outcomes returns all [r0 r1 r2 r3 x y] that a test may end with, in order.
func outcomes(t *testing.T, cfg Config, l *litmus, bodies []func()) (all [][6]uint32) {
	t.Helper()
	var mu sync.Mutex
	seen := make(map[[6]uint32]bool)
	hook := Hook{Func: report, Args: 6, Local: true, Call: func(t *Thread, _ int) {
		mu.Lock()
		defer mu.Unlock()
		var o [6]uint32
		for i := range o {
			o[i] = uint32(t.Arg(i))
		}
		seen[o] = true
	}}
	cfg.Hooks = []Hook{hook}
	cfg.Final = func() { report(l.r[0], l.r[1], l.r[2], l.r[3], l.x, l.y) }
	r := Run(cfg, bodies...)
	if r.Finding != nil || r.Refused != "" || !r.Complete {
		t.Fatal(r)
	}
	for o := range seen {
		all = append(all, o)
	}
	slices.SortFunc(all, func(a, b [6]uint32) int { return slices.Compare(a[:], b[:]) })
	return all
}

// has reports whether an outcome is among all; any value will do where it has 9.
func has(all [][6]uint32, outcome [6]uint32) bool {
	return slices.ContainsFunc(all, func(o [6]uint32) bool {
		for i, v := range outcome {
			if v != 9 && o[i] != v {
				return false
			}
		}
		return true
	})
}

// The litmus tests of x86, with what its model allows (Owens, Sarkar, Sewell: A Better x86 Memory
// Model: x86-TSO, 2009, and the tests of the processors' manuals). All outcomes are those of the
// axioms of herd's models, worked out here; herd itself was not run.
func TestLitmus(t *testing.T) {
	explorable(t)
	load := func(p *uint32) uint32 { return atomic.LoadUint32(p) }
	for _, tt := range []struct {
		name string
		text string // for the axioms, which know no parts of words
		// weak is an outcome that tells models apart: any is 9. It is allowed under TSO, or not;
		// never under SC.
		weak    [6]uint32
		allowed bool
		// tso and sc are how many outcomes there are in all.
		tso, sc int
		bodies  func(l *litmus) []func()
	}{
		{"SB", "x=1 r0=y | y=1 r1=x", [6]uint32{0, 0, 9, 9, 9, 9}, true, 4, 3,
			func(l *litmus) []func() {
				return []func(){
					func() { l.x = 1; l.r[0] = load(&l.y) },
					func() { l.y = 1; l.r[1] = load(&l.x) },
				}
			}},
		{"SB with locked stores", "x!1 r0=y | y!1 r1=x", [6]uint32{0, 0, 9, 9, 9, 9}, false, 3, 3,
			func(l *litmus) []func() {
				return []func(){
					func() { atomic.StoreUint32(&l.x, 1); l.r[0] = load(&l.y) },
					func() { atomic.StoreUint32(&l.y, 1); l.r[1] = load(&l.x) },
				}
			}},
		{"SB with one locked store", "x!1 r0=y | y=1 r1=x", [6]uint32{0, 0, 9, 9, 9, 9}, true, 4, 3,
			func(l *litmus) []func() {
				return []func(){
					func() { atomic.StoreUint32(&l.x, 1); l.r[0] = load(&l.y) },
					func() { l.y = 1; l.r[1] = load(&l.x) },
				}
			}},
		{"SB with locked instructions elsewhere", "x=1 p+ r0=y | y=1 p+ r1=x",
			[6]uint32{0, 0, 9, 9, 9, 9}, false, 3, 3, func(l *litmus) []func() {
				return []func(){
					func() { l.x = 1; atomic.AddUint32(&l.pad, 1); l.r[0] = load(&l.y) },
					func() { l.y = 1; atomic.AddUint32(&l.pad, 1); l.r[1] = load(&l.x) },
				}
			}},
		{"MP", "x=1 y=1 | r0=y r1=x", [6]uint32{1, 0, 9, 9, 9, 9}, false, 3, 3,
			func(l *litmus) []func() {
				return []func(){
					func() { l.x = 1; l.y = 1 },
					func() { l.r[0] = load(&l.y); l.r[1] = load(&l.x) },
				}
			}},
		{"LB", "r0=x y=1 | r1=y x=1", [6]uint32{1, 1, 9, 9, 9, 9}, false, 3, 3,
			func(l *litmus) []func() {
				return []func(){
					func() { l.r[0] = load(&l.x); l.y = 1 },
					func() { l.r[1] = load(&l.y); l.x = 1 },
				}
			}},
		{"IRIW", "x=1 | y=1 | r0=x r1=y | r2=y r3=x", [6]uint32{1, 0, 1, 0, 9, 9}, false, 15, 15,
			func(l *litmus) []func() {
				return []func(){
					func() { l.x = 1 },
					func() { l.y = 1 },
					func() { l.r[0] = load(&l.x); l.r[1] = load(&l.y) },
					func() { l.r[2] = load(&l.y); l.r[3] = load(&l.x) },
				}
			}},
		{"WRC", "x=1 | r0=x y=1 | r1=y r2=x", [6]uint32{1, 1, 0, 9, 9, 9}, false, 7, 7,
			func(l *litmus) []func() {
				return []func(){
					func() { l.x = 1 },
					func() { l.r[0] = load(&l.x); l.y = 1 },
					func() { l.r[1] = load(&l.y); l.r[2] = load(&l.x) },
				}
			}},
		{"n6", "x=1 r0=x r1=y | y=2 x=2", [6]uint32{1, 0, 9, 9, 1, 9}, true, 0, 0,
			func(l *litmus) []func() {
				return []func(){
					func() { l.x = 1; l.r[0] = load(&l.x); l.r[1] = load(&l.y) },
					func() { l.y = 2; l.x = 2 },
				}
			}},
		{"n5", "x=1 r0=x | x=2 r1=x", [6]uint32{2, 1, 9, 9, 9, 9}, false, 0, 0,
			func(l *litmus) []func() {
				return []func(){
					func() { l.x = 1; l.r[0] = load(&l.x) },
					func() { l.x = 2; l.r[1] = load(&l.x) },
				}
			}},
		{"n7: own stores early", "x=1 r0=x r1=y | y=1 r2=y r3=x", [6]uint32{1, 0, 1, 0, 9, 9}, true,
			4, 3, func(l *litmus) []func() {
				return []func(){
					func() { l.x = 1; l.r[0] = load(&l.x); l.r[1] = load(&l.y) },
					func() { l.y = 1; l.r[2] = load(&l.y); l.r[3] = load(&l.x) },
				}
			}},
		{"2+2W", "x=1 y=2 | y=1 x=2", [6]uint32{9, 9, 9, 9, 1, 1}, false, 3, 3,
			func(l *litmus) []func() {
				return []func(){
					func() { l.x = 1; l.y = 2 },
					func() { l.y = 1; l.x = 2 },
				}
			}},
		// A load of four bytes of which two are the thread's own. A processor waits until the store
		// is in memory; to merge them, as here, allows no less.
		{"mixed sizes", "", [6]uint32{0x00010002, 9, 9, 9, 9, 9}, true, 0, 0,
			func(l *litmus) []func() {
				low := (*uint16)(unsafe.Pointer(&l.x))
				high := (*uint16)(unsafe.Add(unsafe.Pointer(&l.x), 2))
				return []func(){
					func() { *low = 2; l.r[0] = load(&l.x); l.r[1] = load(&l.y) },
					func() { *high = 1; l.y = 1 },
				}
			}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var l litmus
			bodies := tt.bodies(&l)
			for _, memory := range []Model{TSO, SC} {
				all := outcomes(t, Config{Memory: memory}, &l, bodies)
				found := has(all, tt.weak)
				allowed, count := tt.allowed, tt.tso
				if memory == SC {
					allowed, count = false, tt.sc
					if tt.name == "mixed sizes" {
						allowed = true
					}
				}
				if found != allowed {
					t.Errorf("%v: %v: %v found: %v, want %v", memory, all, tt.weak, found, allowed)
				}
				if want := axiomatic(tt.text, memory); tt.text != "" && !slices.Equal(all, want) {
					t.Errorf("%v: %v, by the axioms %v", memory, all, want)
				}
				if count != 0 && len(all) != count {
					t.Errorf("%v: %d outcomes, want %d: %v", memory, len(all), count, all)
				}
			}
		})
	}
}

var litmusPrograms = flag.Int("litmus", 12,
	"how many litmus tests of chance are compared with the axioms")

// Litmus tests of chance: what two or three threads with up to four stores, loads and locked
// instructions end with is what the axioms allow, with reductions and without.
func TestLitmusOfChance(t *testing.T) {
	explorable(t)
	const seed = 15
	r := rand.New(rand.NewPCG(seed, seed))
	for range *litmusPrograms {
		text := litmusOfChance(r)
		var l litmus
		var bodies []func()
		for i := range strings.Count(text, "|") + 1 {
			bodies = append(bodies, litmusBody(&l, text, i))
		}
		for _, cfg := range []Config{{}, {Memory: SC}, {Without: PartialOrder | Facts}} {
			if all, want := outcomes(t, cfg, &l, bodies), axiomatic(text,
				cfg.Memory); !slices.Equal(all, want) {
				t.Errorf("%s: %v without %d: %v, by the axioms %v", text, cfg.Memory, cfg.Without,
					all, want)
			}
		}
	}
}

func litmusOfChance(r *rand.Rand) string {
	var b strings.Builder
	value, reg := 0, 0
	for i := range 2 + r.IntN(2) {
		if i > 0 {
			b.WriteString("| ")
		}
		for range 1 + r.IntN(4) {
			loc := axiomLocations[r.IntN(2)]
			switch kind := r.IntN(8); {
			case kind == 0:
				b.WriteString("p+ ")
			case kind < 4 && reg < 4:
				fmt.Fprintf(&b, "r%d=%c ", reg, loc)
				reg++
			default:
				value++
				fmt.Fprintf(&b, "%c%c%d ", loc, "!=="[kind%3], value)
			}
		}
	}
	return b.String()
}

// litmusBody does what thread i of a test's text does.
func litmusBody(l *litmus, text string, i int) func() {
	events := slices.DeleteFunc(axiomEvents(text), func(e axiomEvent) bool { return e.thread != i })
	return func() {
		for k := range events {
			e := &events[k]
			p := &l.x
			switch e.loc {
			case 1:
				p = &l.y
			case 2:
				p = &l.pad
			}
			switch {
			case e.locked && !e.write: // the write does both
			case !e.write:
				l.r[e.reg] = atomic.LoadUint32(p)
			case !e.locked:
				*p = uint32(e.value)
			case e.loc == 2:
				atomic.AddUint32(p, 1)
			default:
				atomic.StoreUint32(p, uint32(e.value))
			}
		}
	}
}

func storeBuffering(l *litmus) []func() {
	return []func(){
		func() { atomic.StoreUint32(&l.x, 1); l.r[0] = atomic.LoadUint32(&l.y) },
		func() { atomic.StoreUint32(&l.y, 1); l.r[1] = atomic.LoadUint32(&l.x) },
	}
}

// fenced has in r2 and r3 what the additions found: they are not both first.
func fenced(l *litmus) []func() {
	return []func(){
		func() {
			l.x = 1
			l.r[2] = atomic.AddUint32(&l.pad,
				1) - 1
			l.r[0] = atomic.LoadUint32(&l.y)
		},
		func() {
			l.y = 1
			l.r[3] = atomic.AddUint32(&l.pad,
				1) - 1
			l.r[1] = atomic.LoadUint32(&l.x)
		},
	}
}

func messagePassing(l *litmus) []func() {
	return []func(){
		func() { l.x = 1; atomic.StoreUint32(&l.y, 1) },
		func() { l.r[0] = atomic.LoadUint32(&l.y); l.r[1] = atomic.LoadUint32(&l.x) },
	}
}

// ownMemory has in r0 what the addition has found, and one more if that was nothing.
func ownMemory(l *litmus) []func() {
	return []func(){
		func() { l.x = 1; l.r[0] = 3 - atomic.AddUint32(&l.x, 1) },
		func() { l.r[1] = atomic.LoadUint32(&l.x) },
	}
}

// What each weakening of the locked instructions of a test allows that was forbidden, and what it
// does not allow.
func TestLitmusOfWeakenings(t *testing.T) {
	explorable(t)
	locked := func(in *instr) bool { return in.Access == x86.LockedRMW }
	for _, tt := range []struct {
		name    string
		memory  Model
		weak    Weakening
		outcome [6]uint32
		allowed bool
		bodies  func(l *litmus) []func()
	}{
		// XCHG is locked without a prefix. A plain one is a store, which waits in the buffer.
		{"SB, XCHG", TSO, 0, [6]uint32{0, 0, 9, 9, 9, 9}, false, storeBuffering},
		{"SB, plain XCHG", TSO, PlainRMW, [6]uint32{0, 0, 9, 9, 9, 9}, true, storeBuffering},
		{"SB, plain XCHG under SC", SC, PlainRMW, [6]uint32{0, 0, 9, 9, 9, 9}, false,
			storeBuffering},
		// A locked instruction of other memory as a fence. Without the fence it is still one step.
		{"SB, XADD elsewhere", TSO, 0, [6]uint32{0, 0, 9, 9, 9, 9}, false, fenced},
		{"SB, XADD elsewhere, no fence", TSO, NoFence, [6]uint32{0, 0, 9, 9, 9, 9}, true, fenced},
		{"an update is lost of XADD", TSO, 0, [6]uint32{9, 9, 0, 0, 9, 9}, false, fenced},
		{"an update is lost of XADD without the fence", TSO, NoFence, [6]uint32{9, 9, 0, 0, 9, 9},
			false, fenced},
		{"an update is lost of plain XADD", TSO, PlainRMW, [6]uint32{9, 9, 0, 0, 9, 9}, true,
			fenced},
		{"an update is lost of plain XADD under SC", SC, PlainRMW, [6]uint32{9, 9, 0, 0, 9, 9},
			true, fenced},
		// A plain store stays behind older ones. A locked one without the fence overtakes them.
		{"MP, XCHG", TSO, 0, [6]uint32{1, 0, 9, 9, 9, 9}, false, messagePassing},
		{"MP, plain XCHG", TSO, PlainRMW, [6]uint32{1, 0, 9, 9, 9, 9}, false, messagePassing},
		{"MP, XCHG without the fence", TSO, NoFence, [6]uint32{1, 0, 9, 9, 9, 9}, true,
			messagePassing},
		// It does not overtake a store to its own memory.
		{"own memory, no fence", TSO, NoFence, [6]uint32{9, 9, 9, 9, 2, 9}, true, ownMemory},
		{"own memory, no fence, the store last", TSO, NoFence, [6]uint32{9, 9, 9, 9, 1, 9}, false,
			ownMemory},
		{"own memory, no fence, the store lost", TSO, NoFence, [6]uint32{2, 9, 9, 9, 9, 9}, false,
			ownMemory},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var l litmus
			bodies := tt.bodies(&l)
			cfg := Config{Memory: tt.memory, Weaken: make(map[uintptr]Weakening)}
			for _, b := range bodies {
				if at := firstOf(b, locked); at != 0 && tt.weak != 0 {
					cfg.Weaken[at] = tt.weak
				}
			}
			if all := outcomes(t, cfg, &l, bodies); has(all, tt.outcome) != tt.allowed {
				t.Errorf("%v: %v found: %v, want %v", all, tt.outcome, !tt.allowed, tt.allowed)
			}
		})
	}
}
