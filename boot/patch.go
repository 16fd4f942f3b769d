package boot

import (
	"errors"
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
	// When says how it was written, NotLive why it was not [textpatch.Live], if it was not.
	When    textpatch.When
	NotLive string
	// Took is how long it took to find, write and check all of it.
	Took time.Duration
}

// Sites returns how many calls were found, how many of them were patched, and how many are not
// sure to be calls.
func (p PatchResult) Sites() (found, patched, unsure int) {
	for _, c := range p.Calls {
		found += c.Found
		patched += c.Patched
		unsure += c.Unsure
	}
	return found, patched, unsure
}

// PatchedCall is one of the doors' calls.
type PatchedCall struct {
	// Name is the call's, Op the name of the function that it comes to.
	Name, Op string
	// Became says what takes its place: "call", "store", "nop"; "body" where it is the called
	// function that was patched; "" if nothing does.
	Became string
	// Found is how many sites there are, Patched how many were patched. Unsure are those that look
	// like calls and could not be confirmed: a breakpoint or a probe is there, or the function
	// can't be decoded. They are left as they are.
	Found, Patched, Unsure int
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

// patchCalls patches, before any CPU has come up, and reports whether it did, even for a moment.
// It is called by spinlock.Install, which lets none come up meanwhile. CPUs that never came up may
// be running the code that is written.
func (r *Result) patchCalls(calls []spinlock.Call) bool {
	began := time.Now()
	defer func() { r.Patch.Took = time.Since(began) }()
	if err := r.plan(calls); err != nil {
		r.refused(err)
		return false
	}
	if len(r.patch.Edits()) == 0 {
		r.Patch.Why = "the program's text has no calls of these locks"
		if _, _, unsure := r.Patch.Sites(); unsure > 0 {
			r.Patch.Why = fmt.Sprintf("none of the %d places that look like calls is sure to be "+
				"one: breakpoints or probes are on them", unsure)
		}
		return false
	}
	r.show(func(s *Shown, text []string) { s.Before = text })
	if err := r.apply(); err != nil {
		r.refused(err)
		return r.patch.Touched()
	}
	r.show(func(s *Shown, text []string) { s.After = text })
	r.Patch.Done = true
	return true
}

// ways are tried in this order: live, which holds nobody up, and, where that can't be, quietly.
var ways = []textpatch.When{textpatch.Live, textpatch.Quiet}

func (r *Result) apply() (err error) {
	for _, r.Patch.When = range ways {
		if err = r.patch.Apply(r.Patch.When); !errors.Is(err, textpatch.ErrLive) {
			return err
		}
		r.Patch.NotLive = err.Error()
	}
	return err
}

func (r *Result) refused(err error) {
	r.Patch.Why = err.Error()
	for i := range r.Patch.Calls {
		c := &r.Patch.Calls[i]
		c.Patched, c.Became, c.Shown = 0, "", nil
	}
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
	of, unsureOf := byTarget(sites), byTarget(unsure)
	for _, c := range calls {
		p, err := r.planCall(c, of[c.Door], len(unsureOf[c.Door]))
		if err != nil {
			return err
		}
		r.Patch.Calls = append(r.Patch.Calls, p)
	}
	return nil
}

func byTarget(sites []textpatch.Site) map[uintptr][]textpatch.Site {
	of := map[uintptr][]textpatch.Site{}
	for _, s := range sites {
		of[s.Target] = append(of[s.Target], s)
	}
	return of
}

func (r *Result) planCall(c spinlock.Call, sites []textpatch.Site,
	unsure int) (PatchedCall, error) {
	p := PatchedCall{Name: c.Name, Found: len(sites) + unsure, Unsure: unsure, sites: sites,
		entry: c.Door}
	if c.Op == 0 {
		return p, nil
	}
	p.Op = runtime.FuncForPC(c.Op).Name()
	if textpatch.Bodies {
		p.Became, p.Patched, p.Unsure = "body", p.Found, 0
		return p, r.patch.Body(c.Door, c.Op)
	}
	is := c.Is
	if is == spinlock.AStore && r.config.Patch == PatchCalls {
		is = spinlock.ACall
	}
	p.Became = map[spinlock.CallIs]string{spinlock.ACall: "call", spinlock.AStore: "store",
		spinlock.Nothing: "nop"}[is]
	for _, s := range sites {
		var err error
		switch {
		case is == spinlock.AStore && !s.Tail:
			err = r.patch.StoreZero(s)
		case is == spinlock.Nothing && !s.Tail:
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
			put(&c.Shown[n], disassembly(s.Addr))
		}
	}
}

func where(s textpatch.Site) string {
	name, file, line := s.Where()
	return fmt.Sprintf("%s, %s:%d", name, file, line)
}

func disassembly(addr uintptr) []string {
	lines, err := textpatch.Disassemble(addr, 1)
	if err != nil {
		return []string{err.Error()}
	}
	var text []string
	for _, l := range lines {
		text = append(text, l.String())
	}
	return text
}
