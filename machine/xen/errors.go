package xen

import (
	"fmt"
	"strings"
)

// device is where the kernel of a domain offers event channels.
const device = "/dev/xen/evtchn"

// errNoDevice is the one line for a place without Xen.
func errNoDevice(why error) error {
	return fmt.Errorf("xen: no event channels here, %s can't be opened (%w): it needs a Xen "+
		"domain whose kernel has the module xen-evtchn; machine/xen/testbed boots one under "+
		"emulation", device, why)
}

// prefixed says what package an error is from, once.
func prefixed(err error) error {
	if strings.HasPrefix(err.Error(), "xen: ") {
		return err
	}
	return fmt.Errorf("xen: %w", err)
}
