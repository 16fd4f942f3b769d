//go:build linux && amd64 && !purego && !race

package kvm

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
)

const (
	pageSize  = 4 << 10
	largePage = 2 << 20

	// physicalBits is how wide guest-physical addresses are while the guest's CPUID doesn't say
	// more.
	physicalBits = 36

	// heapChunk is in what multiples, at multiples of what address, the Go runtime maps its heap.
	heapChunk = 4 << 20
)

// A region is a range of this process's memory that the guest sees at the same
// address.
type region struct {
	name     string
	va, size uint64
	write    bool
	exec     bool
	small    bool // mapped by small pages alone, so that one can be taken out
	gpa      uint64
}

func (r *region) contains(va uint64) bool { return va >= r.va && va-r.va < r.size }

// checkText returns an error if the guest can't be given the program's text.
func checkText() error {
	_, err := ownRegions(uint64(entryPC()))
	return err
}

// ownRegions returns the regions of the program and of its heap, by /proc/self/maps: all mappings
// of the file that pc is in, with the zeros that follow its data, and the heap. Text that is in
// none of that file is an error.
func ownRegions(pc uint64) ([]region, error) {
	f, err := os.Open("/proc/self/maps")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return parseMaps(f, pc)
}

// mapping is a line of /proc/self/maps.
type mapping struct {
	region
	read, private bool
	anonymous     bool // no file is mapped
	// device and inode, or the kernel's name for what it is; "" for anonymous memory
	file string
}

// hasGo reports whether functions of Go can be executed there.
func (m *mapping) hasGo() bool {
	for at := uint64(0); m.exec && at < m.size; at += pageSize {
		if runtime.FuncForPC(uintptr(m.va+at)) != nil {
			return true
		}
	}
	return false
}

func parseMaps(r io.Reader, pc uint64) ([]region, error) {
	var all []mapping
	self := ""
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		m, err := parseMapping(lines.Text())
		if err != nil {
			return nil, err
		}
		if m.contains(pc) {
			self = m.file
		}
		all = append(all, m)
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	if err := wholeText(all, self); err != nil {
		return nil, err
	}
	var regions []region
	end := uint64(0) // of the program's last mapping
	for _, m := range all {
		switch {
		case !m.read || !m.private:
			continue
		case m.file == self:
			m.name, end = "program", m.va+m.size
		case m.file == "" && m.va == end:
			m.name = "program's zeros"
		case m.file == "" && m.write && !m.exec && m.va%heapChunk == 0 && m.size%heapChunk == 0:
			m.name = "heap"
		default:
			continue
		}
		regions = append(regions, m.region)
	}
	return regions, nil
}

// wholeText returns an error unless all of Go's functions are where one file is mapped.
func wholeText(all []mapping, file string) error {
	var other error
	for _, m := range all {
		switch {
		case !m.hasGo():
		case m.anonymous:
			return fmt.Errorf("the program's text at %#x to %#x is in memory that no file is "+
				"mapped to: "+
				"it was unpacked there, or moved to larger pages, and a guest can't be given that",
				m.va, m.va+m.size)
		case m.file != file:
			other = fmt.Errorf("the program's text at %#x to %#x is of another file than the "+
				"rest, and a guest can't be given that", m.va, m.va+m.size)
		}
	}
	return other
}

// parseMapping parses "from-to rwxp offset device inode path".
func parseMapping(line string) (m mapping, err error) {
	var to uint64
	var perm, offset, device string
	var inode uint64
	if _, err := fmt.Sscanf(line, "%x-%x %s %s %s %d", &m.va, &to, &perm, &offset, &device,
		&inode); err != nil || len(perm) != 4 {
		return m, fmt.Errorf("/proc/self/maps has a line %q", line)
	}
	m.size = to - m.va
	m.read, m.write, m.exec, m.private = perm[0] == 'r', perm[1] == 'w', perm[2] == 'x',
		perm[3] == 'p'
	if m.anonymous = inode == 0; !m.anonymous {
		m.file = fmt.Sprintf("%s %d", device, inode)
	} else if fields := strings.Fields(line); len(fields) > 5 &&
		!strings.HasPrefix(fields[5], "[anon:") {
		m.file = fields[5] // [stack], [vdso]
	}
	return m, nil
}

// space is a guest's address space.
type space struct {
	vm      int
	regions []region
	tables  tables
	next    uint64 // the first guest-physical address that is not in use
	slots   uint32
}

// newSpace builds the address space of a VM: the regions, and the doorbells, which have no memory
// behind them. The first vCPUs' doorbell page is at guest-physical bellsGPA.
func newSpace(vm int, regions []region, bellsSize uint64) (s *space, bellsGPA uint64, err error) {
	s = &space{vm: vm, regions: regions}
	bell := region{name: "doorbells", va: bells, size: bellsSize, write: true}
	if err := disjoint(append(append([]region(nil), regions...), bell)); err != nil {
		return nil, 0, err
	}
	if s.tables, err = newTables(append(append([]region(nil), regions...), bell)); err != nil {
		return nil, 0, err
	}
	// The tables are first: CR3 is 0.
	if err := s.slot(
		&region{name: "page tables", va: addressOf(s.tables.mem), size: uint64(len(s.tables.mem)),
			write: true}, 0); err != nil {
		return s, 0, err
	}
	for i := range s.regions {
		r := &s.regions[i]
		// So that a large page of the host can be one of the guest's.
		gpa := s.next + (r.va-s.next)%largePage
		if err := s.slot(r, gpa); err != nil {
			return s, 0, err
		}
		s.tables.mapRegion(r)
	}
	bell.gpa = (s.next + pageSize - 1) / pageSize * pageSize
	if bell.gpa+bell.size > 1<<physicalBits {
		return s, 0, s.tooBig()
	}
	s.tables.mapRegion(&bell)
	return s, bell.gpa, nil
}

func (s *space) tooBig() error {
	var sum uint64
	for _, r := range s.regions {
		sum += r.size
	}
	return fmt.Errorf("the program and its heap are %d MB, and a guest has room for %d MB", sum>>20,
		1<<physicalBits>>20)
}

// slot puts memory of this process at a guest-physical address.
func (s *space) slot(r *region, gpa uint64) error {
	r.gpa = gpa
	if gpa+r.size > 1<<physicalBits {
		return s.tooBig()
	}
	m := memoryRegion{slot: s.slots, gpa: gpa, size: r.size, hva: r.va}
	if !r.write {
		m.flags = memReadonly
	}
	if err := setMemoryRegion(s.vm, m); err != nil {
		return fmt.Errorf("mapping the %s at %#x, %d kB: %w", r.name, r.va, r.size>>10, err)
	}
	s.slots++
	s.next = gpa + r.size
	return nil
}

// has reports whether n bytes at an address are in a region that the guest sees.
func (s *space) has(va, n uint64) bool {
	for i := range s.regions {
		r := &s.regions[i]
		if r.contains(va) && r.contains(va+n-1) {
			return true
		}
	}
	return false
}

// disjoint reports an error if two regions overlap.
func disjoint(regions []region) error {
	for i, a := range regions {
		for _, b := range regions[i+1:] {
			if a.va < b.va+b.size && b.va < a.va+a.size {
				return fmt.Errorf("the %s at %#x and the %s at %#x overlap", a.name, a.va, b.name,
					b.va)
			}
		}
	}
	if len(regions) == 0 {
		return errors.New("nothing to map")
	}
	return nil
}
