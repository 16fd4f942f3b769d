//go:build linux && amd64

package main

import (
	"example.com/pvlock/host"
	"example.com/pvlock/machine/xen"
)

// A message is what dom0 says: one line of JSON on its second serial port.
type message struct {
	// Boot is what dom0 has found beneath itself.
	Boot *boot `json:",omitempty"`
	// Step is something that ran.
	Step *step `json:",omitempty"`
	// Failed is why dom0 can't go on.
	Failed string `json:",omitempty"`
	// Done says that no message follows.
	Done bool `json:",omitempty"`
}

// boot is how the machine was detected: by the kernel, and by us.
type boot struct {
	// Kernel is the lines of the kernel's log about its hypervisor and its spinlocks.
	Kernel []string
	Facts  host.Facts
	Xen    xen.Info
}

type step struct {
	Name    string
	Command []string
	Exit    int
	Seconds float64
	Output  packed
	// Files are what it wrote, by their names.
	Files map[string]packed
}
