package host

import (
	"io/fs"
	"slices"
	"strings"
)

// guestCPUID returns the CPUID that tells of the hypervisor nearest beneath: the CPU's own, or, in
// a guest that Xen paravirtualises, Xen's. There the CPU's own isn't intercepted and tells of
// whatever is beneath Xen.
func guestCPUID(fsys fs.FS, own, xen cpuid) cpuid {
	if own != nil && xen != nil && xenParavirtual(fsys) {
		return xen
	}
	return own
}

// xenParavirtual says whether this is a guest that Xen paravirtualises entirely, dom0 among them.
func xenParavirtual(fsys fs.FS) bool {
	return read(fsys, "sys/hypervisor/type") == "xen" &&
		read(fsys, "sys/hypervisor/guest_type") == "PV"
}

// tcgSignature is in the CPUID of QEMU's emulation.
const tcgSignature = "TCGTCGTCGTCG"

// emulated says whether the CPUs are an emulator's, by their name, which hypervisors pass on, or by
// their own CPUID, which one beneath a hypervisor still answers if that doesn't intercept it.
func emulated(model string, own cpuid) bool {
	if strings.HasPrefix(model, "QEMU TCG CPU") {
		return true
	}
	return own != nil && hypervisorBit(own) &&
		slices.ContainsFunc(hypervisorLeaves(own), func(l Leaf) bool {
			return l.Signature == tcgSignature
		})
}
