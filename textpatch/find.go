//go:build linux && (amd64 || 386 || arm64) && !purego

package textpatch

import (
	"fmt"
	"runtime"
	"slices"
)

// Calls returns the direct calls of the functions whose entries are given, in the order
// of their addresses. Calls through function values and interfaces are not direct.
//
// A call that can't be confirmed, because the function that it would lie in can't be
// decoded up to it, is not among them; unsure counts those.
func Calls(targets ...uintptr) (sites []Site, unsure int, err error) {
	mem, err := openMemory()
	if err != nil {
		return nil, 0, err
	}
	defer mem.Close()
	areas, err := mem.text()
	if err != nil {
		return nil, 0, err
	}
	for _, a := range areas {
		code, err := mem.read(a.start, int(a.end-a.start))
		if err != nil {
			return nil, 0, err
		}
		sure, not, err := confirm(code, a.start, scan(code, a.start, targets))
		if err != nil {
			return nil, 0, err
		}
		sites = append(sites, sure...)
		unsure += not
	}
	slices.SortFunc(sites, func(a, b Site) int {
		if a.Addr < b.Addr {
			return -1
		}
		return 1
	})
	return sites, unsure, nil
}

// confirm returns those candidates that are instructions of the function that they lie in, and how many are
// not known to be. They are in ascending order, and so are their functions.
func confirm(code []byte, base uintptr, candidates []Site) (sure []Site, unsure int, err error) {
	for len(candidates) > 0 {
		f := runtime.FuncForPC(candidates[0].Addr)
		n := 1
		for n < len(candidates) && sameFunc(f, runtime.FuncForPC(candidates[n].Addr)) {
			n++
		}
		group := candidates[:n]
		candidates = candidates[n:]
		if f == nil {
			unsure += n // not Go's
			continue
		}
		entry := f.Entry()
		if entry < base || entry > group[0].Addr {
			return nil, 0, fmt.Errorf("textpatch: %#x lies in %s, which begins at %#x", group[0].Addr, f.Name(), entry)
		}
		at := entry
		for _, s := range group {
			for at < s.Addr {
				size := instructionLen(code[at-base:])
				if size == 0 {
					break
				}
				at += uintptr(size)
			}
			switch {
			case at != s.Addr || !isCall(code[at-base:], s):
				unsure++
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
