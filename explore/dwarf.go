package explore

import (
	"debug/dwarf"
	"debug/elf"
	"debug/macho"
	"debug/pe"
	"encoding/binary"
	"os"
	"slices"
	"strings"
	"sync"
)

// Names of variables, from the binary's DWARF, where the linker has kept it: go test -c does, go
// test and go run don't.

// A global is a package variable.
type global struct {
	addr uint64
	size uint64
	name string
}

// debugging is what this binary's DWARF says.
type debugging struct {
	data      *dwarf.Data
	slide     uint64 // a binary may be loaded elsewhere than it was linked
	globals   []global
	functions map[uint64]dwarf.Offset // by entry
}

var debugInfo = sync.OnceValue(func() (d debugging) {
	name, err := os.Executable()
	if err != nil {
		return d
	}
	data := debugData(name)
	if data == nil {
		return d
	}
	d.functions = make(map[uint64]dwarf.Offset)
	for r := data.Reader(); ; {
		e, err := r.Next()
		if e == nil || err != nil {
			break
		}
		switch e.Tag {
		case dwarf.TagSubprogram:
			if low, ok := e.Val(dwarf.AttrLowpc).(uint64); ok {
				d.functions[low] = e.Offset
			}
			r.SkipChildren()
		case dwarf.TagVariable:
			if g, ok := globalOf(data, e); ok {
				d.globals = append(d.globals, g)
			}
		}
	}
	i := slices.IndexFunc(d.globals, func(g global) bool {
		return g.name == "example.com/pvlock/explore.anchor"
	})
	if i < 0 {
		return debugging{}
	}
	d.data, d.slide = data, uint64(addressOf(&anchor))-d.globals[i].addr
	for i := range d.globals {
		d.globals[i].addr += d.slide
	}
	return d
})

func globalOf(d *dwarf.Data, e *dwarf.Entry) (global, bool) {
	name, _ := e.Val(dwarf.AttrName).(string)
	at, _ := e.Val(dwarf.AttrLocation).([]byte)
	const opAddr = 3
	if len(at) != 9 || at[0] != opAddr || name == "" {
		return global{}, false
	}
	size := int64(8)
	if t := typeOf(d, e); t != nil {
		size = max(t.Size(), 1)
	}
	return global{binary.LittleEndian.Uint64(at[1:]), uint64(size), name}, true
}

func typeOf(d *dwarf.Data, e *dwarf.Entry) dwarf.Type {
	off, ok := e.Val(dwarf.AttrType).(dwarf.Offset)
	if !ok {
		return nil
	}
	t, err := d.Type(off)
	if err != nil {
		return nil
	}
	return t
}

// A capturedVariable is one that a closure has captured: by reference if its name begins with &.
type capturedVariable struct {
	name   string
	offset uint64 // in the closure
	typ    dwarf.Type
}

// capturedBy returns what the closure whose code is at entry has captured, and whether that is
// known.
func capturedBy(entry uint64) (vars []capturedVariable, known bool) {
	const closureOffset = dwarf.Attr(0x2907) // DW_AT_go_closure_offset
	d := debugInfo()
	at, known := d.functions[entry-d.slide]
	if !known {
		return nil, false
	}
	r := d.data.Reader()
	r.Seek(at)
	for {
		e, err := r.Next()
		if e == nil || err != nil || e.Tag == 0 {
			return vars, true
		}
		if off, ok := e.Val(closureOffset).(int64); ok {
			if name, _ := e.Val(dwarf.AttrName).(string); name != "" {
				vars = append(vars, capturedVariable{name, uint64(off), typeOf(d.data, e)})
			}
		}
		if e.Tag != dwarf.TagSubprogram {
			r.SkipChildren()
		}
	}
}

// memory names what a captured variable at addr leads to: itself, if it is captured by reference,
// and what it points to.
func (v capturedVariable) memory(addr uint64) (out []named) {
	t := v.typ
	name, byReference := strings.CutPrefix(v.name, "&")
	follow := func() bool {
		p, ok := dereference(t)
		if ok {
			addr, t = word(addr), p
		}
		return ok && ofProcess(addr)
	}
	add := func() {
		elem := t
		out = append(out,
			named{addr, uint64(max(t.Size(), 1)), name, func(off uint64) string {
				return withinDWARF(elem, off)
			}})
	}
	if byReference {
		if !follow() {
			return nil
		}
		add()
	}
	if follow() {
		add()
	}
	return out
}

func dereference(t dwarf.Type) (dwarf.Type, bool) {
	if d, ok := t.(*dwarf.TypedefType); ok {
		t = d.Type
	}
	p, ok := t.(*dwarf.PtrType)
	if !ok {
		return nil, false
	}
	return p.Type, true
}

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
