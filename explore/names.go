package explore

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
)

// A named piece of memory.
type named struct {
	addr, size uint64
	name       string
	typ        reflect.Type
}

func namesOf(names map[string]any) (out []named) {
	var add func(name string, v reflect.Value, depth int)
	add = func(name string, v reflect.Value, depth int) {
		switch v.Kind() {
		case reflect.Pointer:
			if v.IsNil() {
				return
			}
			e := v.Type().Elem()
			out = append(out, named{uint64(v.Pointer()), uint64(e.Size()), name, e})
			if depth > 0 {
				add(name, v.Elem(), depth-1)
			}
		case reflect.Slice:
			if n := v.Len(); n > 0 {
				e := reflect.ArrayOf(n, v.Type().Elem())
				out = append(out, named{uint64(v.Pointer()), uint64(e.Size()), name, e})
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
	slices.SortFunc(out, func(a, b named) int { return cmp.Or(cmp.Compare(a.size, b.size), cmp.Compare(a.name, b.name)) })
	return out
}

// name names an address, as well as is known.
func (x *explorer) name(addr uint64) string {
	for _, n := range x.names {
		if addr-n.addr < n.size {
			return n.name + within(n.typ, addr-n.addr)
		}
	}
	switch {
	case addr>>40 == arenaBase>>40 && addr < arenaBase+maxThreads<<20:
		return fmt.Sprintf("new%d+%d", addr>>20&0xfff, addr&0xfffff)
	case addr >= semQueue && addr < semQueue+0x1000:
		return "sync's sleepers"
	}
	for _, g := range globals() {
		if off := addr - g.addr; off < g.size {
			if off == 0 {
				return short(g.name)
			}
			return fmt.Sprintf("%s+%d", short(g.name), off)
		}
	}
	return fmt.Sprintf("%#x", addr)
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
	if off > 0 {
		return fmt.Sprintf("+%d", off)
	}
	return ""
}
