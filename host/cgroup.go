package host

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Quota is how much CPU time the process's control group, and those above it, may use: what the
// kernel enforces by taking the CPUs away for the rest of each period.
type Quota struct {
	// CPUs is the tightest limit over its period: 1.5 is 150 ms of CPU time in each 100 ms.
	// 0 means no limit.
	CPUs float64
	// Period is how often it is given.
	Period time.Duration
	// Group is the directory of the group that sets the limit.
	Group string
	// Groups are all groups with a limit that can be seen, the process's own or nearest first.
	Groups []LimitedGroup
	// Unseen says which groups' limits could not be read, and why, Hidden which groups above
	// can't be seen from here; "" if there are none.
	Unseen, Hidden string
}

// A LimitedGroup is a control group with a limit.
type LimitedGroup struct {
	// Group is its directory.
	Group string
	// CPUs is its limit over Period.
	CPUs   float64
	Period time.Duration
	// Throttling is how often it has been stopped.
	Throttling Fact[Throttling]
}

// Throttling is how often a control group has used up its limit, since it was made.
type Throttling struct {
	// Periods is how many periods the group has run in, Throttled in how many of them it
	// was stopped, and Time for how long, summed over CPUs.
	Periods, Throttled uint64
	Time               time.Duration
}

// stopped reads for how long the process's own group has been stopped by whatever limit, also of
// groups above it that can't be seen, summed over CPUs: cpu.stat.local, which Linux has since 6.6.
func stopped(fsys fs.FS) Fact[time.Duration] {
	h, err := cpuHierarchy(fsys)
	switch {
	case err != nil:
		return asFact(time.Duration(0), err)
	case h == nil:
		return Is(time.Duration(0))
	}
	dirs, _, err := h.dirs(fsys)
	if err != nil {
		return UnknownFact[time.Duration]("%v", err)
	}
	if dirs == nil {
		return Is(time.Duration(0)) // the root
	}
	name := path.Join(dirs[0], "cpu.stat.local")
	text, err := fs.ReadFile(fsys, name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return NotToldFact[time.Duration]("this kernel doesn't tell for how long %s was stopped "+
			"from above", absolute(dirs[0]))
	case err != nil:
		return asFact(time.Duration(0), err)
	}
	for line := range strings.Lines(string(text)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		unit := uint64(1) // throttled_time, v1's, is in ns
		switch key {
		case "throttled_usec":
			unit = uint64(time.Microsecond)
		case "throttled_time":
		default:
			continue
		}
		n, err := strconv.ParseUint(value, 10, 63)
		if err != nil || n > math.MaxInt64/unit {
			return UnknownFact[time.Duration]("%s: %s %q: want a "+
				"number", absolute(name), key, value)
		}
		return Is(time.Duration(n * unit))
	}
	return UnknownFact[time.Duration]("%s doesn't say for how long the group was "+
		"stopped", absolute(name))
}

// quota reads the limits of the process's group and of those above it, as far as they can be
// seen. A limit that could not be read takes nothing from those that could.
func quota(fsys fs.FS) Fact[Quota] {
	h, err := cpuHierarchy(fsys)
	if err != nil {
		return asFact(Quota{}, err)
	}
	if h == nil {
		return Is(Quota{}) // a kernel whose groups have no limits
	}
	dirs, hidden, err := h.dirs(fsys)
	if err != nil {
		return UnknownFact[Quota]("%v", err)
	}
	var q Quota
	var unseen []string
	for _, dir := range dirs {
		g, err := h.version.limit(fsys, dir)
		if err != nil {
			unseen = append(unseen, err.Error())
			continue
		}
		if g.CPUs == 0 {
			continue
		}
		q.Groups = append(q.Groups, g)
		if q.CPUs == 0 || g.CPUs < q.CPUs {
			q.CPUs, q.Period, q.Group = g.CPUs, g.Period, g.Group
		}
	}
	q.Unseen, q.Hidden = strings.Join(unseen, "; "), hidden
	switch {
	case q.CPUs > 0:
		return Is(q)
	case q.Unseen != "":
		return UnknownFact[Quota]("%s", q.Unseen)
	case q.Hidden != "":
		return NotToldFact[Quota]("none that can be seen; %s", q.Hidden)
	}
	return Is(q)
}

// A hierarchy is the one that the cpu controller is in.
type hierarchy struct {
	version cgroups
	// group is the process's group, as this process's namespace of control groups names it: the
	// namespace's root is /, what is above it /.., and what is beside it /../other.
	group  string
	mounts []cgroupMount
	// initial says that the namespace is the first one, so that / is the hierarchy's root.
	initial bool
}

// A cgroupMount is a part of a hierarchy, in the same names, and the directory where it is.
type cgroupMount struct{ root, point string }

// cpuHierarchy finds the hierarchy: a v1 one of its own, or else the v2 one. It is nil on a kernel
// without control groups, or without the cpu controller.
func cpuHierarchy(fsys fs.FS) (*hierarchy, error) { return findHierarchy(fsys, cpuGroup) }

// unifiedHierarchy finds the v2 hierarchy; nil where there is none.
func unifiedHierarchy(fsys fs.FS) (*hierarchy, error) {
	return findHierarchy(fsys, func(text string) (string, cgroups, bool) {
		for line := range strings.Lines(text) {
			if group, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "0::"); ok {
				return group, 2, true
			}
		}
		return "", 2, false
	})
}

// findHierarchy finds the hierarchy whose group the chooser takes from /proc/self/cgroup.
func findHierarchy(
	fsys fs.FS, choose func(text string) (group string, version cgroups, ok bool),
) (*hierarchy, error) {
	text, err := fs.ReadFile(fsys, "proc/self/cgroup")
	if errors.Is(err, fs.ErrNotExist) && !errors.Is(err, errors.ErrUnsupported) {
		if _, err := fs.Stat(fsys, "proc/self"); err != nil {
			return nil, errors.New("there is no /proc/self")
		}
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	group, version, ok := choose(string(text))
	if !ok {
		return nil, nil
	}
	mounts, err := fs.ReadFile(fsys, "proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	h := &hierarchy{
		version: version,
		group:   strings.TrimSuffix(group, " (deleted)"),
		mounts:  cgroupMounts(string(mounts), version),
	}
	ns, err := fs.ReadLink(fsys, "proc/self/ns/cgroup")
	h.initial = err == nil && ns == initialNamespace
	return h, nil
}

// initialNamespace is what the kernel calls its first namespace of control groups
// (PROC_CGROUP_INIT_INO, a constant).
const initialNamespace = "cgroup:[4026531835]"

// cgroups is a version of control groups.
type cgroups int

// cpuGroup returns the group that the cpu controller has the process in, according to
// /proc/self/cgroup.
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

// cgroupMounts returns where parts of the hierarchy are mounted, according to
// /proc/self/mountinfo:
//
//	36 35 98:0 /root /mount/point rw,noatime master:1 - type source options
func cgroupMounts(text string, version cgroups) (mounts []cgroupMount) {
	for line := range strings.Lines(text) {
		mount, super, found := strings.Cut(line, " - ")
		m, s := strings.Fields(mount), strings.Fields(super)
		if !found || len(m) < 5 || len(s) < 3 {
			continue
		}
		if version == 2 && s[0] == "cgroup2" ||
			version == 1 && s[0] == "cgroup" && slices.Contains(strings.Split(s[2], ","), "cpu") {
			mounts = append(mounts, cgroupMount{root: unescape(m[3]), point: unescape(m[4])})
		}
	}
	return mounts
}

// unescape takes back what mountinfo does to blanks and backslashes: \040 and the like.
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if c, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(c))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// dirs returns the directories of the process's group and of those above it, nearest first, as
// far as they are mounted. Hidden says which are not, if these may have a limit.
func (h *hierarchy) dirs(fsys fs.FS) (dirs []string, hidden string, err error) {
	if h.group == "/" && h.initial && h.version == 2 {
		return nil, "", nil // the root of all groups, which has no limit
	}
	if len(h.mounts) == 0 {
		return nil, "", errors.New("the control groups of the cpu controller are mounted nowhere")
	}
	var root string
	var present bool // the group's own directory is among them
	var errs []error
	for _, m := range h.mounts {
		found, err := h.below(fsys, m)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		_, err = fs.Stat(fsys, found[0])
		better := len(found) > len(dirs)
		if is := err == nil; is != present {
			better = is
		}
		if dirs == nil || better {
			dirs, root, present = found, m.root, err == nil
		}
	}
	if dirs == nil {
		return nil, "", errors.Join(errs...)
	}
	if top := dirs[len(dirs)-1]; !(h.initial && root == "/") && !h.version.isRoot(fsys, top) {
		hidden = "the groups above " + absolute(top) + " can't be seen from here"
	}
	return dirs, hidden, nil
}

// absolute returns the name of a file for people.
func absolute(name string) string { return path.Clean("/" + name) }

// below returns the directories from the process's group up to the root of a mount.
func (h *hierarchy) below(fsys fs.FS, m cgroupMount) ([]string, error) {
	top := strings.TrimPrefix(path.Clean("/"+m.point), "/")
	if top == "" {
		top = "."
	}
	if _, err := fs.ReadDir(fsys, top); err != nil {
		return nil, fmt.Errorf("control groups: %w", err)
	}
	own, err := h.own(fsys, m, top)
	if err != nil {
		return nil, err
	}
	var dirs []string
	for dir := own; ; dir = path.Dir(dir) {
		dirs = append(dirs, dir)
		if dir == top {
			return dirs, nil
		}
	}
}

// own returns the directory of the process's group below a mount.
func (h *hierarchy) own(fsys fs.FS, m cgroupMount, top string) (string, error) {
	if rest, ok := relative(h.group, m.root); ok {
		return path.Join(top, rest), nil
	}
	// What is mounted is above the namespace's root, as in a mount that was made outside: how many
	// groups lie between is known, and not their names. The one that has this process as a member
	// is it.
	up, names := climb(m.root)
	own, rest := climb(h.group)
	if names != "" || up <= own {
		return "", fmt.Errorf("the process's group %s is not below %s, which is what is mounted "+
			"at %s", h.group, m.root, m.point)
	}
	pid, err := processID(fsys)
	if err != nil {
		return "", fmt.Errorf("the process's group below %s, whose name is not "+
			"told: %w", m.point, err)
	}
	left := maxGroups
	dir, ok := h.version.search(fsys, top, up-own, rest, pid, &left)
	switch {
	case ok:
		return dir, nil
	case left < 0:
		return "", fmt.Errorf("the process's group below %s, whose name is not told, is none of "+
			"the first %d", m.point, maxGroups)
	}
	return "", fmt.Errorf("the process's group below %s, whose name is not told, was not "+
		"found", m.point)
}

// relative returns the path from root down to group.
func relative(group, root string) (string, bool) {
	rest, ok := group, true
	if root != "/" {
		rest, ok = strings.CutPrefix(group, root)
	}
	if !ok || rest != "" && rest[0] != '/' || rest == "/.." || strings.HasPrefix(rest, "/../") {
		return "", false
	}
	return rest, true
}

// climb splits a name into how many groups it goes up, and the rest.
func climb(name string) (up int, rest string) {
	for name == "/.." || strings.HasPrefix(name, "/../") {
		up++
		name = name[len("/.."):]
	}
	return up, strings.Trim(name, "/")
}

// maxGroups bounds the search for the process's own group.
const maxGroups = 10_000

// search looks for the group, a number of levels down and then at a path, that the process is a
// member of.
func (v cgroups) search(fsys fs.FS, dir string, levels int, rest, pid string,
	left *int) (string, bool) {
	if *left--; *left < 0 {
		return "", false
	}
	if levels == 0 {
		dir = path.Join(dir, rest)
		return dir, v.hasMember(fsys, dir, pid)
	}
	entries, err := fs.ReadDir(fsys, dir)
	if err != nil {
		return "", false
	}
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		if found, ok := v.search(fsys, path.Join(dir, e.Name()), levels-1, rest, pid, left); ok {
			return found, true
		}
	}
	return "", false
}

// hasMember says whether a process is in a group. Its first thread is asked for, as
// /proc/self/cgroup is about that; a group of threads alone can't be asked for processes.
func (v cgroups) hasMember(fsys fs.FS, dir, pid string) bool {
	names := []string{"cgroup.threads", "cgroup.procs"}
	if v == 1 {
		names[0] = "tasks"
	}
	for _, name := range names {
		if slices.Contains(strings.Fields(read(fsys, path.Join(dir, name))), pid) {
			return true
		}
	}
	return false
}

// isRoot says whether a directory is of the root of all groups, which has files that no other group
// has, or lacks some.
func (v cgroups) isRoot(fsys fs.FS, dir string) bool {
	if v == 1 {
		_, err := fs.Stat(fsys, path.Join(dir, "release_agent"))
		return err == nil
	}
	_, err := fs.Stat(fsys, path.Join(dir, "cgroup.type"))
	return errors.Is(err, fs.ErrNotExist)
}

// processID returns the number of this process in its own namespace of processes.
func processID(fsys fs.FS) (string, error) {
	text, err := fs.ReadFile(fsys, "proc/self/status")
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "NSpid:"); ok {
			if pids := strings.Fields(rest); len(pids) > 0 {
				return pids[len(pids)-1], nil
			}
		}
	}
	return "", errors.New("/proc/self/status: no line NSpid")
}

// limit reads the limit of one group; CPUs is 0 if it has none.
func (v cgroups) limit(fsys fs.FS, dir string) (LimitedGroup, error) {
	bad := func(err error) (LimitedGroup, error) {
		return LimitedGroup{}, fmt.Errorf("the limit of %s: %w", absolute(dir), err)
	}
	quota, period, err := v.limitFiles(fsys, dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if _, err := fs.Stat(fsys, dir); err != nil {
			return bad(errors.New("there is no such group any more"))
		}
		return LimitedGroup{}, nil // the controller is off for it, or it is the root
	case err != nil:
		return bad(err)
	case quota == "max", v == 1 && strings.HasPrefix(quota, "-"):
		return LimitedGroup{}, nil
	}
	q, err1 := strconv.ParseUint(quota, 10, 63)
	p, err2 := strconv.ParseUint(period, 10, 63)
	if err := errors.Join(err1, err2); err != nil || q == 0 || p == 0 || p > math.MaxInt64/1000 {
		return bad(fmt.Errorf("quota %q, period %q: want microseconds", quota, period))
	}
	return LimitedGroup{
		Group: absolute(dir), CPUs: float64(q) / float64(p),
		Period:     time.Duration(p) * time.Microsecond,
		Throttling: asFact(throttling(fsys, path.Join(dir, "cpu.stat"))),
	}, nil
}

// limitFiles reads a quota and its period.
func (v cgroups) limitFiles(fsys fs.FS, dir string) (quota, period string, err error) {
	if v == 2 {
		text, err := fs.ReadFile(fsys, path.Join(dir, "cpu.max"))
		if err != nil {
			return "", "", err
		}
		quota, period, _ = strings.Cut(strings.TrimSpace(string(text)), " ")
		return quota, strings.TrimSpace(period), nil
	}
	text, err := fs.ReadFile(fsys, path.Join(dir, "cpu.cfs_quota_us"))
	if err != nil {
		return "", "", err
	}
	if quota = strings.TrimSpace(string(text)); strings.HasPrefix(quota, "-") {
		return quota, "", nil
	}
	if text, err = fs.ReadFile(fsys, path.Join(dir, "cpu.cfs_period_us")); err != nil {
		// Not as an absent limit.
		return "", "", fmt.Errorf("a quota without a period: %v", err)
	}
	return quota, strings.TrimSpace(string(text)), nil
}

// throttling reads cpu.stat.
func throttling(fsys fs.FS, name string) (Throttling, error) {
	text, err := fs.ReadFile(fsys, name)
	if err != nil {
		return Throttling{}, err
	}
	var t Throttling
	found := 0
	for line := range strings.Lines(string(text)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		unit := uint64(1)
		switch key {
		case "nr_periods", "nr_throttled", "throttled_time": // the latter v1's, in ns
		case "throttled_usec": // v2's
			unit = uint64(time.Microsecond)
		default:
			continue
		}
		n, err := strconv.ParseUint(value, 10, 63)
		if err != nil || n > math.MaxInt64/unit {
			return Throttling{}, fmt.Errorf("/%s: %s %q: want a number", name, key, value)
		}
		found++
		switch key {
		case "nr_periods":
			t.Periods = n
		case "nr_throttled":
			t.Throttled = n
		default:
			t.Time = time.Duration(n * unit)
		}
	}
	if found != 3 {
		return Throttling{}, fmt.Errorf("/%s doesn't say how often the group was stopped", name)
	}
	return t, nil
}

// between returns what came after an earlier reading, or an error if both can't be of the same
// group.
func (t Throttling) between(before Throttling) (Throttling, error) {
	d := Throttling{
		Periods:   t.Periods - before.Periods,
		Throttled: t.Throttled - before.Throttled,
		Time:      t.Time - before.Time,
	}
	if t.Periods < before.Periods || t.Throttled < before.Throttled || d.Throttled > d.Periods {
		return Throttling{}, errors.New("the counts of periods ran backwards")
	}
	return d, nil
}
