package check

import (
	"fmt"
	"reflect"
	"strings"
	"unsafe"

	"example.com/pvlock/internal/twin/arch"
	pvlock "example.com/pvlock/internal/twin/mutex"
	"example.com/pvlock/internal/twin/paravirt"
	"example.com/pvlock/internal/twin/spinlock"
)

// A world is a machine and the locks and words of its clients: the names that a CPU's text uses.
// Each coroutine has one of its own, because what is private to a CPU lives in it. What
// is shared doesn't: cells are only ever named, and their contents are the state's.
type world struct {
	m       *paravirt.Machine
	mutexes []mutexMemory
	waiters []arch.Waiter
	locks   []lockMemory
	words   []arch.Word
	// bases are the process's addresses of the regions, in order.
	bases []region
}

// lockMemory is a lock and what follows it in memory, which isn't its.
type lockMemory struct {
	word  spinlock.Word
	other [60]byte
}

// mutexMemory is the same for the mutex.
type mutexMemory struct {
	pvlock.Owned
	other [lockSize - unsafe.Sizeof(pvlock.Owned{})]byte
}

const lockSize = unsafe.Sizeof(lockMemory{})

type region struct {
	name string
	base uintptr
	size uintptr
	elem reflect.Type
}

// The regions that the checker knows by name. The others are the Machine's slices, in order.
const (
	regionLocks = iota
	regionWords
	regionMachine // the first of the Machine's
)

// Canonical addresses: a region every 64 kB, from a base that no other value in shared memory comes
// near. They are the same in each run, and stand for addresses in shared memory.
const (
	regionBits  = 16
	regionFirst = 0xc000
)

func canonical(region int, offset uintptr) uint64 {
	return uint64(region+regionFirst)<<regionBits | uint64(offset)
}

func regionNumber(addr uint64) int { return int(addr>>regionBits) - regionFirst }

func newWorld(c *Config) (*world, error) {
	m, err := paravirt.New(c.machine())
	if err != nil {
		return nil, err
	}
	w := &world{m: m, locks: make([]lockMemory, c.locks()), words: make([]arch.Word, numWords)}
	lock := region{"lock", uintptr(unsafe.Pointer(&w.locks[0])), lockSize * uintptr(len(w.locks)),
		reflect.TypeFor[lockMemory]()}
	if c.mutex() {
		w.mutexes = make([]mutexMemory, c.locks())
		w.waiters = make([]arch.Waiter, c.CPUs+1)
		lock.base, lock.elem = uintptr(unsafe.Pointer(&w.mutexes[0])),
			reflect.TypeFor[mutexMemory]()
	}
	w.bases = append(w.bases, lock,
		region{"word", uintptr(unsafe.Pointer(&w.words[0])),
			unsafe.Sizeof(arch.Word{}) * uintptr(len(w.words)), reflect.TypeFor[arch.Word]()},
	)
	v := reflect.ValueOf(m).Elem()
	for i := range v.NumField() {
		if f := v.Field(i); f.Kind() == reflect.Slice && f.Len() > 0 {
			w.bases = append(w.bases,
				region{v.Type().Field(i).Name, f.Pointer(),
					f.Type().Elem().Size() * uintptr(f.Len()), f.Type().Elem()})
		}
	}
	if c.mutex() {
		w.bases = append(w.bases,
			region{"waiters", uintptr(unsafe.Pointer(&w.waiters[0])),
				unsafe.Sizeof(arch.Waiter{}) * uintptr(len(w.waiters)),
				reflect.TypeFor[arch.Waiter]()})
	}
	return w, nil
}

// word returns a lock's memory.
func (w *world) word(l int) *spinlock.Word {
	if w.mutexes != nil {
		return (*spinlock.Word)(unsafe.Pointer(&w.mutexes[l]))
	}
	return &w.locks[l].word
}

// resolve returns the canonical address of a cell, or false if it is in no region.
func (w *world) resolve(p unsafe.Pointer) (addr uint64, ok bool) {
	at := uintptr(p)
	for i := range w.bases {
		if r := &w.bases[i]; at-r.base < r.size {
			return canonical(i, at-r.base), true
		}
	}
	return 0, false
}

// address returns the canonical address of a word.
func (w *world) address(word *arch.Word) uint64 {
	addr, _ := w.resolve(unsafe.Pointer(word))
	return addr
}

func (w *world) lockAddr(l int) uint64 {
	return canonical(regionLocks, lockSize*uintptr(l))
}

// regionOf returns the name, the element's index and the offset in it of a canonical address.
func (w *world) regionOf(addr uint64) (r *region, index, offset uintptr) {
	r = &w.bases[regionNumber(addr)]
	off := uintptr(addr & (1<<regionBits - 1))
	return r, off / r.elem.Size(), off % r.elem.Size()
}

// lockName returns a lock's name: A, B, …
func lockName(l int) string { return string(rune('A' + l)) }

// name returns what a cell is called in counterexamples: A.byte0, slots[1].Lock,
// nodes[0][1].Locked.
func (w *world) name(addr uint64, width uint8) string {
	r, index, off := w.regionOf(addr)
	switch r.name {
	case "lock":
		if w.mutexes != nil && off < mutexSize {
			return lockName(int(index)) + map[uintptr]string{0: ".lock", 4: ".wait"}[off]
		}
		return lockName(int(index)) + part(off, width)
	case "word":
		return wordNames[index]
	}
	return fmt.Sprintf("%s[%d]%s", r.name, index, fieldAt(r.elem, off, width))
}

func part(off uintptr, width uint8) string {
	switch {
	case off == 0 && width >= 4:
		return ""
	case width == 1:
		return fmt.Sprintf(".byte%d", off)
	case width == 2:
		return fmt.Sprintf(".half%d", off/2)
	}
	return fmt.Sprintf("+%d", off)
}

// fieldAt returns the path of the field of a type that an offset lies in.
func fieldAt(t reflect.Type, off uintptr, width uint8) string {
	if strings.HasSuffix(t.PkgPath(), "/arch") && t != reflect.TypeFor[arch.Waiter]() {
		if t.Name() == "Word" {
			return part(off, width)
		}
		return ""
	}
	switch t.Kind() {
	case reflect.Array:
		n := off / t.Elem().Size()
		return fmt.Sprintf("[%d]%s", n, fieldAt(t.Elem(), off%t.Elem().Size(), width))
	case reflect.Struct:
		for i := range t.NumField() {
			if f := t.Field(i); off-f.Offset < f.Type.Size() {
				return "." + f.Name + fieldAt(f.Type, off-f.Offset, width)
			}
		}
	}
	return ""
}
