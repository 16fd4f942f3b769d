package explore

import (
	"cmp"
	"debug/dwarf"
	"fmt"
	"reflect"
	"slices"

	"example.com/pvlock/explore/internal/x86"
)

// A named piece of memory.
type named struct {
	addr, size uint64
	name       string
	within     func(off uint64) string // names a place in it
}

func ofType(t reflect.Type) func(uint64) string {
	return func(off uint64) string { return within(t, off) }
}

// namesOf returns what a configuration names, the smallest first.
func namesOf(names map[string]any) (out []named) {
	var add func(name string, v reflect.Value, depth int)
	add = func(name string, v reflect.Value, depth int) {
		switch v.Kind() {
		case reflect.Pointer:
			if v.IsNil() {
				return
			}
			e := v.Type().Elem()
			out = append(out, named{uint64(v.Pointer()), uint64(e.Size()), name, ofType(e)})
			if depth > 0 {
				add(name, v.Elem(), depth-1)
			}
		case reflect.Slice:
			if n := v.Len(); n > 0 {
				e := reflect.ArrayOf(n, v.Type().Elem())
				out = append(out, named{uint64(v.Pointer()), uint64(e.Size()), name, ofType(e)})
			}
		case reflect.Struct:
			for i := range v.NumField() {
				add(name+"."+v.Type().Field(i).Name, v.Field(i), depth)
			}
		}
	}
	for name, p := range names {
		add(name, reflect.ValueOf(p), 2)
	}
	slices.SortFunc(out, func(a, b named) int {
		return cmp.Or(cmp.Compare(a.size, b.size), cmp.Compare(a.name, b.name))
	})
	return out
}

// captured names what closures have captured: variables by their names, if the binary has DWARF,
// else by the closure's words.
func (x *explorer) captured() (out []named) {
	add := func(n named) {
		if n.addr != 0 &&
			!slices.ContainsFunc(out, func(o named) bool { return o.addr == n.addr }) {
			out = append(out, n)
		}
	}
	for i, f := range x.bodies {
		closure := closureAddress(f)
		entry := word(closure)
		vars, known := capturedBy(entry)
		for _, v := range vars {
			for _, n := range v.memory(closure + v.offset) {
				add(n)
			}
		}
		if known {
			continue
		}
		for _, off := range x.program.captures(entry) {
			if p := word(closure + off); ofProcess(p) && entryOf(p) == 0 {
				name := fmt.Sprintf("body%d's capture%d", i, off/8)
				add(named{p, unknownSize, name, func(off uint64) string { return plus(off) }})
			}
		}
	}
	// Where nothing says how large a piece is, it ends where the next begins.
	for i := range out {
		for _, o := range out {
			if o.addr > out[i].addr && o.addr-out[i].addr < out[i].size {
				out[i].size = o.addr - out[i].addr
			}
		}
	}
	return out
}

// unknownSize is how far from where a pointer leads memory is named by the pointer.
const unknownSize = 256

// captures returns the offsets of the words of its closure that a function reads at once.
func (p *program) captures(entry uint64) (offsets []uint64) {
	for in := p.lookup(entry); in != nil; in = in.next {
		if in.Mem.Base == rDX && in.Mem.Index < 0 && in.Mem.Disp >= 8 && in.Size == 8 {
			offsets = append(offsets, uint64(in.Mem.Disp))
		}
		if in.Writes&x86.GPR(rDX) != 0 || in.Flow == x86.CallDirect || in.Flow == x86.CallIndirect {
			break
		}
	}
	return offsets
}

// An object is memory that a body has allocated on the way to a finding.
type object struct {
	named
	typeName, site string
	thread         int
	shown          bool
}

// allocated notes an object for a trace.
func (w *worker) allocated(addr, size, typ uint64) {
	name, inside := "object", plus
	if ofProcess(typ) {
		t := typeAt(typ)
		name = cmp.Or(t.Name(), t.String())
		if n := uint64(t.Size()); n > 0 && size >= 2*n {
			name, t = "[]"+name, reflect.ArrayOf(int(size/n), t)
		}
		inside = ofType(t)
	}
	n := 1
	for _, o := range w.objects {
		if o.typeName == name {
			n++
		}
	}
	w.objects = append(w.objects,
		object{named{addr, size, fmt.Sprintf("%s#%d", name, n), inside}, name, w.position(), w.i,
			false})
}

// name names an address, as well as is known.
func (w *worker) name(addr uint64) string {
	piece, inside := w.nameParts(addr)
	return piece + inside
}

// nameParts names the piece of memory that an address is in, and the place in it.
func (w *worker) nameParts(addr uint64) (piece, inside string) {
	for i := len(w.objects) - 1; i >= 0; i-- { // the latest, if memory has been used again
		if o := &w.objects[i]; addr-o.addr < o.size {
			o.shown = true
			return o.name, o.within(addr - o.addr)
		}
	}
	for _, n := range w.x.names {
		if addr-n.addr < n.size {
			return n.name, n.within(addr - n.addr)
		}
	}
	switch {
	case addr>>40 == arenaBase>>40 && addr < arenaBase+maxThreads<<20:
		return fmt.Sprintf("new%d", addr>>20&0xfff), fmt.Sprintf("+%d", addr&0xfffff)
	case addr >= semQueue && addr < semQueue+0x1000:
		return "sync's sleepers", ""
	}
	for _, g := range debugInfo().globals {
		if off := addr - g.addr; off < g.size {
			return short(g.name), plus(off)
		}
	}
	return "", fmt.Sprintf("%#x", addr)
}

// value writes a number down: an address that has a name by it. The address of a piece of memory is
// that of its first place too: then the piece is meant.
func (w *worker) value(v uint64) string {
	if v < 1<<16 || !ofProcess(v) && !synthetic(v) {
		return number(v)
	}
	piece, inside := w.nameParts(v)
	if piece == "" {
		return number(v)
	}
	if before, _ := w.nameParts(v - 1); before != piece {
		inside = ""
	}
	return "&" + piece + inside
}

func plus(off uint64) string {
	if off > 0 {
		return fmt.Sprintf("+%d", off)
	}
	return ""
}

// within names a place in a variable by its type.
func within(t reflect.Type, off uint64) string {
	switch t.Kind() {
	case reflect.Struct:
		for i := range t.NumField() {
			f := t.Field(i)
			if off-uint64(f.Offset) < uint64(f.Type.Size()) {
				return "." + f.Name + within(f.Type, off-uint64(f.Offset))
			}
		}
	case reflect.Array:
		if size := uint64(t.Elem().Size()); size > 0 {
			return fmt.Sprintf("[%d]%s", off/size, within(t.Elem(), off%size))
		}
	}
	return plus(off)
}

// withinDWARF is within for a type as DWARF has it.
func withinDWARF(t dwarf.Type, off uint64) string {
	switch t := t.(type) {
	case *dwarf.TypedefType:
		return withinDWARF(t.Type, off)
	case *dwarf.StructType:
		for _, f := range t.Field {
			if o := off - uint64(f.ByteOffset); o < uint64(max(f.Type.Size(), 0)) {
				return "." + f.Name + withinDWARF(f.Type, o)
			}
		}
	case *dwarf.ArrayType:
		if size := uint64(max(t.Type.Size(), 0)); size > 0 {
			return fmt.Sprintf("[%d]%s", off/size, withinDWARF(t.Type, off%size))
		}
	}
	return plus(off)
}
