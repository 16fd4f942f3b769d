package textpatch

import (
	"errors"
	"runtime"
	"sync"
)

// When says who may be running the code that is written.
type When int

const (
	// Quiet: nobody, from before the call until after it. The caller knows that.
	Quiet When = iota
	// Live: anybody. On amd64 only.
	Live
)

// ErrLive is wrapped by the errors that say that text can't be changed while
// threads run it.
var ErrLive = errors.New("textpatch: no live patching")

// An Edit is an instruction, or a function's beginning, and what takes its place: as many bytes.
type Edit struct {
	Addr     uintptr
	Old, New []byte
	// Body says that it is a function's beginning: more than one instruction.
	Body bool
}

// A Patch is a set of edits that are made and undone together. Its zero value is empty.
type Patch struct {
	edits   []Edit
	applied bool
}

// Edits returns what the patch consists of.
func (p *Patch) Edits() []Edit { return p.edits }

// Applied reports whether the edits have been made, and not been undone.
func (p *Patch) Applied() bool { return p.applied }

// Call adds to the patch that a site calls another function, which takes the same arguments and has the
// same results: the one with the given entry. It must want no context, as closures do.
func (p *Patch) Call(s Site, entry uintptr) error {
	code, err := encodeCall(s, entry)
	return p.add(s, code, err)
}

// Nop adds that a site does nothing. The function called must have no results.
func (p *Patch) Nop(s Site) error { return p.add(s, encodeNop(), notTail(s)) }

// StoreZero adds that a site stores a zero byte, with release, at the address that is the
// first argument. The function called must have no results.
func (p *Patch) StoreZero(s Site) error {
	code, err := encodeStoreZero()
	return p.add(s, code, errors.Join(err, notTail(s)))
}

// Body is what a function comes to when its beginning is replaced.
type Body struct {
	// StoreZero says that it stores a zero byte, with release, at the address that is its first
	// argument, and returns; Nothing that it returns.
	StoreZero, Nothing bool
	// Jump is the entry of the function that it jumps to if it is neither: one with the same arguments and
	// results that wants no context.
	Jump uintptr
}

// Body adds that a function's body is replaced, from its entry on: on 386, where arguments are
// on the stack and a call has no room for what fetches them. Only [Quiet].
func (p *Patch) Body(entry uintptr, b Body) error {
	if p.applied {
		return errApplied
	}
	e, err := editBody(entry, b)
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
// any are a [*Mismatch]. Applying what is applied does nothing.
func (p *Patch) Apply(when When) error {
	writing.Lock()
	defer writing.Unlock()
	if p.applied || len(p.edits) == 0 {
		return nil
	}
	if err := write(p.edits, when); err != nil {
		return err
	}
	p.applied = true
	return nil
}

// Undo puts back what was there before: all, or, with an error, none. Undoing what isn't
// applied does nothing.
func (p *Patch) Undo(when When) error {
	writing.Lock()
	defer writing.Unlock()
	if !p.applied {
		return nil
	}
	if err := write(reversed(p.edits), when); err != nil {
		return err
	}
	p.applied = false
	return nil
}

func reversed(edits []Edit) []Edit {
	back := make([]Edit, len(edits))
	for i, e := range edits {
		back[i] = Edit{Addr: e.Addr, Old: e.New, New: e.Old, Body: e.Body}
	}
	return back
}

// LiveSupported says whether [Live] is there in this build.
const LiveSupported = Supported && runtime.GOARCH == "amd64"
