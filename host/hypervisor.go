package host

import (
	"encoding/binary"
	"errors"
	"io/fs"
	"strings"
)

// Hypervisor is what the CPUs are virtual under.
type Hypervisor struct {
	// Name is "KVM", "Xen", "Hyper-V" or "VMware"; any other by the signature that it
	// gives; None on bare metal; Unnamed if there is one that doesn't say.
	Name string
	// Source is what said so: "cpuid", or a file.
	Source string
	// Leaves are the interfaces that it offers by CPUID, on x86. One hypervisor may
	// offer several, as KVM does that poses as Hyper-V too.
	Leaves []Leaf
}

// Names of no hypervisor, and of one that has none.
const (
	None    = "none"
	Unnamed = "unnamed"
)

// A Leaf is where a hypervisor's CPUID leaves begin.
type Leaf struct {
	// Base is the first leaf and Max the last.
	Base, Max uint32
	// Signature is the 12 bytes of the first one, without padding.
	Signature string
}

// Where hypervisors put their leaves, and how far apart: as Linux looks for them, in
// hypervisor_cpuid_base.
const (
	leafFirst = 0x40000000
	leafEnd   = 0x40010000
	leafStep  = 0x100
)

// A cpuid executes CPUID; nil where there is none.
type cpuid func(leaf, subleaf uint32) (eax, ebx, ecx, edx uint32)

// remember returns a CPUID that executes each leaf once: under a hypervisor it is an exit, and
// several facts ask for the same leaves.
func remember(id cpuid) cpuid {
	if id == nil {
		return nil
	}
	type registers struct{ eax, ebx, ecx, edx uint32 }
	known := make(map[[2]uint32]registers)
	return func(leaf, subleaf uint32) (eax, ebx, ecx, edx uint32) {
		r, ok := known[[2]uint32{leaf, subleaf}]
		if !ok {
			r.eax, r.ebx, r.ecx, r.edx = id(leaf, subleaf)
			known[[2]uint32{leaf, subleaf}] = r
		}
		return r.eax, r.ebx, r.ecx, r.edx
	}
}

var errNoEvidence = errors.New("nothing says whether there is one")

// hypervisor asks the CPU, then the kernel, then the firmware's tables.
func hypervisor(fsys fs.FS, id cpuid) (Hypervisor, error) {
	h := Hypervisor{Name: Unnamed}
	virtual, known, source := false, false, "/proc/cpuinfo"
	if id != nil {
		virtual, known, source = hypervisorBit(id), true, "cpuid"
		if virtual {
			h.Leaves = hypervisorLeaves(id)
		}
	} else {
		virtual, known = hypervisorFlag(fsys)
	}
	if name := nameOf(h.Leaves); name != "" {
		h.Name, h.Source = name, source
		return h, nil
	}
	// Asked also if the bit is clear: Xen can't set it for guests that it
	// paravirtualises entirely, dom0 among them.
	if name := read(fsys, "sys/hypervisor/type"); name != "" {
		h.Name, h.Source = kernelName(name), "/sys/hypervisor/type"
		return h, nil
	}
	if known && !virtual {
		h.Name, h.Source = None, source
		return h, nil
	}
	if name := deviceTreeName(read(fsys, "proc/device-tree/hypervisor/compatible")); name != "" {
		h.Name, h.Source = name, "/proc/device-tree/hypervisor"
		return h, nil
	}
	if name := dmiName(read(fsys, "sys/class/dmi/id/sys_vendor"),
		read(fsys, "sys/class/dmi/id/product_name")); name != "" {
		h.Name, h.Source = name, "/sys/class/dmi/id"
		return h, nil
	}
	if virtual {
		h.Source = source
		return h, nil
	}
	return h, errNoEvidence
}

// hypervisorBit is bit 31 of leaf 1's ECX, which processors leave clear.
func hypervisorBit(id cpuid) bool {
	_, _, ecx, _ := id(1, 0)
	return ecx&(1<<31) != 0
}

// hypervisorLeaves finds the interfaces that a hypervisor offers. It is for CPUs whose hypervisor
// bit is set: others answer for leaves that they don't have with another leaf's values.
func hypervisorLeaves(id cpuid) []Leaf {
	var leaves []Leaf
	for base := uint32(leafFirst); base < leafEnd; base += leafStep {
		last, b, c, d := id(base, 0)
		var raw [12]byte
		binary.LittleEndian.PutUint32(raw[0:], b)
		binary.LittleEndian.PutUint32(raw[4:], c)
		binary.LittleEndian.PutUint32(raw[8:], d)
		signature := strings.TrimRight(string(raw[:]), "\x00")
		if signatures[signature] != "" && last == 0 {
			last = base + 1 // KVM before Linux 3.0
		}
		if !printable(signature) || last < base || last-base >= leafStep {
			continue
		}
		leaves = append(leaves, Leaf{Base: base, Max: last, Signature: signature})
	}
	return leaves
}

func printable(s string) bool {
	return s != "" && strings.IndexFunc(s, func(r rune) bool { return r < ' ' || r > '~' }) < 0
}

var signatures = map[string]string{
	"KVMKVMKVM":    "KVM",
	"XenVMMXenVMM": "Xen",
	"Microsoft Hv": "Hyper-V",
	"VMwareVMware": "VMware",
}

// nameOf names the hypervisor with the highest leaves, as Linux does: a
// hypervisor that poses as another one keeps the lower leaves for that.
func nameOf(leaves []Leaf) string {
	name := ""
	for _, l := range leaves {
		if known := signatures[l.Signature]; known != "" {
			name = known
		}
	}
	if name == "" && len(leaves) > 0 {
		name = strings.TrimSpace(leaves[0].Signature)
	}
	return name
}

func kernelName(name string) string {
	if name == "xen" {
		return "Xen"
	}
	return name
}

func deviceTreeName(compatible string) string {
	switch {
	case strings.Contains(compatible, "xen"):
		return "Xen"
	case strings.Contains(compatible, "kvm"):
		return "KVM"
	case strings.Contains(compatible, "vmware"):
		return "VMware"
	}
	return ""
}

// dmiName knows a few of the names that hypervisors give their machines. That they run KVM
// is certain of those only that say so: QEMU also emulates.
func dmiName(vendor, product string) string {
	switch {
	case strings.Contains(product, "KVM"):
		return "KVM"
	case vendor == "Xen":
		return "Xen"
	case vendor == "QEMU":
		return "QEMU"
	case strings.HasPrefix(vendor, "VMware"):
		return "VMware"
	case vendor == "Microsoft Corporation" && product == "Virtual Machine":
		return "Hyper-V"
	}
	return ""
}

// read returns what a file says, without white space and NULs around it; "" if it can't be read.
func read(fsys fs.FS, name string) string {
	text, err := fs.ReadFile(fsys, name)
	if err != nil {
		return ""
	}
	return strings.Trim(string(text), " \t\n\x00")
}
