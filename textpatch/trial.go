//go:build linux && (amd64 || 386 || arm64) && !purego

package textpatch

import (
	"errors"
	"fmt"
	"runtime"
)

//go:noinline
func trialOld() int { return 1 }

//go:noinline
func trialNew() int { return 2 }

// trialCall is the call on which writing is tried.
//
//go:noinline
func trialCall() int { return trialOld() }

// tried says in which ways a trial has gone well. It changes while writing is held.
var tried [2]bool

// try shows that text that is written takes effect: what runs after it does as the new bytes say,
// and after they are put back as the old ones. An emulator, or an instrumentation, that runs a copy
// that it made of the text earlier, has no reason to look at the text again when that is written
// through /proc/self/mem.
func (m memory) try(when When) error {
	if tried[when] {
		return nil
	}
	before := trialCall()
	site, err := m.trialSite()
	if err != nil {
		return err
	}
	now, err := encodeCall(site, Entry(trialNew))
	if err != nil {
		return err
	}
	was, err := encodeCall(site, site.Target)
	if err != nil {
		return err
	}
	trial := []Edit{{Addr: site.Addr, Old: was, New: now}}
	if _, err := m.replace(trial, when); err != nil {
		return err
	}
	during := trialCall()
	if _, err := m.replace(reversed(trial), when); err != nil {
		return err
	}
	if after := trialCall(); before != 1 || during != 2 || after != 1 {
		return fmt.Errorf("%w: a call that was made another one, and put back, went to %d, %d "+
			"and %d instead of 1, 2 and 1: something, "+
			"an emulator perhaps, runs a copy of the text", ErrNoEffect, before, during, after)
	}
	tried[when] = true
	return nil
}

// trialSite finds trialCall's call.
func (m memory) trialSite() (Site, error) {
	entry := Entry(trialCall)
	const most = 256
	size := 0
	for size < most && sameFunc(runtime.FuncForPC(entry), runtime.FuncForPC(entry+uintptr(size))) {
		size++
	}
	code, err := m.read(entry, size)
	if err != nil {
		return Site{}, err
	}
	const longest = 15 // the decoder looks as far beyond the last instruction
	sites, _, err := confirm(append(code, make([]byte, longest)...), entry,
		scan(code, entry, []uintptr{Entry(trialOld)}))
	if err == nil && len(sites) != 1 {
		err = errors.New("textpatch: the call on which writing is tried is not as it was compiled")
	}
	if err != nil {
		return Site{}, err
	}
	return sites[0], nil
}
