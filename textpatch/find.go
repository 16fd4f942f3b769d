//go:build linux && (amd64 || 386 || arm64) && !purego

package textpatch

import (
	"cmp"
	"fmt"
	"runtime"
	"slices"
)

// Calls returns the direct calls of the functions whose entries are given, in the order
// of their addresses. Calls through function values and interfaces are not direct.
//
// What looks like a call and can't be confirmed is in unsure: a breakpoint is in the place of
// its first byte, or before it in the same function, or the function can't be decoded up to it.
func Calls(targets ...uintptr) (sites, unsure []Site, err error) {
	mem, err := openMemory()
	if err != nil {
		return nil, nil, err
	}
	defer mem.Close()
	areas, err := mem.text()
	if err != nil {
		return nil, nil, err
	}
	for _, a := range areas {
		code, err := mem.read(a.start, int(a.end-a.start))
		if err != nil {
			return nil, nil, err
		}
		sure, not, err := confirm(code, a.start, scan(code, a.start, targets))
		if err != nil {
			return nil, nil, err
		}
		sites = append(sites, sure...)
		unsure = append(unsure, not...)
	}
	for _, s := range [][]Site{sites, unsure} {
		slices.SortFunc(s, func(a, b Site) int { return cmp.Compare(a.Addr, b.Addr) })
	}
	return sites, unsure, nil
}

// confirm returns those candidates that are instructions of the function that they lie in, and
// those that are not known to be. They are in ascending order, and so are their functions.
func confirm(code []byte, base uintptr, candidates []Site) (sure, unsure []Site, err error) {
	for len(candidates) > 0 {
		f := runtime.FuncForPC(candidates[0].Addr)
		n := 1
		for n < len(candidates) && sameFunc(f, runtime.FuncForPC(candidates[n].Addr)) {
			n++
		}
		group := candidates[:n]
		candidates = candidates[n:]
		if f == nil {
			unsure = append(unsure, group...) // not Go's
			continue
		}
		entry := f.Entry()
		if entry < base || entry > group[0].Addr {
			return nil, nil, fmt.Errorf("textpatch: %#x lies in %s, which begins at %#x",
				group[0].Addr, f.Name(), entry)
		}
		at := entry
		for _, s := range group {
			for at < s.Addr {
				size := instructionLen(code[at-base:])
				if size == 0 || isBreakpoint(code[at-base:]) {
					break
				}
				at += uintptr(size)
			}
			switch {
			case at != s.Addr || !isCall(code[at-base:], s):
				unsure = append(unsure, s)
				if at == s.Addr && isBreakpoint(code[at-base:]) {
					at += callLen // the distance shows what it was
				}
			case s.Tail && entry == s.Target:
				// A jump of a function to its own entry is a loop, the one that grows the stack.
			default:
				sure = append(sure, s)
			}
		}
	}
	return sure, unsure, nil
}

func sameFunc(a, b *runtime.Func) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Entry() == b.Entry()
}
