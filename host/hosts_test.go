package host

import (
	"fmt"
	"io/fs"
	"maps"
	"strings"
	"testing"
	"testing/fstest"
)

// A fixture is what a kind of host shows of itself: files, and links ("-> target").
type fixture map[string]string

// with returns a fixture with more files, or others.
func (f fixture) with(more ...fixture) fixture {
	all := maps.Clone(f)
	for _, m := range more {
		maps.Copy(all, m)
	}
	return all
}

func (f fixture) fs() fstest.MapFS {
	fsys := files(nil)
	for name, text := range f {
		if target, ok := strings.CutPrefix(text, "-> "); ok {
			fsys[name] = &fstest.MapFile{Data: []byte(target), Mode: fs.ModeSymlink | 0o777}
			continue
		}
		fsys[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return fsys
}

// What kernels show.
var (
	initial = fixture{"proc/self/ns/cgroup": "-> " + initialNamespace}
	inside  = fixture{"proc/self/ns/cgroup": "-> cgroup:[4026532612]",
		"proc/self/status": "Name:\tx\nNSpid:\t4711\t7\n"}

	// linux is a machine of two CPUs that may become four.
	linux = fixture{
		"proc/stat": "cpu  100 0 100 1000 0 0 0 0 0 0\ncpu0 1\ncpu1 " +
			"1\nprocs_running 2\n",
		"proc/cmdline":                     "ro quiet\n",
		"proc/pressure/cpu":                "some avg10=1.00 avg60=0.00 avg300=0.00 total=100\n",
		"proc/sys/kernel/osrelease":        "6.12.0\n",
		"proc/cpuinfo":                     "model name\t: CPU\nflags\t: fpu\n",
		"sys/devices/system/cpu/online":    "0-1\n",
		"sys/devices/system/cpu/possible":  "0-3\n",
		"proc/self/mountinfo":              "",
		"proc/self/cgroup":                 "",
		"sys/class/dmi/id/sys_vendor":      "Maker\n",
		"sys/fs/cgroup/cgroup.controllers": "cpu memory\n",
	}
	unified = fixture{"proc/self/mountinfo": "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - " +
		"cgroup2 cgroup2 rw,nsdelegate\n"}
	stolen = fixture{"proc/stat": "cpu  100 0 100 1000 0 0 0 50 0 0\ncpu0 1\nprocs_running 1\n"}
	old    = fixture{"sys/fs/cgroup/cpu,cpuacct/release_agent": "", "proc/self/mountinfo": "" +
		"31 23 0:28 / /sys/fs/cgroup ro - tmpfs tmpfs ro,mode=755\n" +
		"32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n" +
		"33 31 0:30 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd\n"}
)

func in(group string) fixture { return fixture{"proc/self/cgroup": group + "\n"} }

// without removes files.
func (f fixture) without(names ...string) fixture {
	all := maps.Clone(f)
	for _, n := range names {
		delete(all, n)
	}
	return all
}

func limited(dir, max string) fixture {
	return fixture{dir + "/cpu.max": max + " 100000\n", dir + "/cgroup.type": "domain\n",
		dir + "/cpu.stat": stat}
}

func limitedV1(dir, quota string) fixture {
	return fixture{dir + "/cpu.cfs_quota_us": quota + "\n", dir + "/cpu.cfs_period_us": "100000\n",
		dir + "/cpu.stat": "nr_periods 10\nnr_throttled 3\nthrottled_time 250\n"}
}

func TestHosts(t *testing.T) {
	kvm := offering(fakeCPU(true, Leaf{0x40000000, 0x40000001, "KVMKVMKVM"}),
		map[uint32][4]uint32{0x40000001: {1<<5 | 1<<7}})
	kvmNoSteal := offering(fakeCPU(true, Leaf{0x40000000, 0x40000001, "KVMKVMKVM"}),
		map[uint32][4]uint32{0x40000001: {1 << 7}})
	xen := fakeCPU(true, Leaf{0x40000000, 0x40000005, "XenVMMXenVMM"})
	tcg := fakeCPU(true, Leaf{0x40000000, 0x40000001, tcgSignature})
	hyperv := offering(fakeCPU(true, Leaf{0x40000000, 0x40000082, "Microsoft Hv"}),
		map[uint32][4]uint32{0x40000003: {0}, 0x40000004: {0}})
	vmware := fakeCPU(true, Leaf{0x40000000, 0x40000010, "VMwareVMware"})
	bare := fakeCPU(false)
	const cg = "sys/fs/cgroup"
	gvisor := fixture{
		"proc/stat": "cpu  0 0 0 0 0 0 0 0 0 0\ncpu0 0 0 0 0 0 0 0 0 0 0\nintr " +
			"0\nprocs_running 0\n",
		"proc/loadavg":     "0.00 0.00 0.00 0/0 0\n",
		"proc/cmdline":     "BOOT_IMAGE=/vmlinuz-4.4.0-gvisor quiet\n",
		"proc/self/cgroup": "2:cpu:/\n1:memory:/\n", "sys/devices/system/cpu/online": "0-1\n",
		"sys/devices/system/cpu/possible": "0-1\n",
		"proc/self/mountinfo": "1 1 0:1 / / rw - 9p none rw\n5 1 0:5 / " +
			"/sys/fs/cgroup/cpu rw - cgroup none rw,cpu\n",
		"sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n", "proc/cpuinfo": "model name\t: unknown\n",
		"proc/sys/kernel/osrelease": "4.4.0\n",
	}

	for _, c := range []struct {
		name string
		id   cpuid
		fixture
		// What is right: "0.5 of GROUP", "none", or a state; of whether the CPUs are fought for and
		// whether stolen time is told, the state, and for the former what it says.
		quota, steal, crowd string
	}{
		// Distributions.
		{"systemd, a session", bare,
			linux.with(unified, initial, in("0::/user.slice/user-0.slice/session-1.scope"),
				fixture{cg + "/user.slice/user-0.slice/session-1.scope/cgroup.procs": ""}), "none",
			"known", "quiet"},
		{"systemd, a service with CPUQuota", bare,
			linux.with(unified, initial, in("0::/system.slice/a.service"),
				limited(cg+"/system.slice/a.service", "50000")),
			"0.5 of /sys/fs/cgroup/system.slice/a.service", "known", "quiet"},
		{"systemd, a slice tighter than its service", bare,
			linux.with(unified, initial, in("0::/a.slice/b.service"),
				limited(cg+"/a.slice/b.service", "200000"), limited(cg+"/a.slice", "150000")),
			"1.5 of /sys/fs/cgroup/a.slice", "known", "quiet"},
		{"hybrid: the controller is version 1's", bare,
			linux.with(initial, old, in("4:cpu,cpuacct:/a\n1:name=systemd:/s\n0::/s"),
				limitedV1(cg+"/cpu,cpuacct/a", "50000"), fixture{
					"proc/self/mountinfo": old["proc/self/mountinfo"] +
						"34 31 0:31 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"}),
			"0.5 of /sys/fs/cgroup/cpu,cpuacct/a", "known", "quiet"},
		{"hybrid: version 1's controller, and its groups are mounted nowhere", bare,
			linux.with(unified, initial, in("4:cpu:/a\n0::/a"), limited(cg+"/a", "50000")),
			"unknown", "known", "quiet"},
		{"version 1, no limit", bare,
			linux.with(initial, old, in("4:cpu,cpuacct:/user.slice"),
				limitedV1(cg+"/cpu,cpuacct/user.slice", "-1"), limitedV1(cg+"/cpu,cpuacct", "-1")),
			"none", "known", "quiet"},
		{"version 1, a limit above", bare,
			linux.with(initial, old, in("4:cpu,cpuacct:/a/b"),
				limitedV1(cg+"/cpu,cpuacct/a/b", "-1"), limitedV1(cg+"/cpu,cpuacct/a", "120000")),
			"1.2 of /sys/fs/cgroup/cpu,cpuacct/a", "known", "quiet"},
		{"an embedded kernel without control groups", bare, linux.without("proc/self/cgroup"),
			"none", "known", "quiet"},
		{"a kernel without the cpu controller", bare, linux.with(in("3:memory:/a")), "none",
			"known", "quiet"},
		{"groups that nobody has mounted, the root", bare, linux.with(initial, in("0::/")), "none",
			"known", "quiet"},
		{"groups that nobody has mounted, another", bare, linux.with(initial, in("0::/a")),
			"unknown", "known", "quiet"},
		{"groups that nobody has mounted, a namespace's root", bare, linux.with(inside, in("0::/")),
			"unknown", "known", "quiet"},
		{"/proc hides itself", bare, fixture{}, "unknown", "unknown", "unknown"},
		{"more than 2^32 µs", bare,
			linux.with(unified, initial, in("0::/a"), limited(cg+"/a", "5000000000000")),
			"5e+07 of /sys/fs/cgroup/a", "known", "quiet"},
		{"the group is gone, its parent is not", bare,
			linux.with(unified, initial, in("0::/a/b (deleted)"), limited(cg+"/a", "50000")),
			"0.5 of /sys/fs/cgroup/a", "known", "quiet"},
		{"the group is gone, and there is no other limit", bare,
			linux.with(unified, initial, in("0::/a/b (deleted)"), limited(cg+"/a", "max")),
			"unknown", "known", "quiet"},
		{"threads in groups of their own", bare,
			linux.with(unified, initial, in("0::/a/t"), limited(cg+"/a/t", "70000"),
				fixture{cg + "/a/t/cgroup.type": "threaded\n"}), "0.7 of /sys/fs/cgroup/a/t",
			"known", "quiet"},

		// Container runtimes.
		{"Docker, a namespace, the limit", bare,
			linux.with(unified, inside, in("0::/"), limited(cg, "150000")), "1.5 of /sys/fs/cgroup",
			"known", "quiet"},
		{"Docker, a namespace, no limit that can be seen", bare,
			linux.with(unified, inside, in("0::/"), limited(cg, "max")), "not told", "known",
			"quiet"},
		{"Docker, the host's namespace, version 1", bare,
			linux.with(initial, in("4:cpu,cpuacct:/docker/x/in"), limitedV1("cg/cpu/in", "300000"),
				fixture{
					"proc/self/mountinfo": "32 31 0:29 /docker/x /cg/cpu ro - cgroup cgroup " +
						"rw,cpu,cpuacct\n"}), "3 of /cg/cpu/in", "known", "quiet"},
		{"Docker in Docker, init in a group of its own", bare,
			linux.with(unified, inside, in("0::/init"), limited(cg+"/init", "max"),
				limited(cg, "80000")), "0.8 of /sys/fs/cgroup", "known", "quiet"},
		{"Kubernetes, a container below a pod's limit", bare,
			linux.with(unified, initial, in("0::/kubepods.slice/pod1/c"),
				limited(cg+"/kubepods.slice/pod1/c", "200000"),
				limited(cg+"/kubepods.slice/pod1", "100000")),
			"1 of /sys/fs/cgroup/kubepods.slice/pod1", "known", "quiet"},
		{"a namespace in a mount from outside", bare,
			linux.with(inside, in("0::/"), limited(cg+"/a", "max"), limited(cg+"/b", "50000"),
				fixture{
					"proc/self/mountinfo": "30 23 0:26 /.. /sys/fs/cgroup rw - cgroup2 cgroup2 " +
						"rw\n",
					cg + "/b/cgroup.procs": "1\n7\n", cg + "/a/cgroup.procs": "4711\n"}),
			"0.5 of /sys/fs/cgroup/b", "known", "quiet"},
		{"the same, two levels up, and a group within", bare,
			linux.with(inside, in("0::/w"), limited(cg+"/p/q/w", "max"),
				limited(cg+"/p/q", "60000"), fixture{
					"proc/self/mountinfo": "30 23 0:26 /../.. /sys/fs/cgroup rw - cgroup2 " +
						"cgroup2 rw\n", cg + "/p/o/w/cgroup.procs": "",
					cg + "/p/q/w/cgroup.threads": "7\n"}), "0.6 of /sys/fs/cgroup/p/q", "known",
			"quiet"},
		{"the same, version 1", bare,
			linux.with(inside, in("1:cpu:/"), limitedV1("cg/a/b", "40000"), limitedV1("cg/a", "-1"),
				fixture{
					"proc/self/mountinfo": "30 23 0:26 /../.. /cg rw - cgroup cgroup rw,cpu\n",
					"cg/release_agent":    "", "cg/a/b/tasks": "7\n"}), "0.4 of /cg/a/b", "known",
			"quiet"},
		{"the same, and no group has the process", bare,
			linux.with(inside, in("0::/"), limited(cg+"/b", "50000"), fixture{
				"proc/self/mountinfo":  "30 23 0:26 /.. /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
				cg + "/b/cgroup.procs": "1\n"}), "unknown", "known", "quiet"},
		{"moved out of the namespace", bare,
			linux.with(unified, inside, in("0::/../../x"), limited(cg, "200000")), "unknown",
			"known", "quiet"},
		{"moved up, out of what is mounted", bare,
			linux.with(inside, in("0::/../.."), limited(cg, "200000"),
				fixture{"proc/self/mountinfo": "30 23 0:26 /.. /sys/fs/cgroup rw - cgroup2 " +
					"cgroup2 rw\n"}), "unknown", "known", "quiet"},
		{"a sibling of the namespace, in a mount from outside", bare,
			linux.with(inside, in("0::/../x"), limited(cg+"/x", "50000"),
				fixture{"proc/self/mountinfo": "30 23 0:26 /.. /sys/fs/cgroup rw - cgroup2 " +
					"cgroup2 rw\n"}), "0.5 of /sys/fs/cgroup/x", "known", "quiet"},
		{"beside the namespace, in a mount from two levels up", bare,
			linux.with(inside, in("0::/../x"), limited(cg+"/p/x", "50000"),
				limited(cg+"/q/x", "90000"), fixture{
					"proc/self/mountinfo": "30 23 0:26 /../.. /sys/fs/cgroup rw - cgroup2 " +
						"cgroup2 rw\n", cg + "/p/x/cgroup.procs": "7\n",
					cg + "/q/x/cgroup.procs": "8\n"}), "0.5 of /sys/fs/cgroup/p/x", "known",
			"quiet"},
		{"beside the one that is mounted", bare,
			linux.with(initial, in("4:cpu:/docker/xy"), limitedV1("cg/cpu", "100000"),
				fixture{"proc/self/mountinfo": "32 31 0:29 /docker/x /cg/cpu rw - cgroup cgroup " +
					"rw,cpu\n"}), "unknown", "known", "quiet"},
		{"several mounts, the first of another group", bare,
			linux.with(initial, in("0::/b"), limited("m1", "10000"), limited("m2/b", "90000"),
				fixture{
					"proc/self/mountinfo": "30 23 0:26 /a /m1 rw - cgroup2 cgroup2 rw\n31 23 " +
						"0:26 / /m2 rw - cgroup2 cgroup2 rw\n"}), "0.9 of /m2/b", "known", "quiet"},
		{"several mounts, the last of another group", bare,
			linux.with(initial, in("0::/b"), limited("m1", "10000"), limited("m2/b", "90000"),
				fixture{
					"proc/self/mountinfo": "31 23 0:26 / /m2 rw - cgroup2 cgroup2 rw\n30 23 0:26 " +
						"/a /m1 rw - cgroup2 cgroup2 rw\n"}), "0.9 of /m2/b", "known", "quiet"},
		{"several mounts, of which one shows more", bare,
			linux.with(initial, in("0::/a/b"), limited("m1", "max"), limited("m2/a/b", "max"),
				limited("m2/a", "30000"), fixture{
					"proc/self/mountinfo": "30 23 0:26 /a/b /m1 rw - cgroup2 cgroup2 rw\n31 23 " +
						"0:26 / /m2 rw - cgroup2 cgroup2 rw\n"}), "0.3 of /m2/a", "known", "quiet"},
		{"a mount that another one hides", bare,
			linux.with(initial, in("0::/a"), limited("m2/a", "30000"), fixture{
				"m1/other": "",
				"proc/self/mountinfo": "30 23 0:26 / /m1 rw - cgroup2 cgroup2 rw\n31 23 0:26 / " +
					"/m2 rw - cgroup2 cgroup2 rw\n"}), "0.3 of /m2/a", "known", "quiet"},
		{"a mount point with a blank", bare,
			linux.with(initial, in("0::/a b"), limited("my groups/a b", "30000"),
				fixture{"proc/self/mountinfo": `30 23 0:26 / /my\040groups rw - cgroup2 ` +
					`cgroup2 rw` + "\n"}), "0.3 of /my groups/a b", "known", "quiet"},
		{"a group with a colon", bare,
			linux.with(unified, initial, in("0::/a:b"), limited(cg+"/a:b", "30000")),
			"0.3 of /sys/fs/cgroup/a:b", "known", "quiet"},
		{"gVisor", bare, gvisor, "not told", "not told", "not told"},
		{"gVisor in a guest", kvm, gvisor, "not told", "not told", "not told"},
		{"LXC, lxcfs", kvm, linux.with(unified, inside, in("0::/"), limited(cg, "50000"), fixture{
			"proc/self/mountinfo": unified["proc/self/mountinfo"] +
				"90 21 0:40 /proc/stat /proc/stat rw - fuse.lxcfs lxcfs rw\n"}),
			"0.5 of /sys/fs/cgroup", "not told", "quiet"},

		// Guests.
		{"KVM tells of stolen time", kvm, linux, "none", "known", "quiet"},
		{"KVM does not", kvmNoSteal, linux, "none", "not told", "quiet"},
		{"KVM does not, and somebody counts", kvmNoSteal, linux.with(stolen), "none", "known",
			"quiet"},
		{"KVM, no-steal-acc", kvm, linux.with(fixture{"proc/cmdline": "ro no-steal-acc\n"}), "none",
			"not told", "quiet"},
		{"KVM, nopv", kvm, linux.with(fixture{"proc/cmdline": "nopv\n"}), "none", "not told",
			"quiet"},
		{"KVM, a command line that can't be read", kvm, linux.without("proc/cmdline"), "none",
			"unknown", "quiet"},
		{"KVM on arm64", nil,
			linux.with(fixture{"proc/cpuinfo": "CPU implementer\t: 0x41\nCPU part\t: 0xd0c\n",
				"proc/device-tree/hypervisor/compatible": "linux,kvm\x00"}), "none", "not told",
			"quiet"},
		{"QEMU's emulation", tcg,
			linux.with(fixture{"proc/cpuinfo": "model name\t: QEMU TCG CPU version 2.5+\n"}),
			"none", "not told", "quiet"},
		{"Xen", xen, linux, "none", "known", "quiet"},
		{"Xen, nopv", xen, linux.with(fixture{"proc/cmdline": "xen_nopv\n"}), "none", "not told",
			"quiet"},
		{"Xen, dom0, nopv means nothing", bare,
			linux.with(fixture{"proc/cmdline": "nopv\n", "sys/hypervisor/type": "xen\n",
				"sys/hypervisor/guest_type": "PV\n"}), "none", "known", "quiet"},
		{"Hyper-V", hyperv, linux, "none", "not told", "quiet"},
		{"VMware", vmware, linux, "none", "not told", "quiet"},
		{"VMware with its steal clock", vmware, linux.with(stolen), "none", "known", "quiet"},
		{"one without a name", fakeCPU(true), linux, "none", "not told", "quiet"},
		{"no evidence of any", nil, linux.without("proc/cpuinfo"), "none", "unknown", "quiet"},
		{"the line of all CPUs twice", bare,
			linux.with(fixture{"proc/stat": "cpu 1 1 1 1 1 1 1 1\ncpu 1 1 1 1 1 1 1 " +
				"1\nprocs_running 1\n"}), "none", "unknown", "quiet"},
		{"a kernel that counts no stolen time", bare,
			linux.with(fixture{"proc/stat": "cpu 1 1 1 1 1 1 1\nprocs_running 1\n"}), "none",
			"not told", "quiet"},

		// Competition.
		{"a busy machine", bare,
			linux.with(fixture{"proc/pressure/cpu": "some avg10=55.00 avg60=0.00 avg300=0.00 " +
				"total=100\n"}), "none", "known", "crowded by /proc/pressure/cpu"},
		{"a busy group", bare,
			linux.with(unified, inside, in("0::/"), limited(cg, "50000"),
				fixture{cg +
					"/cpu.pressure": "some avg10=12.50 avg60=0.00 avg300=0.00 total=100\n"}),
			"0.5 of /sys/fs/cgroup", "known", "crowded by /sys/fs/cgroup/cpu.pressure"},
		{"sleepers on disks are no competition", bare,
			linux.with(fixture{"proc/loadavg": "12.00 12.00 12.00 1/200 1\n",
				"proc/stat": linux["proc/stat"] + "procs_blocked 10\n"}).
				without("proc/pressure/cpu"), "none", "known", "quiet"},
		{"without pressure, more threads than CPUs", bare,
			linux.with(fixture{"proc/stat": "cpu  1 0 1 1 0 0 0 0\nprocs_running 3\n"}).
				without("proc/pressure/cpu"), "none", "known", "crowded by procs_running"},
		{"pressure that is nonsense, and running threads that are not", bare,
			linux.with(fixture{"proc/pressure/cpu": "some avg10=900.00 total=1\n"}), "none",
			"known", "quiet"},
		{"neither", bare,
			linux.with(fixture{"proc/stat": "cpu  1 0 1 1 0 0 0 0\n"}).without("proc/pressure/cpu"),
			"none", "known", "not told"},
		{"running threads, and no number of CPUs", bare,
			linux.without("proc/pressure/cpu", "sys/devices/system/cpu/online"), "none", "known",
			"unknown"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := collect(c.fs(), c.id, c.id)
			quota := f.Quota.State().String()
			if q, ok := f.Quota.Get(); ok {
				quota = "none"
				if q.CPUs > 0 {
					quota = fmt.Sprintf("%g of %s", q.CPUs, q.Group)
				}
			}
			if quota != c.quota {
				t.Errorf("quota %s (%v), want %s", quota, f.Quota, c.quota)
			}
			if f.Time.State().String() != c.steal {
				t.Errorf("steal %v, want %s", f.Time, c.steal)
			}
			crowd := f.Crowd().State().String()
			if x, ok := f.Crowd().Get(); ok && !x.Crowded {
				crowd = "quiet"
			} else if _, by, _ := strings.Cut(c.crowd, "crowded by "); ok && by != "" &&
				strings.Contains(x.Evidence, by) {
				crowd = c.crowd
			}
			if crowd != c.crowd {
				t.Errorf("competition %v, want %s", f.Crowd(), c.crowd)
			}
		})
	}
}
