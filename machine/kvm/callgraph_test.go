//go:build linux && amd64 && !purego && !race

package kvm_test

import (
	"debug/elf"
	"encoding/binary"
	"fmt"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"

	"golang.org/x/arch/x86/x86asm"

	"example.com/pvlock/machine/kvm"
	"example.com/pvlock/paravirt"
	"example.com/pvlock/spinlock"
	"example.com/pvlock/workload"
)

// mayReach are the functions at which the walk stops, each with the reason why the guest may
// contain a call to it.
var mayReach = map[string]string{
	"runtime.morestack_noctxt": "the check that each function begins with: a guest's " +
		"stack doesn't grow, and coming here is its end (TestAFaultEndsTheMachineAndSaysWhere)",
	"runtime.morestack": "the same, of closures",
	"runtime.panicBounds": "an index out of range: a bug of the lock's, and the " +
		"end of the machine",
	"example.com/pvlock/spinlock.misused": "the caller doesn't hold what it unlocks: on other " +
		"machines the end of the program, here of the machine",
	"sync.fatal": "a lock that finds its own data corrupted: likewise",
}

// indirect lists the functions that call through a func value. They are given every value that a
// guest can meet: a call through any other has no place in a guest.
var indirect = map[string]bool{
	"example.com/pvlock/machine/kvm.guestMain":        true, // the body
	"example.com/pvlock/workload.(*Client).Run":       true, // Lock and Unlock
	"example.com/pvlock/paravirt.(*CPU).Wait":         true,
	"example.com/pvlock/paravirt.(*CPU).Kick":         true,
	"example.com/pvlock/paravirt.(*CPU).Poll":         true,
	"example.com/pvlock/paravirt.(*CPU).Notify":       true,
	"example.com/pvlock/paravirt.(*CPU).ClearPending": true,
	"example.com/pvlock/paravirt.(*CPU).SetPending":   true,
	"example.com/pvlock/paravirt.(*CPU).TestPending":  true,
	"example.com/pvlock/paravirt.WordChannel":         true, // park and unpark
}

// TestGuestCodeReachesNothingOfTheRuntime walks the call graph of all that package bench runs in a
// guest, in the machine code of this very binary.
func TestGuestCodeReachesNothingOfTheRuntime(t *testing.T) {
	w := newWalk(t)
	w.root("the entry", kvm.EntryPC())
	w.value("guestMain", kvm.GuestMain)
	w.value("park", kvm.Park)
	w.value("unpark", kvm.Unpark)
	w.value("Wait", paravirt.WaitEvent)
	w.value("Kick", paravirt.KickEvent)
	ops := reflect.ValueOf(kvm.Channel())
	for i := range ops.NumField() {
		// The host's threads bind and unbind.
		if f := ops.Field(i); !f.IsNil() {
			w.root(ops.Type().Field(i).Name, f.Pointer())
		}
	}
	for _, k := range spinlock.Kinds() {
		w.value(k.Name+" Lock", k.Lock)
		w.value(k.Name+" Unlock", k.Unlock)
		if k.Wait != nil {
			w.value(k.Name+" Wait", k.Wait)
			w.value(k.Name+" Kick", k.Kick)
		}
	}
	var clients []workload.Client
	shared, lock := new(workload.Shared), new(workload.Ops)
	w.value("the body", func(c *paravirt.CPU) { clients[c.ID()].Run(c, shared, lock) })
	for _, fault := range w.run() {
		t.Error(fault)
	}
	if t.Failed() {
		return
	}
	// The walk has been where it ought to.
	for _, name := range []string{
		"example.com/pvlock/workload.(*Client).Run",
		"example.com/pvlock/spinlock.markedTicketSlow",
		"example.com/pvlock/spinlock.lockSpinning",
		"example.com/pvlock/paravirt.(*CPU).Wait",
		"example.com/pvlock/machine/kvm.unpark",
		"runtime.morestack_noctxt",
	} {
		if !w.been[name] {
			t.Errorf("the walk hasn't come to %s", name)
		}
	}
	// It meets no call that boot patches, and so sleeps after a native boot as before.
	for name := range w.been {
		for _, door := range []string{"door", "queuedWait", "queuedKick", "ticketSpinning",
			"ticketKick"} {
			if strings.HasPrefix(name, "example.com/pvlock/spinlock."+door) {
				t.Errorf("a guest reaches %s, which is a front door's", name)
			}
		}
	}
	t.Logf("%d functions", len(w.been))
}

type node struct{ next *node }

//go:noinline
func storesPointer(n *node) { n.next = n }

//go:noinline
func callsInterface(s fmt.Stringer) string { return s.String() }

//go:noinline
func starts(f func()) { go f() }

//go:noinline
func sends(c chan int) { c <- 1 }

// What must be found.
func TestTheWalkFindsWhatAGuestMustNotDo(t *testing.T) {
	for _, tt := range []struct {
		name, want string
		f          any
	}{
		{"allocates", "runtime.makeslice", allocates},
		{"stores a pointer", "runtime.gcWriteBarrier", storesPointer},
		{"calls an interface's method", "indirect call", callsInterface},
		{"starts a goroutine", "runtime.newproc", starts},
		{"sends on a channel", "runtime.chansend1", sends},
		{"is in a function that is called", "runtime.makeslice", func() { allocates(nil) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWalk(t)
			w.value(tt.name, tt.f)
			faults := w.run()
			if !slices.ContainsFunc(faults,
				func(s string) bool { return strings.Contains(s, tt.want) }) {
				t.Errorf("found %q, want %s", faults, tt.want)
			}
		})
	}
}

// walk is a walk along the calls in a program's machine code.
type walk struct {
	text, data section
	todo       []step
	seen       map[uintptr]bool
	been       map[string]bool
	faults     []string
}

type section struct {
	addr  uintptr
	bytes []byte
}

// at returns what is at an address, nil if that is elsewhere.
func (s section) at(addr uintptr) []byte {
	if addr < s.addr || addr >= s.addr+uintptr(len(s.bytes)) {
		return nil
	}
	return s.bytes[addr-s.addr:]
}

// step is a function that was reached, and how.
type step struct {
	entry uintptr
	by    string
}

// newWalk reads this program. Where a function begins is known from its own tables, by way
// of package runtime, because test binaries have no symbols.
func newWalk(t *testing.T) *walk {
	t.Helper()
	f, err := elf.Open("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	load := func(name string) section {
		s := f.Section(name)
		if s == nil {
			t.Fatalf("this program has no section %s", name)
		}
		bytes, err := s.Data()
		if err != nil {
			t.Fatal(err)
		}
		return section{uintptr(s.Addr), bytes}
	}
	w := &walk{text: load(".text"), data: load(".rodata"), seen: make(map[uintptr]bool),
		been: make(map[string]bool)}
	if w.text.at(kvm.EntryPC()) == nil {
		t.Skip("this program is not where its file says: it is position-independent")
	}
	return w
}

func (w *walk) root(name string, pc uintptr) { w.todo = append(w.todo, step{pc, name}) }

// value makes a func value a root, and one that indirect calls may meet.
func (w *walk) value(name string, f any) { w.root(name, reflect.ValueOf(f).Pointer()) }

// run walks from the roots and returns what it found wrong.
func (w *walk) run() []string {
	for len(w.todo) > 0 {
		s := w.todo[len(w.todo)-1]
		w.todo = w.todo[:len(w.todo)-1]
		if w.seen[s.entry] {
			continue
		}
		w.seen[s.entry] = true
		name := outermost(s.entry)
		w.been[name] = true
		switch {
		case mayReach[name] != "":
		case !strings.HasPrefix(name, "example.com/pvlock/"):
			w.fault("%s is reached: %s", name, s.by)
		default:
			w.function(s.entry, name, s.by+" → "+strings.TrimPrefix(name, "example.com/pvlock/"))
		}
	}
	return w.faults
}

func (w *walk) fault(format string, args ...any) {
	w.faults = append(w.faults, fmt.Sprintf(format, args...))
}

// function follows what one function calls, jumps to, and takes the address of.
func (w *walk) function(entry uintptr, name, by string) {
	for pc := entry; ; {
		if fn := runtime.FuncForPC(pc); fn == nil || fn.Entry() != entry {
			return // the next one begins
		}
		code := w.text.at(pc)
		if code == nil {
			w.fault("%s at %#x is not in the text: %s", name, pc, by)
			return
		}
		in, err := x86asm.Decode(code, 64)
		if err != nil {
			w.fault("%s at %#x: can't decode % x: %v", name, pc, code[:8], err)
			return
		}
		next := pc + uintptr(in.Len)
		w.instruction(in, entry, pc, next, by)
		pc = next
	}
}

func (w *walk) instruction(in x86asm.Inst, entry, pc, next uintptr, by string) {
	if in.Op == x86asm.SYSCALL || in.Op == x86asm.SYSENTER {
		w.fault("a system call at %#x: %s", pc, by)
	}
	for _, arg := range in.Args {
		switch arg := arg.(type) {
		case x86asm.Rel: // a call or a jump
			target := next + uintptr(arg)
			if fn := runtime.FuncForPC(target); in.Op == x86asm.CALL || fn == nil ||
				fn.Entry() != entry {
				w.root(by, target)
			}
		case x86asm.Mem:
			// The address of a func value without variables is that of a constant that holds the
			// function's.
			if in.Op == x86asm.LEA && arg.Base == x86asm.RIP {
				if b := w.data.at(next + uintptr(arg.Disp)); len(b) >= 8 {
					f := uintptr(binary.LittleEndian.Uint64(b))
					if fn := runtime.FuncForPC(f); fn != nil && fn.Entry() == f {
						w.root(by+" (its address)", f)
					}
				}
			}
		}
	}
	if in.Op != x86asm.CALL && in.Op != x86asm.JMP {
		return
	}
	if _, direct := in.Args[0].(x86asm.Rel); !direct {
		fn := innermost(pc)
		named, _, _ := strings.Cut(fn, ".func") // what a closure is written in
		if !indirect[fn] && !indirect[named] {
			w.fault("an indirect call in %s at %#x: %s", fn, pc, by)
		}
	}
}

// outermost returns the name of the function that code at pc is part of; innermost that of the one
// that was inlined there, if any.
func outermost(pc uintptr) (name string) {
	frames := runtime.CallersFrames([]uintptr{pc + 1})
	for more := true; more; {
		var f runtime.Frame
		f, more = frames.Next()
		name = f.Function
	}
	return name
}

func innermost(pc uintptr) string {
	f, _ := runtime.CallersFrames([]uintptr{pc + 1}).Next()
	return f.Function
}
