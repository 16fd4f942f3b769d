package host

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Quota is how much CPU time the process's control group, or one above it, may use: what
// the kernel enforces by taking the CPUs away for the rest of each period. The zero value is
// no limit.
type Quota struct {
	// CPUs is the quota over the period: 1.5 is 150 ms of CPU time in each 100 ms. 0 is no limit.
	CPUs float64
	// Period is how often it is given.
	Period time.Duration
	// Group is the directory of the group that sets the limit.
	Group string
	// Periods is how many periods that group has run in, Throttled in how many of them it
	// was stopped, and ThrottledTime for how long, summed over CPUs.
	Periods, Throttled uint64
	ThrottledTime      time.Duration
}

// quota finds the tightest limit between the process's group and the root of the
// hierarchy, as far as that is visible from here.
func quota(fsys fs.FS) (Quota, error) {
	groups, err := fs.ReadFile(fsys, "proc/self/cgroup")
	if errors.Is(err, fs.ErrNotExist) && !errors.Is(err, errors.ErrUnsupported) {
		return Quota{}, nil // a kernel without control groups
	}
	if err != nil {
		return Quota{}, err
	}
	mounts, err := fs.ReadFile(fsys, "proc/self/mountinfo")
	if err != nil {
		return Quota{}, err
	}
	// The cpu controller is in one hierarchy: a v1 one of its own, or else the v2 one.
	group, version, ok := cpuGroup(string(groups))
	if !ok {
		return Quota{}, nil
	}
	mountRoot, mountPoint, ok := cgroupMount(string(mounts), version)
	if !ok {
		return Quota{}, nil
	}
	var tightest Quota
	top := strings.TrimPrefix(path.Clean(mountPoint), "/")
	for dir := path.Join(top, visible(group, mountRoot)); ; dir = path.Dir(dir) {
		q, err := version.limit(fsys, dir)
		if err != nil {
			return Quota{}, err
		}
		if q.CPUs > 0 && (tightest.CPUs == 0 || q.CPUs < tightest.CPUs) {
			tightest = q
		}
		if dir == top {
			return tightest, nil
		}
	}
}

// cgroups is a version of control groups.
type cgroups int

// cpuGroup returns the group that the cpu controller has the process in, according to /proc/self/cgroup.
func cpuGroup(text string) (group string, version cgroups, ok bool) {
	for line := range strings.Lines(text) {
		id, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ":")
		controllers, path, found := strings.Cut(rest, ":")
		switch {
		case !found:
		case slices.Contains(strings.Split(controllers, ","), "cpu"):
			return path, 1, true
		case id == "0" && controllers == "":
			group, version, ok = path, 2, true
		}
	}
	return group, version, ok
}

// cgroupMount returns which part of the hierarchy is mounted, and where, according to
// /proc/self/mountinfo:
//
//	36 35 98:0 /root /mount/point rw,noatime master:1 - type source options
func cgroupMount(text string, version cgroups) (root, point string, ok bool) {
	for line := range strings.Lines(text) {
		mount, super, found := strings.Cut(line, " - ")
		m, s := strings.Fields(mount), strings.Fields(super)
		if !found || len(m) < 5 || len(s) < 3 {
			continue
		}
		if version == 2 && s[0] == "cgroup2" ||
			version == 1 && s[0] == "cgroup" && slices.Contains(strings.Split(s[2], ","), "cpu") {
			return m[3], m[4], true
		}
	}
	return "", "", false
}

// visible returns the group's path below what is mounted. A container sees its own group, or
// one above it, as the root; a group that is not below the mounted one counts as it.
func visible(group, mountRoot string) string {
	if mountRoot == "/" {
		return path.Clean("/" + group)
	}
	if rest, ok := strings.CutPrefix(group, mountRoot); ok && (rest == "" || rest[0] == '/') {
		return path.Clean("/" + rest)
	}
	return "/"
}

// limit reads the limit of one group; a group without the files has none.
func (v cgroups) limit(fsys fs.FS, dir string) (Quota, error) {
	quota, period := "max", "100000"
	if v == 2 {
		fields := strings.Fields(read(fsys, path.Join(dir, "cpu.max")))
		if len(fields) == 2 {
			quota, period = fields[0], fields[1]
		}
	} else if text := read(fsys, path.Join(dir, "cpu.cfs_quota_us")); text != "" && text != "-1" {
		quota, period = text, read(fsys, path.Join(dir, "cpu.cfs_period_us"))
	}
	if quota == "max" {
		return Quota{}, nil
	}
	q, err1 := strconv.ParseUint(quota, 10, 32)
	p, err2 := strconv.ParseUint(period, 10, 32)
	if err := errors.Join(err1, err2); err != nil || q == 0 || p == 0 {
		return Quota{}, fmt.Errorf("/%s: quota %q, period %q: want microseconds", dir, quota, period)
	}
	out := Quota{CPUs: float64(q) / float64(p), Period: time.Duration(p) * time.Microsecond, Group: "/" + dir}
	out.readThrottling(read(fsys, path.Join(dir, "cpu.stat")))
	return out, nil
}

// readThrottling reads cpu.stat; what it doesn't say stays 0.
func (q *Quota) readThrottling(stat string) {
	for line := range strings.Lines(stat) {
		fields := strings.Fields(line)
		if len(fields) != 2 {
			continue
		}
		n, err := strconv.ParseUint(fields[1], 10, 63)
		if err != nil {
			continue
		}
		switch fields[0] {
		case "nr_periods":
			q.Periods = n
		case "nr_throttled":
			q.Throttled = n
		case "throttled_usec": // v2
			q.ThrottledTime = time.Duration(n) * time.Microsecond
		case "throttled_time": // v1, in ns
			q.ThrottledTime = time.Duration(n)
		}
	}
}
