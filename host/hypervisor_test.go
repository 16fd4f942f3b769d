package host

import (
	"encoding/binary"
	"reflect"
	"testing"
	"testing/fstest"
)

// fakeCPU answers CPUID from a list of leaves, and for what is not in it as Intel's
// processors do: with the highest basic leaf's values, which look like text here.
func fakeCPU(virtual bool, leaves ...Leaf) cpuid {
	return func(leaf, _ uint32) (a, b, c, d uint32) {
		if leaf == 1 {
			if virtual {
				c = 1 << 31
			}
			return 0, 0, c, 0
		}
		for _, l := range leaves {
			if leaf == l.Base {
				var raw [12]byte
				copy(raw[:], l.Signature)
				return l.Max, binary.LittleEndian.Uint32(raw[0:]),
					binary.LittleEndian.Uint32(raw[4:]), binary.LittleEndian.Uint32(raw[8:])
			}
		}
		return 7, 0x41414141, 0x41414141, 0x41414141
	}
}

func TestHypervisor(t *testing.T) {
	const virtual, bare = "flags\t: fpu hypervisor lahf_lm\n", "flags\t: fpu nohypervisor lahf_lm\n"
	kvm := Leaf{0x40000000, 0x40000001, "KVMKVMKVM"}
	kvmAbove := Leaf{0x40000100, 0x40000101, "KVMKVMKVM"}
	hyperv := Leaf{0x40000000, 0x40000082, "Microsoft Hv"}
	xenAbove := Leaf{0x40000100, 0x40000105, "XenVMMXenVMM"}
	last := Leaf{0x4000ff00, 0x4000ff02, "XenVMMXenVMM"}
	bhyve := Leaf{0x40000000, 0x40000001, "bhyve bhyve "}
	for _, c := range []struct {
		name  string
		id    cpuid
		files map[string]string
		want  Hypervisor
		fails bool
	}{
		{"KVM", fakeCPU(true, kvm), nil, Hypervisor{"KVM", "cpuid", []Leaf{kvm}}, false},
		{"Hyper-V", fakeCPU(true, hyperv), nil, Hypervisor{"Hyper-V", "cpuid", []Leaf{hyperv}},
			false},
		{"VMware", fakeCPU(true, Leaf{0x40000000, 0x40000010, "VMwareVMware"}), nil,
			Hypervisor{"VMware", "cpuid", []Leaf{{0x40000000, 0x40000010, "VMwareVMware"}}}, false},
		{"KVM that poses as Hyper-V is KVM", fakeCPU(true, hyperv, kvmAbove), nil,
			Hypervisor{"KVM", "cpuid", []Leaf{hyperv, kvmAbove}}, false},
		{"Xen that poses as Hyper-V is Xen", fakeCPU(true, hyperv, xenAbove), nil,
			Hypervisor{"Xen", "cpuid", []Leaf{hyperv, xenAbove}}, false},
		{"old KVM gives no last leaf", fakeCPU(true, Leaf{0x40000000, 0, "KVMKVMKVM"}), nil,
			Hypervisor{"KVM", "cpuid", []Leaf{kvm}}, false},
		{"the last place is looked at", fakeCPU(true, last), nil,
			Hypervisor{"Xen", "cpuid", []Leaf{last}}, false},
		{"the one after it is not", fakeCPU(true, Leaf{0x40010000, 0x40010001, "XenVMMXenVMM"}),
			nil, Hypervisor{Unnamed, "cpuid", nil}, false},
		{"others go by their signature", fakeCPU(true, bhyve), nil,
			Hypervisor{"bhyve bhyve", "cpuid", []Leaf{bhyve}}, false},
		{"bytes other than text are not a signature",
			fakeCPU(true, Leaf{0x40000000, 0x40000001, "\x01\x02"}), nil,
			Hypervisor{Unnamed, "cpuid", nil}, false},
		{"no bit, no leaves", fakeCPU(false, kvm), nil, Hypervisor{None, "cpuid", nil}, false},
		{"firmware tables don't make bare metal virtual", fakeCPU(false),
			map[string]string{"sys/class/dmi/id/sys_vendor": "QEMU"},
			Hypervisor{None, "cpuid", nil}, false},
		{"Xen dom0 has no bit", fakeCPU(false), map[string]string{"sys/hypervisor/type": "xen\n"},
			Hypervisor{"Xen", "/sys/hypervisor/type", nil}, false},
		{"no leaves, but firmware tables", fakeCPU(true),
			map[string]string{"sys/class/dmi/id/sys_vendor": "QEMU\n"},
			Hypervisor{"QEMU", "/sys/class/dmi/id", nil}, false},
		{"without CPUID the kernel's flag: virtual", nil,
			map[string]string{"proc/cpuinfo": virtual}, Hypervisor{Unnamed, "/proc/cpuinfo", nil},
			false},
		{"without CPUID the kernel's flag: not", nil, map[string]string{"proc/cpuinfo": bare},
			Hypervisor{None, "/proc/cpuinfo", nil}, false},
		{"a device tree", nil,
			map[string]string{
				"proc/device-tree/hypervisor/compatible": "xen,xen-4.17\x00xen,xen\x00"},
			Hypervisor{"Xen", "/proc/device-tree/hypervisor", nil}, false},
		{"a product name", nil,
			map[string]string{"sys/class/dmi/id/sys_vendor": "QEMU",
				"sys/class/dmi/id/product_name": "KVM Virtual Machine\n"},
			Hypervisor{"KVM", "/sys/class/dmi/id", nil}, false},
		{"Microsoft also makes laptops", nil,
			map[string]string{"sys/class/dmi/id/sys_vendor": "Microsoft Corporation",
				"sys/class/dmi/id/product_name": "Surface"}, Hypervisor{Name: Unnamed}, true},
		{"no evidence at all", nil, nil, Hypervisor{Name: Unnamed}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			have, err := hypervisor(files(c.files), c.id)
			if !reflect.DeepEqual(have, c.want) || (err != nil) != c.fails {
				t.Errorf("%+v, %v; want %+v", have, err, c.want)
			}
		})
	}
}

func TestTheCPUAgreesWithTheKernel(t *testing.T) {
	id := cpuidReader()
	if id == nil {
		t.Skip("no CPUID in this build")
	}
	a, b, c, d := id(0, 0)
	if a == 0 || b|c|d == 0 {
		t.Fatalf("leaf 0: last leaf %d, vendor %#x %#x %#x", a, b, d, c)
	}
	if flag, known := hypervisorFlag(root()); known && flag != hypervisorBit(id) {
		t.Errorf("CPUID says virtual: %v, /proc/cpuinfo: %v", !flag, flag)
	}
}

func TestALeafIsExecutedOnce(t *testing.T) {
	n := 0
	id := remember(func(leaf, subleaf uint32) (a, b, c, d uint32) {
		n++
		return leaf, subleaf, 3, 4
	})
	for range 3 {
		for _, leaf := range []uint32{1, 2} {
			if a, b, c, d := id(leaf, 7); a != leaf || b != 7 || c != 3 || d != 4 {
				t.Errorf("leaf %d: %d %d %d %d", leaf, a, b, c, d)
			}
		}
	}
	if n != 2 {
		t.Errorf("two leaves were executed %d times", n)
	}
	if remember(nil) != nil {
		t.Error("there is no CPUID, and it is remembered")
	}
}

func BenchmarkHypervisor(b *testing.B) {
	for b.Loop() {
		_, _ = hypervisor(fstest.MapFS{}, cpuidReader())
	}
}
