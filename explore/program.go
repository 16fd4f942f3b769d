package explore

import (
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"example.com/pvlock/explore/internal/x86"
)

// Integer registers by their numbers in instructions.
const (
	rAX = 0
	rCX = 1
	rDX = 2
	rBX = 3
	rSP = 4
	rBP = 5
	rSI = 6
	rDI = 7
	rG  = 14 // the goroutine, in Go's internal ABI
)

// argRegs are the integer registers of arguments and results, in order, as the internal ABI has it.
var argRegs = [9]uint8{rAX, rBX, rCX, rDI, rSI, 8, 9, 10, 11}

// An instr is an instruction of the explored program, and what the analysis of its function found.
type instr struct {
	x86.Insn
	err          error  // why it could not be decoded; it is a finding if it is reached
	next, target *instr // within the function; target is nil for calls
	fn           *function
	pos          int   // in fn.list
	sp           int32 // the stack pointer at the instruction, from the function's return address
	frame        bool  // it allocates the frame: what is allocated is zeroed
	guard        bool  // the check of the stack's size, which never fails: this stack has its own
	hook         *Hook
	absent       bool // it asks for a feature of the processor, which the interpreter has not got
	weak         Weakening
	called       atomic.Uint64 // the last target of a call by a pointer
}

// A program is what has been decoded of this process's code so far. It grows while workers explore.
type program struct {
	hooks  map[uint64]*Hook // by entry
	byName map[string]*Hook // of the runtime
	layout layout           // and where its tables are
	weak   map[uintptr]Weakening

	mu        sync.RWMutex
	instrs    map[uint64]*instr
	functions map[uint64]*function
	// roots are places in a function that an indirect jump leads to, with their stack pointers.
	// They outlive a round.
	roots map[uint64]map[uint64]int32
	// targets are where calls by pointers lead, by the call. They outlive a round too.
	targets map[uint64][]uint64
	// panicking is where deferred calls return to that a panic has made.
	panicking *instr
}

// newProgram returns a program of which nothing is decoded, with what old has learned.
func newProgram(hooks map[uint64]*Hook, known *knownRuntime, weak map[uintptr]Weakening,
	old *program) *program {
	p := &program{hooks: hooks, byName: known.hooks, layout: known.layout, weak: weak,
		roots: make(map[uint64]map[uint64]int32), targets: make(map[uint64][]uint64),
		functions: make(map[uint64]*function), panicking: newPanicking()}
	if old != nil {
		p.roots, p.targets = old.roots, old.targets
	}
	p.instrs = map[uint64]*instr{panicEntry: p.panicking}
	return p
}

// lookup returns the instruction at pc, and analyses its function if that has not been done. It
// returns nil if pc lies within a function and no one knew that anything leads there.
func (p *program) lookup(pc uint64) *instr {
	p.mu.RLock()
	in := p.instrs[pc]
	p.mu.RUnlock()
	if in != nil {
		return in
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if in := p.instrs[pc]; in != nil {
		return in
	}
	if pc == 0 || entryOf(pc) != pc {
		return nil
	}
	p.function(pc)
	return p.instrs[pc]
}

// addRoot notes that an indirect jump leads to pc.
func (p *program) addRoot(from *instr, pc uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.roots[from.fn.entry] == nil {
		p.roots[from.fn.entry] = make(map[uint64]int32)
	}
	p.roots[from.fn.entry][pc] = from.sp
}

// addTarget notes that a call by a pointer leads to a function. It reports whether that is news.
func (p *program) addTarget(call *instr, entry uint64) bool {
	if call.called.Load() == entry {
		return false
	}
	defer call.called.Store(entry)
	p.mu.RLock()
	known := slices.Contains(p.targets[call.PC], entry)
	p.mu.RUnlock()
	if known {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if slices.Contains(p.targets[call.PC], entry) {
		return false
	}
	p.targets[call.PC] = append(slices.Clone(p.targets[call.PC]), entry)
	slices.Sort(p.targets[call.PC])
	return true
}

// decode decodes one instruction.
func (p *program) decode(pc uint64) *instr {
	in := new(instr)
	if h := p.hookAt(pc); h != nil {
		in.hook = h
		in.PC = pc
		in.Flow = x86.Return
		return in
	}
	insn, err := x86.Decode(text(pc), pc)
	in.Insn, in.err = insn, err
	in.PC = pc
	if err != nil {
		in.Flow, in.Access = x86.Undefined, x86.None
		return in
	}
	if in.Access == x86.Load && in.Size == 1 && in.Mem.Base < 0 && in.Mem.Index < 0 {
		in.absent = asksForFeatures(outermost(pc))
	}
	if w := p.weak[uintptr(pc)]; w != 0 {
		in.weak = w
		if w == PlainRMW && in.Access == x86.LockedRMW {
			in.Access, in.Fence = x86.RMW, false
		}
		if w == NoFence {
			in.Fence = false
		}
	}
	return in
}

// hookAt returns the hook of the function that begins at pc. Hooks by name are asked for once.
func (p *program) hookAt(pc uint64) *Hook {
	if h, ok := p.hooks[pc]; ok {
		return h
	}
	if entryOf(pc) != pc {
		return nil
	}
	name := outermost(pc)
	h := p.runtimeHook(name)
	if h != nil {
		c := *h
		c.name, c.code = name, pc
		h = &c
	}
	p.hooks[pc] = h
	return h
}

func entryOf(pc uint64) uint64 {
	f := runtime.FuncForPC(uintptr(pc))
	if f == nil {
		return 0
	}
	return uint64(f.Entry())
}

// framesAt returns the functions of the source whose code is at pc: what is inlined first. The
// runtime leaves out what the last of some places is inlined into, so this is not the last.
func framesAt(pc uint64) *runtime.Frames {
	return runtime.CallersFrames([]uintptr{uintptr(pc) + 1, 0})
}

// outermost returns the name of the function whose code is at pc, not of one that is inlined there.
func outermost(pc uint64) string {
	frames := framesAt(pc)
	name := ""
	for {
		f, more := frames.Next()
		if f.Function != "" {
			name = f.Function
		}
		if !more {
			return name
		}
	}
}

// place returns the source line of the instruction at pc, and the function that the line is in.
func place(pc uint64) (line, function string) {
	return placeOf(pc, func(f runtime.Frame) bool { return ofRuntime(f.Function) })
}

// placeOf is place, but for what is inlined there and of no interest.
func placeOf(pc uint64, skip func(runtime.Frame) bool) (line, function string) {
	frames := framesAt(pc)
	f, more := frames.Next()
	for more && skip(f) {
		f, more = frames.Next()
	}
	if f.File == "" {
		return fmt.Sprintf("%#x", pc), ""
	}
	file := filepath.ToSlash(f.File)
	if i := strings.LastIndexByte(file, '/'); i >= 0 {
		if j := strings.LastIndexByte(file[:i], '/'); j >= 0 {
			file = file[j+1:]
		}
	}
	return fmt.Sprintf("%s:%d", file, f.Line), f.Function
}

// library is where the standard library's source is: "" if the binary does not say.
var library = func() string {
	f := runtime.FuncForPC(uintptr(codeAddress(runtime.Gosched)))
	file, _ := f.FileLine(f.Entry())
	root, _, _ := strings.Cut(file, "runtime/")
	return root
}()

// ofLibrary reports whether a function is of the standard library.
func ofLibrary(f runtime.Frame) bool {
	return ofRuntime(f.Function) || library != "" && strings.HasPrefix(f.File, library)
}

// allOfLibrary reports whether all functions whose code is at pc are.
func allOfLibrary(pc uint64) bool {
	frames := framesAt(pc)
	f, more := frames.Next()
	for more && ofLibrary(f) {
		f, more = frames.Next()
	}
	return ofLibrary(f)
}

func where(pc uint64) string {
	line, _ := place(pc)
	return line
}
