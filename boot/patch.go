package boot

import (
	"fmt"
	"runtime"
	"time"

	"example.com/pvlock/spinlock"
	"example.com/pvlock/textpatch"
)

// PatchResult is what became of the program's text.
type PatchResult struct {
	// Asked says whether patching was asked for, Done whether anything was patched.
	Asked, Done bool
	// Why says why nothing was, if nothing was.
	Why string
	// Calls says what became of each of the doors' calls.
	Calls []PatchedCall
	// Unsure is how many places look like calls and could not be confirmed. They are left as they are.
	Unsure int
	// Took is how long it took to find, write and check all of it.
	Took time.Duration
}

// Sites returns how many calls were found, and how many of them were patched.
func (p PatchResult) Sites() (found, patched int) {
	for _, c := range p.Calls {
		found += c.Found
		patched += c.Patched
	}
	return found, patched
}

// PatchedCall is one of the doors' calls.
type PatchedCall struct {
	// Name is the call's, Op the name of the function that it comes to.
	Name, Op string
	// Became says what takes its place: "call", "store", "nop"; "body" where it is the called function that was
	// patched; "" if nothing does.
	Became string
	// Found is how many sites there are, Patched how many were patched.
	Found, Patched int
	// Shown is some of them, if asked for.
	Shown []Shown

	sites []textpatch.Site
	entry uintptr
}

// Shown is a place in the text before and after, both read from memory while it was so.
type Shown struct {
	Where  string   `json:"where"`
	Before []string `json:"before"`
	After  []string `json:"after"`
}

// patchCalls patches, before any CPU has come up, and reports whether it did. It is called by
// spinlock.Install, which lets none come up meanwhile: nothing runs a lock, and so
// nothing runs the code that is written.
func (r *Result) patchCalls(calls []spinlock.Call) bool {
	began := time.Now()
	defer func() { r.Patch.Took = time.Since(began) }()
	if err := r.plan(calls); err != nil {
		return r.refused(err)
	}
	if len(r.patch.Edits()) == 0 {
		r.Patch.Why = "the program's text has no calls of these locks"
		return false
	}
	r.show(func(s *Shown, text []string) { s.Before = text })
	if err := r.patch.Apply(textpatch.Quiet); err != nil {
		return r.refused(err)
	}
	r.show(func(s *Shown, text []string) { s.After = text })
	r.Patch.Done = true
	return true
}

func (r *Result) refused(err error) bool {
	r.Patch.Why = err.Error()
	for i := range r.Patch.Calls {
		c := &r.Patch.Calls[i]
		c.Patched, c.Became, c.Shown = 0, "", nil
	}
	return false
}

// plan finds the sites and fills the patch.
func (r *Result) plan(calls []spinlock.Call) error {
	var doors []uintptr
	for _, c := range calls {
		doors = append(doors, c.Door)
	}
	sites, unsure, err := textpatch.Calls(doors...)
	if err != nil {
		return err
	}
	of := map[uintptr][]textpatch.Site{}
	for _, s := range sites {
		of[s.Target] = append(of[s.Target], s)
	}
	r.Patch.Unsure = unsure
	for _, c := range calls {
		p, err := r.planCall(c, of[c.Door])
		if err != nil {
			return err
		}
		r.Patch.Calls = append(r.Patch.Calls, p)
	}
	return nil
}

func (r *Result) planCall(c spinlock.Call, sites []textpatch.Site) (PatchedCall, error) {
	p := PatchedCall{Name: c.Name, Found: len(sites), sites: sites, entry: c.Door}
	if c.Op == 0 {
		return p, nil
	}
	p.Op = runtime.FuncForPC(c.Op).Name()
	if textpatch.Bodies {
		p.Became, p.Patched = "body", len(sites)
		return p, r.patch.Body(c.Door, textpatch.Body{StoreZero: c.Is == spinlock.AStore, Nothing: c.Is == spinlock.Nothing, Jump: c.Op})
	}
	p.Became = map[spinlock.CallIs]string{spinlock.ACall: "call", spinlock.AStore: "store", spinlock.Nothing: "nop"}[c.Is]
	for _, s := range sites {
		var err error
		switch {
		case c.Is == spinlock.AStore && !s.Tail:
			err = r.patch.StoreZero(s)
		case c.Is == spinlock.Nothing && !s.Tail:
			err = r.patch.Nop(s)
		default:
			err = r.patch.Call(s, c.Op)
		}
		if err != nil {
			return p, fmt.Errorf("%s: %w", c.Name, err)
		}
		p.Patched++
	}
	return p, nil
}

// show disassembles the first sites of each call.
func (r *Result) show(put func(s *Shown, text []string)) {
	for i := range r.Patch.Calls {
		c := &r.Patch.Calls[i]
		if c.Became == "" {
			continue
		}
		var places []textpatch.Site
		if c.Became == "body" {
			places = []textpatch.Site{{Addr: c.entry}}
		} else {
			places = c.sites
		}
		for n, s := range places[:min(len(places), r.config.Show)] {
			if n >= len(c.Shown) {
				c.Shown = append(c.Shown, Shown{Where: where(s)})
			}
			put(&c.Shown[n], disassembly(s.Addr, c.Became == "body"))
		}
	}
}

func where(s textpatch.Site) string {
	name, file, line := s.Where()
	return fmt.Sprintf("%s, %s:%d", name, file, line)
}

func disassembly(addr uintptr, body bool) []string {
	n := 1
	if body {
		n = 3
	}
	lines, err := textpatch.Disassemble(addr, n)
	if err != nil {
		return []string{err.Error()}
	}
	var text []string
	for _, l := range lines {
		text = append(text, l.String())
	}
	return text
}
