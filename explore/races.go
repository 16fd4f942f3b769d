package explore

import (
	"fmt"
	"os"
	"runtime"
	"strings"

	"example.com/pvlock/explore/internal/x86"
)

// Data races in Go's sense. Two accesses to the same memory, of which one writes and one is no
// sync/atomic's, race if nothing orders them. A program has such a pair if, and only if, in some
// sequentially consistent execution both are the next steps of their threads (Boehm, Adve:
// Foundations of the C++ concurrency memory model, 2008): so an exploration under SC has but to
// look at each state.

// race reports whether the next steps of two threads race, and says which.
func (w *worker) race() bool {
	type access struct {
		in   *instr
		addr uint64
	}
	var next [maxThreads]access
	for i := range w.x.n {
		w.enter(i)
		in := w.t.at
		if in == nil || in.hook != nil || in.err != nil || in.Access == x86.None || in.NilCheck {
			continue
		}
		if w.prepare(in); w.class != sharedClass {
			continue
		}
		next[i] = access{in, w.addr}
		for j, other := range next[:i] {
			o := other.in
			if o == nil || o.Access == x86.Load && in.Access == x86.Load ||
				other.addr >= w.addr+uint64(in.Size) || w.addr >= other.addr+uint64(o.Size) {
				continue
			}
			one, two := w.isAtomic(o), w.isAtomic(in)
			if one && two {
				continue
			}
			here, _ := w.x.program.caller(w.s, i)
			there, _ := w.x.program.caller(w.s, j)
			w.fail("data race", "%s: %s at %s by thread %d, %s at %s by thread %d",
				w.name(max(w.addr, other.addr)), kindOf(o, one), there, j, kindOf(in, two), here, i)
			return true
		}
	}
	return false
}

func kindOf(in *instr, atomic bool) string {
	kind := "write"
	if in.Access == x86.Load {
		kind = "read"
	}
	if atomic {
		return "atomic " + kind
	}
	return kind
}

// isAtomic reports whether an access is sync/atomic's, or of package sync's own. An atomic load is
// the same instruction as a plain one: then the source line says it, for all that is on that line.
func (w *worker) isAtomic(in *instr) bool {
	if in.Access == x86.LockedRMW {
		return true
	}
	if a, ok := w.atomics[in]; ok {
		return a
	}
	a := atomicSource(in.PC)
	if w.atomics == nil {
		w.atomics = make(map[*instr]bool)
	}
	w.atomics[in] = a
	return a
}

func atomicSource(pc uint64) bool {
	frames := framesAt(pc)
	for {
		f, more := frames.Next()
		for _, p := range []string{"sync/atomic.", "internal/runtime/atomic.", "sync.",
			"internal/sync."} {
			if strings.HasPrefix(f.Function, p) {
				return true
			}
		}
		if !more {
			break
		}
	}
	f, _ := framesAt(pc).Next()
	text, err := os.ReadFile(f.File)
	if err != nil {
		return false
	}
	n := 0
	for line := range strings.Lines(string(text)) {
		if n++; n == f.Line {
			return strings.Contains(line, "atomic.")
		}
	}
	return false
}

// needsSource says why races can't be told apart, or is "": the sources must be there.
func needsSource(bodies []func()) string {
	for _, b := range bodies {
		f := runtime.FuncForPC(uintptr(word(closureAddress(b))))
		if f == nil {
			continue
		}
		file, _ := f.FileLine(f.Entry())
		if _, err := os.Stat(file); err != nil {
			return fmt.Sprintf("Races reads the sources, to tell atomic loads from plain ones: %v",
				err)
		}
	}
	return ""
}
