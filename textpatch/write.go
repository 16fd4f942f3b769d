//go:build linux && (amd64 || 386 || arm64) && !purego

package textpatch

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
)

// Supported says whether there is patching in this build.
const Supported = true

// write makes edits. What it changes before an error, it changes back.
func write(edits []Edit, when When) error {
	mem, err := openMemory()
	if err != nil {
		return err
	}
	defer mem.Close()
	var checked []byte // most are the same, or calls
	for _, e := range edits {
		if len(e.Old) != len(e.New) {
			return fmt.Errorf("textpatch: at %#x: %d bytes can't take the place of %d", e.Addr, len(e.New), len(e.Old))
		}
		for _, code := range [][]byte{e.Old, e.New} {
			if e.Body || bytes.Equal(code, checked) {
				continue
			}
			if err := checkCode(e.Addr, code); err != nil {
				return err
			}
			checked = code
		}
	}
	if err := inPlace(mem, edits, oldBytes); err != nil {
		return err
	}
	if err := readySync(); err != nil {
		return err
	}
	replace := mem.replaceQuiet
	if when == Live {
		if replace, err = liveWriter(mem, edits); err != nil {
			return err
		}
	}
	err = replace(edits)
	if err == nil {
		err = inPlace(mem, edits, newBytes)
	}
	if err != nil {
		if e := replace(reversed(edits)); e != nil {
			// The bytes could be written a moment ago.
			err = errors.Join(err, fmt.Errorf("textpatch: and what was written can't be undone: %w", e))
		}
	}
	return err
}

// near is how far apart edits may be that are read, and in Quiet written, together with what lies between
// them. A system call costs as much as some hundred bytes more.
const near = 256

// stretches calls f for each run of edits that are near each other, with its place in memory, in ascending order.
func stretches(edits []Edit, f func(group []Edit, start, end uintptr) error) error {
	edits = slices.Clone(edits)
	slices.SortFunc(edits, func(a, b Edit) int { return cmp.Compare(a.Addr, b.Addr) })
	for len(edits) > 0 {
		n, end := 1, edits[0].Addr+uintptr(len(edits[0].Old))
		for n < len(edits) && edits[n].Addr < end+near {
			if edits[n].Addr < end {
				return fmt.Errorf("textpatch: at %#x: two edits of the same bytes", edits[n].Addr)
			}
			end = edits[n].Addr + uintptr(len(edits[n].Old))
			n++
		}
		if err := f(edits[:n], edits[0].Addr, end); err != nil {
			return err
		}
		edits = edits[n:]
	}
	return nil
}

// replaceQuiet writes the new bytes of all edits. What lies between two that are near each other is
// written as it is: whoever runs that sees what was there, whichever byte has been stored.
func (m memory) replaceQuiet(edits []Edit) error {
	err := stretches(edits, func(group []Edit, start, end uintptr) error {
		code, err := m.read(start, int(end-start))
		if err != nil {
			return err
		}
		for _, e := range group {
			copy(code[e.Addr-start:], e.New)
		}
		return m.write(start, code)
	})
	if err != nil {
		return err
	}
	return syncCores()
}

func oldBytes(e Edit) []byte { return e.Old }
func newBytes(e Edit) []byte { return e.New }

// inPlace compares text with what the edits say is there.
func inPlace(m memory, edits []Edit, want func(Edit) []byte) error {
	return stretches(edits, func(group []Edit, start, end uintptr) error {
		code, err := m.read(start, int(end-start))
		if err != nil {
			return err
		}
		for _, e := range group {
			w := want(e)
			if have := code[e.Addr-start:][:len(w)]; !bytes.Equal(have, w) {
				return &Mismatch{Addr: e.Addr, Want: w, Have: bytes.Clone(have)}
			}
		}
		return nil
	})
}
