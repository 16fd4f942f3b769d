package explore

import (
	"debug/dwarf"
	"debug/elf"
	"debug/macho"
	"debug/pe"
	"encoding/binary"
	"os"
	"slices"
	"sync"
)

// Names of package variables, from the binary's DWARF, where the linker has kept it: go test -c does,
// go test and go run don't.

// A global is a package variable.
type global struct {
	addr uint64
	size uint64
	name string
}

var globals = sync.OnceValue(func() []global {
	name, err := os.Executable()
	if err != nil {
		return nil
	}
	d := debugData(name)
	if d == nil {
		return nil
	}
	var all []global
	for r := d.Reader(); ; {
		e, err := r.Next()
		if e == nil || err != nil {
			break
		}
		switch e.Tag {
		case dwarf.TagSubprogram:
			r.SkipChildren()
		case dwarf.TagVariable:
			name, _ := e.Val(dwarf.AttrName).(string)
			at, _ := e.Val(dwarf.AttrLocation).([]byte)
			const opAddr = 3
			if len(at) != 9 || at[0] != opAddr || name == "" {
				continue
			}
			size := int64(8)
			if off, ok := e.Val(dwarf.AttrType).(dwarf.Offset); ok {
				if t, err := d.Type(off); err == nil {
					size = max(t.Size(), 1)
				}
			}
			all = append(all, global{binary.LittleEndian.Uint64(at[1:]), uint64(size), name})
		}
	}
	// A binary may be loaded elsewhere than it was linked.
	i := slices.IndexFunc(all, func(g global) bool { return g.name == "example.com/pvlock/explore.anchor" })
	if i < 0 {
		return nil
	}
	slide := uint64(addressOf(&anchor)) - all[i].addr
	for i := range all {
		all[i].addr += slide
	}
	return all
})

// anchor is a variable whose address is known both ways.
var anchor uint64

// debugData opens a binary of any of the systems.
func debugData(name string) *dwarf.Data {
	if f, err := elf.Open(name); err == nil {
		defer f.Close()
		d, _ := f.DWARF()
		return d
	}
	if f, err := macho.Open(name); err == nil {
		defer f.Close()
		d, _ := f.DWARF()
		return d
	}
	if f, err := pe.Open(name); err == nil {
		defer f.Close()
		d, _ := f.DWARF()
		return d
	}
	return nil
}
