//go:build linux && (amd64 || 386 || arm64) && !purego

package textpatch

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
)

// Supported says whether there is patching in this build.
const Supported = true

// write makes edits, once it is shown that it can. It reports whether any byte of them may have
// been written, for however long.
func write(edits []Edit, when When) (touched bool, err error) {
	mem, err := openMemory()
	if err != nil {
		return false, err
	}
	defer mem.Close()
	edits = slices.SortedFunc(slices.Values(edits), func(a, b Edit) int {
		return cmp.Compare(a.Addr, b.Addr)
	})
	if err := sound(edits); err != nil {
		return false, err
	}
	if when == Live {
		if err := canLive(); err != nil {
			return false, err
		}
	}
	if err := mem.try(when); err != nil {
		return false, err
	}
	return mem.replace(edits, when)
}

// sound returns an error unless each edit puts an instruction in the place of one.
func sound(edits []Edit) error {
	var end uintptr
	var checked []byte // most are the same, or calls
	for _, e := range edits {
		if len(e.Old) != len(e.New) {
			return fmt.Errorf("textpatch: at %#x: %d bytes can't take the place of %d", e.Addr,
				len(e.New), len(e.Old))
		}
		if e.Addr < end {
			return fmt.Errorf("textpatch: at %#x: two edits of the same bytes", e.Addr)
		}
		end = e.Addr + uintptr(len(e.Old))
		for _, code := range [][]byte{e.Old, e.New} {
			if e.Part || bytes.Equal(code, checked) {
				continue
			}
			if err := checkCode(e.Addr, code); err != nil {
				return err
			}
			checked = code
		}
	}
	return nil
}

// replace makes edits, in ascending order, in one of the ways. What it changes before an error, it
// changes back.
func (m memory) replace(edits []Edit, when When) (touched bool, err error) {
	if err := readySync(); err != nil {
		return false, err
	}
	write := m.writeQuiet
	if when == Live {
		if err := readyLive(edits); err != nil {
			return false, err
		}
		write = m.writeLive
	}
	if err := m.inPlace(edits, oldBytes); err != nil {
		return false, err
	}
	err = write(edits, stop)
	if err == nil {
		err = m.inPlace(edits, newBytes)
	}
	if err != nil {
		if e := m.restore(edits, write); e != nil {
			err = fmt.Errorf("%w; and what was written can't be undone: %w", err, e)
		}
	}
	return true, err
}

// A writer makes edits, in one of the ways. After an error it stops, or goes on with what can be
// written, and returns the first.
type writer func(edits []Edit, after afterError) error

type afterError int

const (
	stop afterError = iota
	goOn
)

// restore puts back what was there before edits of which some may have been made, or half. It
// writes no more than it must: what could not be written a moment ago need not be put back.
func (m memory) restore(edits []Edit, write writer) error {
	var back []Edit
	for _, e := range edits {
		now, err := m.read(e.Addr, len(e.Old))
		if err != nil {
			return err
		}
		if !bytes.Equal(now, e.Old) {
			back = append(back, Edit{Addr: e.Addr, Old: now, New: e.Old, Part: e.Part})
		}
	}
	return write(back, goOn)
}

// writeQuiet writes the new bytes of all edits while nothing else runs.
func (m memory) writeQuiet(edits []Edit, after afterError) (err error) {
	alone(func() {
		for _, e := range edits {
			err = cmp.Or(err, m.write(e.Addr, e.New))
			if err != nil && after == stop {
				return
			}
		}
		err = cmp.Or(err, syncCores())
	})
	return err
}

func oldBytes(e Edit) []byte { return e.Old }
func newBytes(e Edit) []byte { return e.New }

// near is how far apart edits may be that are read together with what lies between them. A system
// call costs as much as some hundred bytes more.
const near = 256

// inPlace compares text with what the edits say is there.
func (m memory) inPlace(edits []Edit, want func(Edit) []byte) error {
	for len(edits) > 0 {
		n, start, end := 1, edits[0].Addr, edits[0].Addr+uintptr(len(edits[0].Old))
		for n < len(edits) && edits[n].Addr < end+near {
			end = edits[n].Addr + uintptr(len(edits[n].Old))
			n++
		}
		code, err := m.read(start, int(end-start))
		if err != nil {
			return err
		}
		for _, e := range edits[:n] {
			w := want(e)
			if have := code[e.Addr-start:][:len(w)]; !bytes.Equal(have, w) {
				return &Mismatch{Addr: e.Addr, Want: w, Have: bytes.Clone(have)}
			}
		}
		edits = edits[n:]
	}
	return nil
}
