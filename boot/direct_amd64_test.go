//go:build linux && amd64 && !purego && !race

package boot

import (
	"fmt"
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"

	"golang.org/x/arch/x86/x86asm"

	"example.com/pvlock/paravirt"
	"example.com/pvlock/spinlock"
	"example.com/pvlock/textpatch"
)

//go:noinline
func takesAndReleases(l *spinlock.Queued, c *paravirt.CPU) {
	l.Lock(c)
	l.Unlock(c)
}

//go:noinline
func takesAndReleasesTicket(l *spinlock.Ticket, c *paravirt.CPU) {
	l.Lock(c)
	l.Unlock(c)
}

// From a caller of Queued.Lock and Queued.Unlock to the entries of the table's Wait and Kick no
// call is indirect once the text is patched, and none of Ticket's pair; unpatched, some are.
func TestNoIndirectCallIsLeftOnTheWayToTheTablesWaitAndKick(t *testing.T) {
	if !inChild(t) {
		for _, table := range []string{"pv", "pv,pvqspin2015"} {
			for _, patch := range []string{"0", "1"} {
				mustPass(t, "PVLOCK="+table, "PVLOCK_PATCH="+patch)
			}
		}
		return
	}
	r, err := Boot(Config{})
	if err != nil {
		t.Fatal(err)
	}
	patched := os.Getenv(EnvPatch) == "1"
	if r.Patch.Done != patched {
		t.Fatalf("patched: %v, %s", r.Patch.Done, r.Patch.Why)
	}
	// The calls' own ends, where what comes after is the machine's.
	ends := map[string]bool{}
	for _, e := range r.After {
		switch e.Op {
		case "Queued.Wait", "Queued.Kick", "Ticket.Spinning", "Ticket.Kick":
			ends[e.Func] = false
		}
	}
	mem, err := os.Open("/proc/self/mem")
	if err != nil {
		t.Fatal(err)
	}
	defer mem.Close()
	w := &liveWalk{mem: mem, ends: ends, seen: map[uintptr]bool{}}
	w.from(textpatch.Entry(takesAndReleases), "")
	w.from(textpatch.Entry(takesAndReleasesTicket), "")
	if patched {
		for _, f := range w.indirect {
			t.Error(f)
		}
		for name, reached := range ends {
			if !reached {
				t.Errorf("the walk hasn't come to %s", name)
			}
		}
	} else if len(w.indirect) < 4 || slices.Contains(slices.Collect(maps.Values(ends)), true) {
		t.Errorf("unpatched, %d indirect calls, and came to %v: want the doors' at least, and to "+
			"none", len(w.indirect), ends)
	}
}

// liveWalk follows direct calls in the live text.
type liveWalk struct {
	mem      *os.File
	ends     map[string]bool // functions at which it stops, and whether it came there
	seen     map[uintptr]bool
	indirect []string
}

func (w *liveWalk) from(entry uintptr, by string) {
	fn := runtime.FuncForPC(entry)
	if w.seen[entry] || fn == nil {
		return
	}
	w.seen[entry] = true
	name := fn.Name()
	if _, end := w.ends[name]; end {
		w.ends[name] = true
		return
	}
	if !strings.HasPrefix(name, "example.com/pvlock/") {
		return // the runtime: a stack that grows, a panic
	}
	by += " → " + opName(name)
	code := make([]byte, 15)
	for pc := entry; ; {
		if f := runtime.FuncForPC(pc); f == nil || f.Entry() != entry {
			return
		}
		if _, err := w.mem.ReadAt(code, int64(pc)); err != nil {
			w.indirect = append(w.indirect, fmt.Sprintf("%s at %#x: %v", by, pc, err))
			return
		}
		in, err := x86asm.Decode(code, 64)
		if err != nil {
			w.indirect = append(w.indirect, fmt.Sprintf("%s at %#x: % x: %v", by, pc, code, err))
			return
		}
		next := pc + uintptr(in.Len)
		if in.Op == x86asm.CALL || in.Op == x86asm.JMP {
			if to, direct := in.Args[0].(x86asm.Rel); direct {
				if target := next + uintptr(to); in.Op == x86asm.CALL || !within(fn, target) {
					w.from(target, by)
				}
			} else {
				w.indirect = append(w.indirect, fmt.Sprintf("%s at %#x: %v", by, pc, in))
			}
		}
		pc = next
	}
}

func within(fn *runtime.Func, pc uintptr) bool {
	f := runtime.FuncForPC(pc)
	return f != nil && f.Entry() == fn.Entry()
}
