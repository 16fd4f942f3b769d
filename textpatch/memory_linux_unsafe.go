//go:build linux && (amd64 || 386 || arm64) && !purego

package textpatch

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// memory is this process's own, by /proc/self/mem. Writing there goes to private pages that the
// process itself has no right to write to, by ptrace's rights, not by a mapping's.
type memory struct {
	f  *os.File
	fd uintptr
	// refuse, in tests, says which writes the kernel refuses.
	refuse func(addr uintptr) error
}

// refuse is what the next memory is given.
var refuse func(addr uintptr) error

func openMemory() (memory, error) {
	f, err := os.OpenFile("/proc/self/mem", os.O_RDWR, 0)
	if err != nil {
		return memory{}, fmt.Errorf("textpatch: the program's text can't be written: %w", err)
	}
	m := memory{f: f, fd: f.Fd(), refuse: refuse}
	if err := m.isOwn(); err != nil {
		f.Close()
		return memory{}, err
	}
	return m, nil
}

// isOwn returns an error if the file shows other code than runs here: an emulator's, whose
// addresses are not the program's.
func (m memory) isOwn() error {
	entry := Entry(trialCall)
	there, err := m.read(entry, 16)
	if err != nil {
		return err
	}
	if here := (*(**[16]byte)(unsafe.Pointer(&entry)))[:]; !bytes.Equal(here, there) {
		return fmt.Errorf("textpatch: /proc/self/mem has % x at %#x, where the program has % x: "+
			"it is another program's memory, perhaps an emulator's", there, entry, here)
	}
	return nil
}

func (m memory) Close() { m.f.Close() }

func (m memory) read(addr uintptr, n int) ([]byte, error) {
	b := make([]byte, n)
	return b, m.readInto(b, addr)
}

func (m memory) readInto(b []byte, addr uintptr) error {
	if errno := transfer(unix.SYS_PREAD64, m.fd, b, addr); errno != 0 {
		return fmt.Errorf("textpatch: reading %d bytes of text at %#x: %w", len(b), addr, errno)
	}
	return nil
}

func (m memory) write(addr uintptr, b []byte) error {
	err := error(nil)
	if m.refuse != nil {
		err = m.refuse(addr)
	}
	if err == nil {
		if errno := transfer(unix.SYS_PWRITE64, m.fd, b, addr); errno != 0 {
			// EIO is what kernels say that were built or started so that they let nobody write
			// to what is mapped read-only (PROC_MEM_NO_FORCE, proc_mem.force_override).
			err = errno
		}
	}
	if err != nil {
		return fmt.Errorf("textpatch: writing %d bytes of text at %#x: %w", len(b), addr, err)
	}
	return nil
}

// transfer reads or writes all of b. It makes system calls in the raw way: see alone.
func transfer(call, fd uintptr, b []byte, addr uintptr) unix.Errno {
	for done := 0; done < len(b); {
		// On 386 the offset is two words, and an address is the lower one.
		n, _, errno := unix.RawSyscall6(call, fd, uintptr(unsafe.Pointer(&b[done])),
			uintptr(len(b)-done), addr+uintptr(done), 0, 0)
		switch {
		case errno == unix.EINTR:
		case errno != 0:
			return errno
		case n == 0:
			return unix.EIO
		default:
			done += int(n)
		}
	}
	return 0
}

// An area is executable memory, from start up to end.
type area struct{ start, end uintptr }

// text returns the areas that Go's functions are in.
func (m memory) text() ([]area, error) {
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return nil, fmt.Errorf("textpatch: where the program's text is: %w", err)
	}
	return goText(string(maps))
}

// goText returns the areas that can be executed and have functions of Go in them. They need not be
// of one file. Memory that no file is mapped to is an error: it would be another's to say what it
// is, and where a call in it was.
func goText(maps string) (all []area, err error) {
	for line := range strings.Lines(maps) {
		// start-end perms offset device inode path
		fields := strings.Fields(line)
		if len(fields) < 5 || fields[1][2] != 'x' {
			continue
		}
		from, to, _ := strings.Cut(fields[0], "-")
		start, err1 := strconv.ParseUint(from, 16, strconv.IntSize)
		end, err2 := strconv.ParseUint(to, 16, strconv.IntSize)
		if err := cmp.Or(err1, err2); err != nil {
			return nil, fmt.Errorf("textpatch: /proc/self/maps: %w", err)
		}
		a := area{uintptr(start), uintptr(end)}
		if !a.hasGo() {
			continue
		}
		if fields[4] == "0" {
			return nil, fmt.Errorf("textpatch: the program's text at %#x to %#x is in memory "+
				"that no file is mapped to: "+
				"it was unpacked there, or moved to larger pages; it is left as it is", a.start,
				a.end)
		}
		all = append(all, a)
	}
	if len(all) == 0 {
		return nil, errors.New("textpatch: /proc/self/maps doesn't have the program's text")
	}
	return all, nil
}

// hasGo reports whether functions of Go are in the area.
func (a area) hasGo() bool {
	for i := uintptr(0); i < a.end-a.start; i += 4096 {
		if runtime.FuncForPC(a.start+i) != nil {
			return true
		}
	}
	return false
}

const (
	membarrierSyncCore         = 1 << 5
	membarrierRegisterSyncCore = 1 << 6
)

// readySync registers the process for syncCores.
func readySync() error {
	if _, _, errno := unix.Syscall(unix.SYS_MEMBARRIER, membarrierRegisterSyncCore, 0,
		0); errno != 0 {
		return fmt.Errorf("textpatch: other cores can't be told of changed text: membarrier's "+
			"SYNC_CORE: %w", errno)
	}
	return nil
}

// syncCores makes each core that runs a thread of this process execute a serialising instruction,
// and those that will, before they return to it.
func syncCores() error {
	if _, _, errno := unix.RawSyscall(unix.SYS_MEMBARRIER, membarrierSyncCore, 0, 0); errno != 0 {
		return fmt.Errorf("textpatch: membarrier's SYNC_CORE: %w", errno)
	}
	return nil
}
