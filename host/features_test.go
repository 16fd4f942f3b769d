package host

import (
	"reflect"
	"testing"
)

// offering is a virtual CPU that answers for more leaves than those that name the hypervisor.
func offering(base cpuid, leaves map[uint32][4]uint32) cpuid {
	return func(leaf, subleaf uint32) (a, b, c, d uint32) {
		if r, ok := leaves[leaf]; ok {
			return r[0], r[1], r[2], r[3]
		}
		return base(leaf, subleaf)
	}
}

func TestEachFeatureIsReadFromItsBitOfItsHypervisor(t *testing.T) {
	kvm := Leaf{0x40000000, 0x40000001, "KVMKVMKVM"}
	kvmAbove := Leaf{0x40000100, 0x40000101, "KVMKVMKVM"}
	hyperv := Leaf{0x40000000, 0x40000082, "Microsoft Hv"}
	hypervShort := Leaf{0x40000000, 0x40000003, "Microsoft Hv"}
	xen := Leaf{0x40000000, 0x40000005, "XenVMMXenVMM"}
	kvmAll := [4]uint32{0x1007efb, 0, 0, 0}
	for _, c := range []struct {
		name   string
		leaves []Leaf
		more   map[uint32][4]uint32
		want   Features
	}{
		{"KVM as it is today", []Leaf{kvm}, map[uint32][4]uint32{0x40000001: kvmAll},
			Features{PVUnhalt: true, StealTime: true, PVSchedYield: true, PVSendIPI: true}},
		{"only unhalt", []Leaf{kvm}, map[uint32][4]uint32{0x40000001: {1 << 7}},
			Features{PVUnhalt: true}},
		{"only steal time", []Leaf{kvm}, map[uint32][4]uint32{0x40000001: {1 << 5}},
			Features{StealTime: true}},
		{"only IPIs", []Leaf{kvm}, map[uint32][4]uint32{0x40000001: {1 << 11}},
			Features{PVSendIPI: true}},
		{"only yield", []Leaf{kvm}, map[uint32][4]uint32{0x40000001: {1 << 13}},
			Features{PVSchedYield: true}},
		{"dedicated CPUs", []Leaf{kvm}, map[uint32][4]uint32{0x40000001: {1 << 7, 0, 0, 1}},
			Features{PVUnhalt: true, Realtime: true}},
		{"KVM that poses as Hyper-V is asked at its own leaves", []Leaf{hyperv, kvmAbove},
			map[uint32][4]uint32{0x40000001: {1 << 5}, 0x40000003: {1 << 10}, 0x40000004: {1 << 10},
				0x40000101: {1 << 7}},
			Features{PVUnhalt: true}},
		{"Hyper-V", []Leaf{hyperv},
			map[uint32][4]uint32{0x40000003: {1 << 10}, 0x40000004: {1 << 10}},
			Features{ClusterIPI: true, GuestIdle: true}},
		{"the sleep without the hint", []Leaf{hyperv},
			map[uint32][4]uint32{0x40000003: {1 << 10}, 0x40000004: {^uint32(1 << 10)}},
			Features{GuestIdle: true}},
		{"leaves past the last are not asked", []Leaf{hypervShort},
			map[uint32][4]uint32{0x40000003: {0}, 0x40000004: {1 << 10}}, Features{}},
		{"Xen has no such bits", []Leaf{xen}, map[uint32][4]uint32{0x40000001: kvmAll}, Features{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			id := offering(fakeCPU(true, c.leaves...), c.more)
			h, err := hypervisor(files(nil), id)
			if err != nil {
				t.Fatal(err)
			}
			if have, ok := features(Is(h), id).Get(); !ok || have != c.want {
				t.Errorf("%+v, want %+v", have, c.want)
			}
		})
	}
}

func TestEachFeatureHasAName(t *testing.T) {
	var all Features
	v := reflect.ValueOf(&all).Elem()
	for i := range v.NumField() {
		v.Field(i).SetBool(true)
	}
	if names := all.List(); len(names) != v.NumField() {
		t.Errorf("%d names for %d features: %v", len(names), v.NumField(), names)
	}
}
