package host

import (
	"testing"
	"time"
)

const (
	v1Mounts = "31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n" +
		"33 31 0:30 / /sys/fs/cgroup/cpuacct rw - cgroup cgroup rw,cpuacct\n" +
		"32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime shared:4 - cgroup cgroup rw,cpu\n" +
		"41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n"
	v2Mounts = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
)

func TestQuota(t *testing.T) {
	const ms = time.Millisecond
	for _, c := range []struct {
		name  string
		files map[string]string
		want  Quota
		fails bool
	}{
		{"a kernel without control groups has no limit", nil, Quota{}, false},
		{"groups that are mounted nowhere show no limit", map[string]string{
			"proc/self/cgroup": "0::/a\n", "proc/self/mountinfo": "1 1 0:1 / / rw - ext4 /dev/vda rw\n",
		}, Quota{}, false},
		{"no cpu controller, no limit", map[string]string{"proc/self/cgroup": "3:memory:/a\n", "proc/self/mountinfo": v1Mounts}, Quota{}, false},
		{"v2: a limit and its throttling", map[string]string{
			"proc/self/cgroup": "0::/a\n", "proc/self/mountinfo": v2Mounts,
			"sys/fs/cgroup/a/cpu.max":  "150000 100000\n",
			"sys/fs/cgroup/a/cpu.stat": "usage_usec 5\nnr_periods 10\nnr_throttled 3\nthrottled_usec 250\nnr_bursts 0\n",
		}, Quota{1.5, 100 * ms, "/sys/fs/cgroup/a", 10, 3, 250 * time.Microsecond}, false},
		{"v2: max is no limit", map[string]string{
			"proc/self/cgroup": "0::/a\n", "proc/self/mountinfo": v2Mounts, "sys/fs/cgroup/a/cpu.max": "max 100000\n",
		}, Quota{}, false},
		{"v2: the tightest limit on the way up counts", map[string]string{
			"proc/self/cgroup": "0::/a/b/c\n", "proc/self/mountinfo": v2Mounts,
			"sys/fs/cgroup/a/b/c/cpu.max": "400000 100000\n", "sys/fs/cgroup/a/b/cpu.max": "max 100000\n", "sys/fs/cgroup/a/cpu.max": "10000 20000\n",
		}, Quota{CPUs: 0.5, Period: 20 * ms, Group: "/sys/fs/cgroup/a"}, false},
		{"v2: a container whose root is its own group", map[string]string{
			"proc/self/cgroup": "0::/\n", "proc/self/mountinfo": v2Mounts, "sys/fs/cgroup/cpu.max": "200000 100000\n",
		}, Quota{CPUs: 2, Period: 100 * ms, Group: "/sys/fs/cgroup"}, false},
		{"v2: a group outside the namespace counts as its root", map[string]string{
			"proc/self/cgroup": "0::/../../x\n", "proc/self/mountinfo": v2Mounts, "sys/fs/cgroup/cpu.max": "200000 100000\n",
		}, Quota{CPUs: 2, Period: 100 * ms, Group: "/sys/fs/cgroup"}, false},
		{"v1: a limit, though v2 is mounted too", map[string]string{
			"proc/self/cgroup": "9:name=systemd:/\n2:cpuacct:/z\n1:cpu:/a\n0::/q\n", "proc/self/mountinfo": v1Mounts,
			"sys/fs/cgroup/cpu/a/cpu.cfs_quota_us": "50000\n", "sys/fs/cgroup/cpu/a/cpu.cfs_period_us": "100000\n",
			"sys/fs/cgroup/cpu/a/cpu.stat": "nr_periods 7\nnr_throttled 2\nthrottled_time 1500\n",
		}, Quota{0.5, 100 * ms, "/sys/fs/cgroup/cpu/a", 7, 2, 1500}, false},
		{"v1: -1 is no limit", map[string]string{
			"proc/self/cgroup": "1:cpu:/\n", "proc/self/mountinfo": v1Mounts,
			"sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n", "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
		}, Quota{}, false},
		{"v1: controllers that share a hierarchy, and a container that sees part of it", map[string]string{
			"proc/self/cgroup":            "4:cpu,cpuacct:/docker/x/in\n",
			"proc/self/mountinfo":         "32 31 0:29 /docker/x /cg/cpu rw - cgroup cgroup rw,cpu,cpuacct\n",
			"cg/cpu/in/cpu.cfs_quota_us":  "300000\n",
			"cg/cpu/in/cpu.cfs_period_us": "100000\n",
		}, Quota{CPUs: 3, Period: 100 * ms, Group: "/cg/cpu/in"}, false},
		{"a group beside the one that is mounted counts as it", map[string]string{
			"proc/self/cgroup": "4:cpu:/docker/xy\n", "proc/self/mountinfo": "32 31 0:29 /docker/x /cg/cpu rw - cgroup cgroup rw,cpu\n",
			"cg/cpu/cpu.cfs_quota_us": "100000\n", "cg/cpu/cpu.cfs_period_us": "100000\n",
		}, Quota{CPUs: 1, Period: 100 * ms, Group: "/cg/cpu"}, false},
		{"a quota that is no number is an error", map[string]string{
			"proc/self/cgroup": "0::/a\n", "proc/self/mountinfo": v2Mounts, "sys/fs/cgroup/a/cpu.max": "lots 100000\n",
		}, Quota{}, true},
		{"a quota without a period is an error", map[string]string{
			"proc/self/cgroup": "1:cpu:/\n", "proc/self/mountinfo": v1Mounts, "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "5000\n",
		}, Quota{}, true},
		{"groups without mounts are an error", map[string]string{"proc/self/cgroup": "0::/\n"}, Quota{}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			have, err := quota(files(c.files))
			if have != c.want || (err != nil) != c.fails {
				t.Errorf("%+v, %v; want %+v", have, err, c.want)
			}
		})
	}
}
