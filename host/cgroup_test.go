package host

import (
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

const (
	v1Mounts = "31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n" +
		"33 31 0:30 / /sys/fs/cgroup/cpuacct rw - cgroup cgroup rw,cpuacct\n" +
		"32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime shared:4 - cgroup cgroup rw,cpu\n" +
		"41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n"
	v2Mounts = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
	stat     = "nr_periods 10\nnr_throttled 3\nthrottled_usec 250\n"
)

// unreadable is a file that exists and can't be read.
type unreadable struct {
	fstest.MapFS
	name string
	err  error
}

func (u unreadable) Open(name string) (fs.File, error) {
	if name == u.name {
		return nil, &fs.PathError{Op: "open", Path: name, Err: u.err}
	}
	return u.MapFS.Open(name)
}

func (u unreadable) ReadFile(name string) ([]byte, error) {
	if name == u.name {
		return nil, &fs.PathError{Op: "open", Path: name, Err: u.err}
	}
	return u.MapFS.ReadFile(name)
}

// Which limit is found, in which layouts, is in TestHosts. This is about the rest.

func TestALimitComesWithItsPeriodItsGroupAndItsThrottling(t *testing.T) {
	for _, c := range []struct {
		name  string
		files map[string]string
		want  LimitedGroup
		count Throttling
	}{
		{"v2", map[string]string{
			"proc/self/cgroup": "0::/a\n", "proc/self/mountinfo": v2Mounts,
			"sys/fs/cgroup/a/cpu.max":  "150000 100000\n",
			"sys/fs/cgroup/a/cpu.stat": "usage_usec 5\n" + stat + "nr_bursts 0\n",
		}, LimitedGroup{Group: "/sys/fs/cgroup/a", CPUs: 1.5, Period: 100 * time.Millisecond},
			Throttling{10, 3, 250 * time.Microsecond}},
		{"v1", map[string]string{
			"proc/self/cgroup": "9:name=systemd:/\n2:cpuacct:/z\n1:cpu:/a\n" +
				"0::/q\n",
			"proc/self/mountinfo":                   v1Mounts,
			"sys/fs/cgroup/cpu/a/cpu.cfs_quota_us":  "10000\n",
			"sys/fs/cgroup/cpu/a/cpu.cfs_period_us": "20000\n",
			"sys/fs/cgroup/cpu/a/cpu.stat": "nr_periods 7\nnr_throttled " +
				"2\nthrottled_time 1500\n",
		}, LimitedGroup{Group: "/sys/fs/cgroup/cpu/a", CPUs: 0.5, Period: 20 * time.Millisecond},
			Throttling{7, 2, 1500}},
	} {
		t.Run(c.name, func(t *testing.T) {
			q, ok := quota(files(c.files)).Get()
			if !ok || len(q.Groups) != 1 {
				t.Fatalf("%+v", quota(files(c.files)))
			}
			have := q.Groups[0]
			if count, ok := have.Throttling.Get(); !ok || count != c.count {
				t.Errorf("%v, want %v", have.Throttling, c.count)
			}
			have.Throttling = Fact[Throttling]{}
			if have != c.want || q.CPUs != have.CPUs || q.Period != have.Period ||
				q.Group != have.Group {
				t.Errorf("%+v of %+v, want %+v", have, q, c.want)
			}
		})
	}
}

func TestAnErrorInOneGroupTakesNothingFromTheOthers(t *testing.T) {
	all := map[string]string{
		"proc/self/cgroup": "0::/a/b/c\n", "proc/self/mountinfo": v2Mounts,
		"sys/fs/cgroup/a/b/c/cpu.max": "400000 100000\n",
		"sys/fs/cgroup/a/b/cpu.max":   "200000 100000\n",
		"sys/fs/cgroup/a/cpu.max":     "300000 100000\n",
	}
	for _, broken := range []string{"sys/fs/cgroup/a/b/c/cpu.max", "sys/fs/cgroup/a/cpu.max"} {
		for name, fsys := range map[string]fs.FS{
			"unreadable": unreadable{files(all), broken, fs.ErrPermission},
			"nonsense":   unreadableAs(all, broken, "lots 100000\n"),
			"overflow":   unreadableAs(all, broken, "99999999999999999999 100000\n"),
			"no period":  unreadableAs(all, broken, "5\n"),
			"zero":       unreadableAs(all, broken, "0 0\n"),
		} {
			f := quota(fsys)
			if q, ok := f.Get(); !ok || q.CPUs != 2 || len(q.Groups) != 2 ||
				!strings.Contains(q.Unseen, "limit of /"+strings.TrimSuffix(broken, "/cpu.max")) {
				t.Errorf("%s, %s: %+v", broken, name, f)
			}
		}
	}
	// Without another limit it is not none.
	fsys := unreadable{
		files(map[string]string{"proc/self/cgroup": "0::/a\n", "proc/self/mountinfo": v2Mounts,
			"sys/fs/cgroup/a/cpu.max": ""}), "sys/fs/cgroup/a/cpu.max", fs.ErrPermission}
	if f := quota(fsys); f.State() != Unknown || !strings.Contains(f.Why(), "permission denied") {
		t.Errorf("%+v", f)
	}
}

func unreadableAs(all map[string]string, name, text string) fs.FS {
	fsys := files(all)
	fsys[name] = &fstest.MapFile{Data: []byte(text)}
	return fsys
}

// endless is a hierarchy in which each group has groups.
type endless struct{ fstest.MapFS }

func (e endless) ReadDir(name string) ([]fs.DirEntry, error) {
	return fs.ReadDir(files(map[string]string{"a/x": "", "b/x": "", "c/x": ""}), ".")
}

func TestTheSearchForTheOwnGroupEnds(t *testing.T) {
	fsys := endless{files(map[string]string{
		"proc/self/cgroup": "0::/\n", "proc/self/status": "NSpid:\t7\n",
		"proc/self/mountinfo": "30 23 0:26 " + strings.Repeat("/..", 100) +
			" /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
	})}
	if f := quota(fsys); f.State() != Unknown ||
		!strings.Contains(f.Why(), "none of the first 10000") {
		t.Errorf("%+v", f)
	}
}

func TestMountsAreUnescaped(t *testing.T) {
	for in, want := range map[string]string{`/a\040b`: "/a b", `/a\134040`: `/a\040`,
		`/x\9`: `/x\9`, `/x\`: `/x\`, `\777`: `\777`} {
		if have := unescape(in); have != want {
			t.Errorf("%q: %q, want %q", in, have, want)
		}
	}
}

func TestForHowLongTheOwnGroupWasStopped(t *testing.T) {
	v1 := in("1:cpu:/a").
		with(fixture{"proc/self/mountinfo": v1Mounts, "sys/fs/cgroup/cpu/a/cpu.stat": ""})
	v2 := in("0::/a").with(unified, fixture{"sys/fs/cgroup/a/cpu.stat": ""})
	for _, c := range []struct {
		name string
		fixture
		want  time.Duration
		state State
	}{
		{"v1, in ns",
			v1.with(fixture{"sys/fs/cgroup/cpu/a/cpu.stat.local": "throttled_time 391858938\n"}),
			391858938, Known},
		{"v2, in µs", v2.with(fixture{"sys/fs/cgroup/a/cpu.stat.local": "throttled_usec 7\n"}),
			7 * time.Microsecond, Known},
		{"an older kernel", v2, 0, NotTold},
		{"too long",
			v2.with(fixture{"sys/fs/cgroup/a/cpu.stat.local": "throttled_usec " +
				"9223372036854775807\n"}), 0, Unknown},
		{"something else", v2.with(fixture{"sys/fs/cgroup/a/cpu.stat.local": "usage 1\n"}), 0,
			Unknown},
		{"not mounted", in("0::/a").with(fixture{"proc/self/mountinfo": ""}), 0, Unknown},
		{"the root", in("0::/").with(unified, initial), 0, Known},
	} {
		if f := stopped(c.fs()); f.State() != c.state || f.Or(0) != c.want {
			t.Errorf("%s: %v, want %v %v", c.name, f, c.state, c.want)
		}
	}
}
