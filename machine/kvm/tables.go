//go:build linux && amd64 && !purego && !race

package kvm

import (
	"encoding/binary"
	"fmt"
)

// Bits of an entry of a page table. Accessed and dirty are set to begin with, so that the
// processor needn't write to the tables.
const (
	entryPresent  = 1 << 0
	entryWrite    = 1 << 1
	entryUser     = 1 << 2
	entryAccessed = 1 << 5
	entryDirty    = 1 << 6
	entryLarge    = 1 << 7
	entryNX       = 1 << 63

	entryAddress = 1<<52 - pageSize
)

// tables are the page tables of a guest, four levels of them, in memory that begins at
// guest-physical 0. The root is the first.
type tables struct {
	mem  []byte
	used uint64
}

// newTables makes room for the tables of these regions.
func newTables(regions []region) (tables, error) {
	n := uint64(1)
	for _, r := range regions {
		// On each level as many as there are ranges of that size that it touches.
		for _, reach := range []uint64{1 << 21, 1 << 30, 1 << 39} {
			n += (r.va+r.size-1)/reach - r.va/reach + 1
		}
	}
	mem, err := anonymous(int(n * pageSize))
	if err != nil {
		return tables{}, fmt.Errorf("memory for %d page tables: %w", n, err)
	}
	return tables{mem: mem, used: pageSize}, nil
}

func (t *tables) free() error {
	return unmap(t.mem)
}

// mapRegion enters a region: at its va, where its gpa is.
func (t *tables) mapRegion(r *region) {
	for off := uint64(0); off < r.size; {
		va, gpa := r.va+off, r.gpa+off
		if !r.small && va%largePage == 0 && gpa%largePage == 0 && r.size-off >= largePage {
			t.set(va, 1, gpa|r.entry()|entryLarge)
			off += largePage
		} else {
			t.set(va, 0, gpa|r.entry())
			off += pageSize
		}
	}
}

// unmap removes the page at an address of a region of small ones.
func (t *tables) unmap(va uint64) { t.set(va, 0, 0) }

// set stores an entry at a level: 0 for small pages, 1 for large ones.
func (t *tables) set(va uint64, level int, entry uint64) {
	at := uint64(0)
	for l := 3; l > level; l-- {
		e := t.mem[at+index(va, l):]
		next := binary.LittleEndian.Uint64(e) & entryAddress
		if next == 0 {
			next = t.used
			t.used += pageSize
			binary.LittleEndian.PutUint64(e, next|entryPresent|entryWrite|entryUser|entryAccessed)
		}
		at = next
	}
	binary.LittleEndian.PutUint64(t.mem[at+index(va, level):], entry)
}

// index returns where in a table of a level the entry of an address is, in bytes.
func index(va uint64, level int) uint64 { return va >> (12 + 9*level) & 511 * 8 }

func (r *region) entry() uint64 {
	e := uint64(entryPresent | entryUser | entryAccessed | entryDirty)
	if r.write {
		e |= entryWrite
	}
	if !r.exec {
		e |= entryNX
	}
	return e
}
