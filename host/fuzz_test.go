package host

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"
)

// checkObserved is what must hold of whatever files say: no share is outside of 0 to 1, all of it
// can be written as JSON and comes back, and what is said of it has no number that is none.
func checkObserved(t *testing.T, o Observed) {
	t.Helper()
	for what, f := range map[string]Fact[float64]{
		"stolen":            Stolen(o.Before.Time, o.After.Time),
		"stolen since boot": Stolen(Is(CPUTime{}), o.After.Time),
		"the group waited": waited(o.Before.Competition.Group, o.After.Competition.Group,
			o.Interval()),
		"the machine waited": waited(o.Before.Competition.Machine, o.After.Competition.Machine,
			o.Interval()),
		"throttled": Of(o.Throttled(), func(g GroupThrottling) float64 { return g.share() }),
	} {
		if share, ok := f.Get(); ok && !(share >= 0 && share <= 1) {
			t.Errorf("%s: a share of %v", what, share)
		}
	}
	if q, ok := o.After.Quota.Get(); ok &&
		(!(q.CPUs >= 0) || math.IsInf(q.CPUs, 0) || q.Period < 0) {
		t.Errorf("%+v", q)
	}
	for _, d := range o.Diagnose() {
		if d.Fact == "" || strings.Contains(d.Fact, "NaN %") || strings.Contains(d.Fact, "%!") ||
			strings.Contains(d.Advice, "%!") {
			t.Errorf("%+v", d)
		}
	}
	text, err := json.Marshal(o.After)
	if err != nil {
		t.Fatal(err)
	}
	var back Facts
	if err := json.Unmarshal(text, &back); err != nil {
		t.Errorf("%v: %s", err, text)
	}
}

// observed makes facts of files, twice, as if a second had passed.
func observed(before, after fixture) Observed {
	kvm := offering(fakeCPU(true, Leaf{0x40000000, 0x40000001, "KVMKVMKVM"}),
		map[uint32][4]uint32{0x40000001: {1<<5 | 1<<7}})
	o := Observed{Before: collect(before.fs(), kvm, kvm), After: collect(after.fs(), kvm, kvm)}
	o.After.At = o.Before.At.Add(time.Second)
	o.After.Competition.ended = o.Before.Competition.began.Add(time.Second)
	o.Running = Of(o.After.Competition.Running, func(n int) float64 { return float64(n) })
	return o
}

func FuzzStat(f *testing.F) {
	f.Add(linux["proc/stat"], stolen["proc/stat"])
	f.Add(stolen["proc/stat"], linux["proc/stat"])
	f.Add("cpu 0 0 0 0 0 0 0 0\n",
		"cpu 9223372036854775807 9223372036854775807 1 1 1 1 1 922337203685\nprocs_running "+
			"2147483647\n")
	f.Add("cpu 5 5 5 5 5 5 5 5\n", "cpu 5 5 5 4 4 5 5 5\n")
	f.Fuzz(func(t *testing.T, before, after string) {
		checkObserved(t,
			observed(linux.with(fixture{"proc/stat": before}),
				linux.with(fixture{"proc/stat": after})))
	})
}

func FuzzPressure(f *testing.F) {
	f.Add(quietPressure, quietPressure)
	f.Add("some avg10=0.00 total=0\n", "some avg10=100.00 total=1000000\n")
	f.Add("some avg10=0.00 total=9223372036854775\n", "some avg10=1e1 total=0\n")
	f.Fuzz(func(t *testing.T, before, after string) {
		group := limited("sys/fs/cgroup", "max")
		checkObserved(t, observed(
			linux.with(unified, inside, in("0::/"), group,
				fixture{"proc/pressure/cpu": before, "sys/fs/cgroup/cpu.pressure": before}),
			linux.with(unified, inside, in("0::/"), group,
				fixture{"proc/pressure/cpu": after, "sys/fs/cgroup/cpu.pressure": after})))
	})
}

func FuzzGroups(f *testing.F) {
	const status = "NSpid:\t4711\t7\n"
	f.Add("0::/a/b\n", unified["proc/self/mountinfo"], status, "50000 100000\n", stat, stat)
	f.Add("0::/\n", "30 23 0:26 /.. /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n", status,
		"5000000000000 1\n", stat, "nr_periods 9\nnr_throttled 10\nthrottled_usec 1\n")
	f.Add("1:cpu:/../a\n0::/\n", "30 23 0:26 /../.. /sys/fs/cgroup rw - cgroup x rw,cpu\n", status,
		"-1\n", stat, stat)
	f.Add("0::/a (deleted)\n", `30 23 0:26 / /sys/fs\040/cgroup rw - cgroup2 cgroup2 rw`, status,
		"max 100000\n", stat, stat)
	f.Fuzz(func(t *testing.T, groups, mounts, status, limit, before, after string) {
		for what, local := range map[string]fixture{
			"before": {"sys/fs/cgroup/a/cpu.stat.local": before},
			"after":  {"sys/fs/cgroup/a/cpu.stat.local": after}} {
			if d, ok := stopped(linux.with(unified, initial, in("0::/a"), local).fs()).Get(); ok &&
				d < 0 {
				t.Errorf("%s: stopped for %v", what, d)
			}
		}
		host := linux.with(
			fixture{"proc/self/cgroup": groups, "proc/self/mountinfo": mounts,
				"proc/self/status": status})
		for _, dir := range []string{"sys/fs/cgroup", "sys/fs/cgroup/a", "sys/fs/cgroup/a/b"} {
			quota, period, _ := strings.Cut(limit, " ")
			host = host.with(
				fixture{dir + "/cpu.max": limit, dir + "/cgroup.procs": "7\n",
					dir + "/cpu.cfs_quota_us": quota, dir + "/cpu.cfs_period_us": period})
		}
		checkObserved(t,
			observed(host.with(fixture{"sys/fs/cgroup/a/cpu.stat": before}),
				host.with(fixture{"sys/fs/cgroup/a/cpu.stat": after})))
	})
}

func FuzzKernel(f *testing.F) {
	f.Add("ro nopvspin -- x", "0-3\n", "model name\t: CPU\n", "6.12.0\n", "QEMU\n")
	f.Add(`"a b"=" nopv`, "0,2-3,7", "flags\t: hypervisor\n", "\n", "xen\x00")
	f.Add(`" "`, "0-65535", "CPU implementer\t: 1\nCPU part\t: 2\n", "", "Microsoft Corporation")
	f.Fuzz(func(t *testing.T, cmdline, cpus, cpuinfo, release, firmware string) {
		host := linux.with(fixture{
			"proc/cmdline": cmdline, "sys/devices/system/cpu/online": cpus,
			"sys/devices/system/cpu/possible": cpus,
			"proc/cpuinfo":                    cpuinfo, "proc/sys/kernel/osrelease": release,
			"sys/class/dmi/id/sys_vendor": firmware, "sys/hypervisor/type": firmware,
		})
		checkObserved(t, observed(host, host))
		names := 0
		for range parameterNames(cmdline) {
			names++
		}
		if names > len(cmdline) {
			t.Errorf("%d parameters in %d bytes", names, len(cmdline))
		}
	})
}
