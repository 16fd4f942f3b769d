//go:build (amd64 || 386 || arm64) && !purego

package textpatch

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// memory is this process's own, by /proc/self/mem. Writing there goes to private pages that the process
// itself has no right to write to, by ptrace's rights, not by a mapping's.
type memory struct {
	f *os.File
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
	return memory{f: f, refuse: refuse}, nil
}

func (m memory) Close() { m.f.Close() }

func (m memory) read(addr uintptr, n int) ([]byte, error) {
	b := make([]byte, n)
	return b, m.readInto(b, addr)
}

func (m memory) readInto(b []byte, addr uintptr) error {
	for got := 0; got < len(b); {
		n, err := unix.Pread(int(m.f.Fd()), b[got:], int64(addr)+int64(got))
		if err == nil && n == 0 {
			err = io.ErrUnexpectedEOF
		}
		if err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("textpatch: reading %d bytes of text at %#x: %w", len(b), addr, err)
		}
		got += max(n, 0)
	}
	return nil
}

func (m memory) write(addr uintptr, b []byte) error {
	if m.refuse != nil {
		if err := m.refuse(addr); err != nil {
			return fmt.Errorf("textpatch: writing %d bytes of text at %#x: %w", len(b), addr, err)
		}
	}
	for put := 0; put < len(b); {
		n, err := unix.Pwrite(int(m.f.Fd()), b[put:], int64(addr)+int64(put))
		if err == nil && n == 0 {
			err = io.ErrShortWrite
		}
		if err != nil && !errors.Is(err, unix.EINTR) {
			// EIO is what kernels say that were built or started so that they let nobody write
			// to what is mapped read-only (PROC_MEM_NO_FORCE, proc_mem.force_override).
			return fmt.Errorf("textpatch: writing %d bytes of text at %#x: %w", len(b), addr, err)
		}
		put += max(n, 0)
	}
	return nil
}

// An area is executable memory, from start up to end.
type area struct{ start, end uintptr }

// text returns the areas into which the file is mapped, and can be executed, that this package's own
// code comes from.
func (m memory) text() ([]area, error) {
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return nil, fmt.Errorf("textpatch: where the program's text is: %w", err)
	}
	here := Entry(Entry)
	all := map[string][]area{}
	own := ""
	for line := range strings.Lines(string(maps)) {
		// start-end perms offset device inode path
		fields := strings.Fields(line)
		if len(fields) < 5 || fields[1][2] != 'x' {
			continue
		}
		from, to, _ := strings.Cut(fields[0], "-")
		start, err1 := strconv.ParseUint(from, 16, strconv.IntSize)
		end, err2 := strconv.ParseUint(to, 16, strconv.IntSize)
		if err := errors.Join(err1, err2); err != nil {
			return nil, fmt.Errorf("textpatch: /proc/self/maps: %w", err)
		}
		file := fields[3] + " " + fields[4]
		a := area{uintptr(start), uintptr(end)}
		all[file] = append(all[file], a)
		if a.start <= here && here < a.end {
			own = file
		}
	}
	if own == "" {
		return nil, errors.New("textpatch: /proc/self/maps doesn't have the program's text")
	}
	return all[own], nil
}

const (
	membarrierSyncCore         = 1 << 5
	membarrierRegisterSyncCore = 1 << 6
)

// readySync registers the process for syncCores.
func readySync() error {
	if _, _, errno := unix.Syscall(unix.SYS_MEMBARRIER, membarrierRegisterSyncCore, 0, 0); errno != 0 {
		return fmt.Errorf("textpatch: other cores can't be told of changed text: membarrier's SYNC_CORE: %w", errno)
	}
	return nil
}

// syncCores makes each core that runs a thread of this process execute a serialising instruction, and those
// that will, before they return to it.
func syncCores() error {
	if _, _, errno := unix.Syscall(unix.SYS_MEMBARRIER, membarrierSyncCore, 0, 0); errno != 0 {
		return fmt.Errorf("textpatch: membarrier's SYNC_CORE: %w", errno)
	}
	return nil
}
