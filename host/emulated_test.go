package host

import (
	"testing"
)

func TestOnlyAGuestThatXenParavirtualisesAsksXen(t *testing.T) {
	kvm := Leaf{0x40000000, 0x40000001, "KVMKVMKVM"}
	tcg := Leaf{0x40000000, 0x40000001, tcgSignature}
	xen := Leaf{0x40000000, 0x40000005, "XenVMMXenVMM"}
	const typ, guest = "sys/hypervisor/type", "sys/hypervisor/guest_type"
	for _, c := range []struct {
		name     string
		own, xen cpuid
		files    map[string]string
		want     string
	}{
		{"dom0 on an emulator", fakeCPU(true, tcg), fakeCPU(true, xen),
			map[string]string{typ: "xen\n", guest: "PV\n"}, "Xen"},
		{"a hardware guest", fakeCPU(true, xen), fakeInvalid(t),
			map[string]string{typ: "xen\n", guest: "HVM\n"}, "Xen"},
		{"a kernel that doesn't say what kind of guest", fakeCPU(true, kvm), fakeInvalid(t),
			map[string]string{typ: "xen\n"}, "KVM"},
		{"no Xen", fakeCPU(true, kvm), fakeInvalid(t), nil, "KVM"},
		{"no CPUID in this build", nil, nil, map[string]string{typ: "xen\n", guest: "PV\n"}, "Xen"},
	} {
		t.Run(c.name, func(t *testing.T) {
			fsys := files(c.files)
			h, err := hypervisor(fsys, guestCPUID(fsys, c.own, c.xen))
			if err != nil || h.Name != c.want {
				t.Errorf("%+v, %v; want %s", h, err, c.want)
			}
		})
	}
}

// fakeInvalid is an instruction that must not be executed.
func fakeInvalid(t *testing.T) cpuid {
	return func(uint32, uint32) (a, b, c, d uint32) {
		t.Error("Xen's CPUID is executed where it is an invalid instruction")
		return 0, 0, 0, 0
	}
}

func TestEmulatedCPUsAreKnown(t *testing.T) {
	for _, c := range []struct {
		name, model string
		own         cpuid
		want        bool
	}{
		{"by CPUID", "Some CPU", fakeCPU(true, Leaf{0x40000000, 0x40000001, tcgSignature}), true},
		{"by their name", "QEMU TCG CPU version 2.5+", nil, true},
		{"KVM's are real", "QEMU Virtual CPU version 2.5+",
			fakeCPU(true, Leaf{0x40000000, 0x40000001, "KVMKVMKVM"}), false},
		{"bare metal", "Some CPU", fakeCPU(false), false},
		{"nothing known", "", nil, false},
	} {
		if have := emulated(c.model, c.own); have != c.want {
			t.Errorf("%s: %v, want %v", c.name, have, c.want)
		}
	}
}
