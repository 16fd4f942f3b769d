//go:build linux && amd64

package main

import (
	"fmt"
	"io"
)

// cpio writes an archive in the "newc" format, which the kernel unpacks as its first file system.
// After an error it writes nothing more.
type cpio struct {
	w     io.Writer
	inode int
	err   error
}

// Types of entries, as in stat's mode.
const (
	cpioDir    = 0o040000
	cpioFile   = 0o100000
	cpioDevice = 0o020000
)

func (c *cpio) dir(name string) { c.entry(name, cpioDir|0o755, 0, 0, nil) }

func (c *cpio) file(name string, mode uint32, text []byte) {
	c.entry(name, cpioFile|mode, 0, 0, text)
}

// device makes a character device.
func (c *cpio) device(name string, major, minor int) {
	c.entry(name, cpioDevice|0o600, major, minor, nil)
}

// close ends the archive.
func (c *cpio) close() error {
	c.entry("TRAILER!!!", 0, 0, 0, nil)
	return c.err
}

func (c *cpio) entry(name string, mode uint32, major, minor int, text []byte) {
	c.inode++
	const owner, links, time, checksum = 0, 1, 0, 0
	header := "070701"
	for _, field := range []int{
		c.inode, int(mode), owner, owner, links, time, len(text), 0, 0, major, minor, len(name) + 1,
		checksum,
	} {
		header += fmt.Sprintf("%08x", field)
	}
	c.padded([]byte(header + name + "\x00"))
	c.padded(text)
}

// padded writes text, and zeros up to a multiple of 4 bytes.
func (c *cpio) padded(text []byte) {
	for _, part := range [][]byte{text, make([]byte, -len(text)&3)} {
		if c.err == nil {
			_, c.err = c.w.Write(part)
		}
	}
}
