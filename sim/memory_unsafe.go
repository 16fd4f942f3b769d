package sim

import (
	"math/bits"
	"reflect"
	"unsafe"

	"example.com/pvlock/internal/twin/paravirt"
	"example.com/pvlock/internal/twin/workload"
)

// guest is a VM's memory: the machine and the lock that its tasks' text names cells in. The cells
// are names only: what is in them is the engine's.
type guest struct {
	m       *paravirt.Machine
	shared  *workload.Shared
	regions []region
	state   uintptr // the offset of State in a queue node
	nodes   int     // the region of the queue nodes
}

// A region is an array of the process's memory that cells lie in. In the simulated memory it begins
// with a line, and so does each element of a line or more; where the process put it, and how the
// architecture pads it, makes no difference.
type region struct {
	base, size uintptr
	elem       uintptr // an element's size
	stride     uintptr // the same in the simulated memory
	first      uintptr // where it is there
}

const lineSize = 64

// newGuest maps a machine and what its CPUs share behind what is mapped already, and returns where
// the next can be.
func newGuest(m *paravirt.Machine, from uintptr) (g *guest, next uintptr) {
	g = &guest{m: m, shared: new(workload.Shared)}
	add := func(base unsafe.Pointer, elem, n uintptr) {
		stride := uintptr(lineSize)
		if elem < lineSize {
			stride = 1 << bits.Len(uint(elem-1))
		} else {
			stride = (elem + lineSize - 1) / lineSize * lineSize
		}
		g.regions = append(g.regions, region{uintptr(base), elem * n, elem, stride, from})
		from = (from + stride*n + lineSize - 1) / lineSize * lineSize
	}
	add(unsafe.Pointer(g.shared), unsafe.Sizeof(*g.shared), 1)
	v := reflect.ValueOf(m).Elem()
	for i := range v.NumField() {
		f := v.Field(i)
		if f.Kind() != reflect.Slice || f.Len() == 0 || v.Type().Field(i).Name == "cpus" {
			continue
		}
		if v.Type().Field(i).Name == "nodes" {
			g.nodes = len(g.regions)
		}
		add(f.UnsafePointer(), f.Type().Elem().Size(), uintptr(f.Len()))
	}
	node := m.Node(paravirt.TailCode(0, 0))
	g.state = uintptr(unsafe.Pointer(node.State())) - uintptr(unsafe.Pointer(node))
	return g, from
}

// resolve returns where a cell is in the simulated memory.
func (g *guest) resolve(cell unsafe.Pointer) uintptr {
	p := uintptr(cell)
	for i := range g.regions {
		r := &g.regions[i]
		if off := p - r.base; off < r.size {
			if r.stride != r.elem {
				off = off/r.elem*r.stride + off%r.elem
			}
			return r.first + off
		}
	}
	panic("sim: a cell outside the simulated memory")
}

// owner returns whose queue node's state a cell is, if it is one.
func (g *guest) owner(cell unsafe.Pointer) (cpu int, ok bool) {
	r := &g.regions[g.nodes]
	off := uintptr(cell) - r.base
	node := r.elem / paravirt.Contexts
	if off >= r.size || off%node != g.state {
		return 0, false
	}
	return int(off / r.elem), true
}

// lockAddr is the number that stands for the lock's address, in a guest of any size.
const lockAddr = 0x10040

func (g *guest) slotOf(cpu int) unsafe.Pointer {
	return unsafe.Pointer(&g.m.Slot(uint32(cpu)).Lock)
}
