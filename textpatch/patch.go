package textpatch

import (
	"errors"
	"runtime"
	"sync"
)

// When says when text is written: whichever it is, other goroutines may be about to run it.
type When int

const (
	// Quiet: while all goroutines but the caller's stand still, for some µs an edit. It changes
	// GOMAXPROCS and back, and needs no signal.
	Quiet When = iota
	// Live: while threads run it, by way of a breakpoint. On amd64 only, and not under a debugger.
	Live
)

func (w When) String() string {
	if w == Live {
		return "live"
	}
	return "quiet"
}

// ErrLive is wrapped by the errors that say that text can't be changed [Live] here: nothing
// has changed, and [Quiet] may do.
var ErrLive = errors.New("textpatch: no live patching")

// ErrNoEffect is wrapped by the error that says that what is written to the program's text is
// not what runs. Nothing has changed.
var ErrNoEffect = errors.New("textpatch: writing to the program's text has no effect")

// An Edit is an instruction, or the beginning of one, and the instruction that takes its place: as
// many bytes.
type Edit struct {
	Addr     uintptr
	Old, New []byte
	// Part says that Old is the beginning of a longer instruction.
	Part bool
}

// A Patch is a set of edits that are made and undone together. Its zero value is empty.
type Patch struct {
	edits            []Edit
	applied, touched bool
}

// Edits returns what the patch consists of.
func (p *Patch) Edits() []Edit { return p.edits }

// Applied reports whether the edits have been made, and not been undone.
func (p *Patch) Applied() bool { return p.applied }

// Touched reports whether any edit was ever in the text, even for a moment before an error.
func (p *Patch) Touched() bool { return p.touched }

// Call adds to the patch that a site calls another function, which takes the same arguments and has
// the same results: the one with the given entry. It must want no context, as closures do.
func (p *Patch) Call(s Site, entry uintptr) error {
	code, err := encodeCall(s, entry)
	return p.add(s, code, err)
}

// Nop adds that a site does nothing. The function called must have no results.
func (p *Patch) Nop(s Site) error {
	code, err := encodeNop(s)
	return p.add(s, code, errors.Join(err, notTail(s)))
}

// StoreZero adds that a site stores a zero byte, with release, at the address that is the first
// argument. The function called must have no results. On amd64 a kernel's probe that is attached to
// such a site and detached breaks the program: see the head of the package.
func (p *Patch) StoreZero(s Site) error {
	code, err := encodeStoreZero()
	return p.add(s, code, errors.Join(err, notTail(s)))
}

// Body adds that a function jumps to another as it is entered, one with the same arguments and
// results that wants no context: on 386, where arguments are on the stack and a call has no room
// for what fetches them.
func (p *Patch) Body(entry, to uintptr) error {
	if p.applied {
		return errApplied
	}
	e, err := editBody(entry, to)
	if err == nil {
		p.edits = append(p.edits, e)
	}
	return err
}

// Bodies says that it is bodies that are to be replaced in this build: most calls can't be.
const Bodies = runtime.GOARCH == "386"

var errApplied = errors.New("textpatch: the patch has been applied: nothing can be added to it")

func notTail(s Site) error {
	if s.Tail {
		return errors.New("textpatch: " + s.String() + " is a jump: it can only go elsewhere")
	}
	return nil
}

func (p *Patch) add(s Site, code []byte, err error) error {
	if err != nil {
		return err
	}
	if p.applied {
		return errApplied
	}
	old, err := encodeCall(s, s.Target)
	if err != nil {
		return err
	}
	p.edits = append(p.edits, Edit{Addr: s.Addr, Old: old, New: code})
	return nil
}

// writing is held while text is looked at to be written, and written.
var writing sync.Mutex

// Apply makes the edits: all, or, with an error, none. Other bytes than expected in the place of
// any are a [*Mismatch]. Before the first ever it shows, by a call of its own, that what is
// written takes effect; [ErrNoEffect] if not. Applying what is applied does nothing.
func (p *Patch) Apply(when When) error {
	writing.Lock()
	defer writing.Unlock()
	if p.applied || len(p.edits) == 0 {
		return nil
	}
	touched, err := write(p.edits, when)
	p.touched = p.touched || touched
	p.applied = err == nil
	return err
}

// Undo puts back what was there before: all, or, with an error, none. Undoing what isn't
// applied does nothing.
func (p *Patch) Undo(when When) error {
	writing.Lock()
	defer writing.Unlock()
	if !p.applied {
		return nil
	}
	_, err := write(reversed(p.edits), when)
	p.applied = err != nil
	return err
}

func reversed(edits []Edit) []Edit {
	back := make([]Edit, len(edits))
	for i, e := range edits {
		back[i] = Edit{Addr: e.Addr, Old: e.New, New: e.Old, Part: e.Part}
	}
	return back
}
