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
		files  map[string]string
		want   Features
	}{
		{"KVM as it is today", []Leaf{kvm}, map[uint32][4]uint32{0x40000001: kvmAll}, nil,
			Features{PVUnhalt: true, StealTime: true, PVSchedYield: true, PVSendIPI: true}},
		{"only unhalt", []Leaf{kvm}, map[uint32][4]uint32{0x40000001: {1 << 7}}, nil, Features{PVUnhalt: true}},
		{"only steal time", []Leaf{kvm}, map[uint32][4]uint32{0x40000001: {1 << 5}}, nil, Features{StealTime: true}},
		{"only IPIs", []Leaf{kvm}, map[uint32][4]uint32{0x40000001: {1 << 11}}, nil, Features{PVSendIPI: true}},
		{"only yield", []Leaf{kvm}, map[uint32][4]uint32{0x40000001: {1 << 13}}, nil, Features{PVSchedYield: true}},
		{"dedicated CPUs", []Leaf{kvm}, map[uint32][4]uint32{0x40000001: {1 << 7, 0, 0, 1}}, nil, Features{PVUnhalt: true, Realtime: true}},
		{"KVM that poses as Hyper-V is asked at its own leaves", []Leaf{hyperv, kvmAbove},
			map[uint32][4]uint32{0x40000001: {1 << 5}, 0x40000003: {1 << 10}, 0x40000004: {1 << 10}, 0x40000101: {1 << 7}}, nil,
			Features{PVUnhalt: true}},
		{"Hyper-V", []Leaf{hyperv}, map[uint32][4]uint32{0x40000003: {1 << 10}, 0x40000004: {1 << 10}}, nil, Features{ClusterIPI: true, GuestIdle: true}},
		{"the sleep without the hint", []Leaf{hyperv}, map[uint32][4]uint32{0x40000003: {1 << 10}, 0x40000004: {^uint32(1 << 10)}}, nil, Features{GuestIdle: true}},
		{"leaves past the last are not asked", []Leaf{hypervShort}, map[uint32][4]uint32{0x40000003: {0}, 0x40000004: {1 << 10}}, nil, Features{}},
		{"Xen has no such bits", []Leaf{xen}, map[uint32][4]uint32{0x40000001: kvmAll}, nil, Features{}},
		{"nopvspin", []Leaf{kvm}, map[uint32][4]uint32{0x40000001: {1 << 7}}, map[string]string{"proc/cmdline": "quiet nopvspin ro\n"}, Features{PVUnhalt: true, NoPVSpin: true}},
		{"Hyper-V has a word of its own", []Leaf{hyperv}, map[uint32][4]uint32{0x40000003: {0}, 0x40000004: {0}}, map[string]string{"proc/cmdline": "hv_nopvspin"}, Features{NoPVSpin: true}},
		{"and not the common one", []Leaf{hyperv}, map[uint32][4]uint32{0x40000003: {0}, 0x40000004: {0}}, map[string]string{"proc/cmdline": "nopvspin"}, Features{}},
		{"xen_nopvspin is another word", []Leaf{kvm}, map[uint32][4]uint32{0x40000001: {0}}, map[string]string{"proc/cmdline": "xen_nopvspin\n"}, Features{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			id := offering(fakeCPU(true, c.leaves...), c.more)
			h, err := hypervisor(files(c.files), id)
			if err != nil {
				t.Fatal(err)
			}
			if have := features(files(c.files), h, id); have != c.want {
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

func TestLoad(t *testing.T) {
	stat := "cpu  1 2 3 4 5 6 7 8 0 0\ncpu0 1 2 3\ncpu1 1 2 3\nintr 5\n"
	have, err := load(files(map[string]string{"proc/loadavg": "3.52 2.80 1.00 3/310 9913\n", "proc/stat": stat}))
	if want := (Load{CPUs: 2, Average: 3.52}); err != nil || have != want {
		t.Errorf("%+v, %v; want %+v", have, err, want)
	}
	for _, bad := range []string{"", "many 1 2 3/4 5\n"} {
		if have, err := load(files(map[string]string{"proc/loadavg": bad, "proc/stat": stat})); err == nil {
			t.Errorf("%q is a load of %+v", bad, have)
		}
	}
}
