//go:build linux

// Package anontext moves the text of the running program into anonymous memory, as tools do that
// put it on larger pages, and as packed programs have it from the start. It is for tests.
package anontext

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"

	"unsafe"

	"golang.org/x/sys/unix"
)

// Move moves the text, or its second half. Threads go on running it: at each address are the
// same bytes all the time.
func Move(half bool) error {
	start, end, err := text()
	if err != nil {
		return err
	}
	if half {
		start += (end - start) / 2 &^ 4095
	}
	size := end - start
	to, err := unix.Mmap(-1, 0, int(size), unix.PROT_READ|unix.PROT_WRITE,
		unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return fmt.Errorf("%d bytes of memory: %w", size, err)
	}
	mem, err := os.Open("/proc/self/mem")
	if err != nil {
		return err
	}
	defer mem.Close()
	if _, err := mem.ReadAt(to, int64(start)); err != nil {
		return err
	}
	if err := unix.Mprotect(to, unix.PROT_READ|unix.PROT_EXEC); err != nil {
		return err
	}
	_, _, errno := unix.RawSyscall6(unix.SYS_MREMAP, uintptr(unsafe.Pointer(&to[0])), size, size,
		unix.MREMAP_MAYMOVE|unix.MREMAP_FIXED, start, 0)
	if errno != 0 {
		return fmt.Errorf("mremap: %w", errno)
	}
	return nil
}

// text returns where the mapping is that this package's own code is in.
func text() (start, end uintptr, err error) {
	maps, err := os.Open("/proc/self/maps")
	if err != nil {
		return 0, 0, err
	}
	defer maps.Close()
	here := reflect.ValueOf(Move).Pointer()
	for lines := bufio.NewScanner(maps); lines.Scan(); {
		if _, err := fmt.Fscanf(strings.NewReader(lines.Text()), "%x-%x", &start,
			&end); err != nil {
			return 0, 0, err
		}
		if start <= here && here < end {
			return start, end, nil
		}
	}
	return 0, 0, errors.New("the program's text is in no mapping")
}
