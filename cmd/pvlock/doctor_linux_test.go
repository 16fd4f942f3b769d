package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"example.com/pvlock/boot"
	"example.com/pvlock/host"
)

// doctored runs doctor as the last step of a shell script, in namespaces of mounts and control
// groups of its own, and returns the report. $T is a directory of the test's, $G a new control
// group of the cpu controller with a limit of half a CPU.
func doctored(t *testing.T, before, script, interval string) boot.DoctorReport {
	t.Helper()
	group := limitedGroup(t)
	cmd := exec.Command("sh", "-ec", before+"\nexec unshare -m -C sh -ec \"$SCRIPT\"")
	cmd.Env = append(pvlock(t).Env, "PATH="+os.Getenv("PATH"), "T="+t.TempDir(), "G="+group,
		"SCRIPT="+script+"\nexec \"$PVLOCK_BINARY\" doctor --json - --interval "+interval,
		"PVLOCK_BINARY="+pvlock(t).Path)
	out, err := cmd.Output()
	if err != nil {
		if e, ok := err.(*exec.ExitError); ok {
			t.Logf("%s", e.Stderr)
		}
		t.Fatal(err)
	}
	var d boot.DoctorReport
	if err := json.Unmarshal(out, &d); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	t.Logf("quota %v, throttled %v, steal %v, crowded %v", d.Machine.QuotaCPUs, d.Throttled,
		d.Stolen, d.Machine.Crowded)
	return d
}

// limitedGroup makes a control group with a limit of half a CPU, or skips the test.
func limitedGroup(t *testing.T) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("SKIP: namespaces and control groups need root")
	}
	if out, err := exec.Command("unshare", "-m", "-C", "true").CombinedOutput(); err != nil {
		t.Skipf("SKIP: no namespaces of mounts and control groups: %v: %s", err, out)
	}
	for _, dir := range []string{"/sys/fs/cgroup/cpu", "/sys/fs/cgroup/cpu,cpuacct",
		"/sys/fs/cgroup"} {
		group := filepath.Join(dir, "pvlock-"+strings.ReplaceAll(t.Name(), "/", "-"))
		if _, err := os.Stat(filepath.Join(dir, "cgroup.procs")); err != nil {
			continue
		}
		if err := os.Mkdir(group, 0o755); err != nil {
			t.Skipf("SKIP: no control group of one's own: %v", err)
		}
		t.Cleanup(func() {
			// Groups below first. A process that has just ended may still be in one.
			for range 100 {
				below, _ := filepath.Glob(filepath.Join(group, "*", "cgroup.procs"))
				for _, b := range below {
					_ = os.Remove(filepath.Dir(b))
				}
				if os.Remove(group) == nil {
					return
				}
			}
		})
		for name, text := range map[string]string{"cpu.cfs_quota_us": "50000",
			"cpu.max": "50000 100000"} {
			if os.WriteFile(filepath.Join(group, name), []byte(text), 0) == nil {
				return group
			}
		}
		t.Skipf("SKIP: %s can't have a limit", group)
	}
	t.Skip("SKIP: no control groups with a cpu controller are mounted")
	return ""
}

func TestDoctorSeesTheQuotaThroughNamespaces(t *testing.T) {
	// In a namespace, what was mounted outside begins above its root.
	const join = `echo $$ >$G/cgroup.procs`
	for _, c := range []struct{ name, before, script string }{
		{"the own group's", join, ``},
		{"that of the group above", `mkdir $G/in; echo $$ >$G/in/cgroup.procs`, ``},
		{"from a group below the namespace's root", join,
			`mkdir $G/below; echo $$ >$G/below/cgroup.procs`},
		{"after a move out of the namespace", `mkdir $G/in $G/out; echo $$ >$G/in/cgroup.procs`,
			`echo $$ >$G/out/cgroup.procs`},
		{"where another group is mounted too", join,
			`mkdir $T/m; mount --bind "$(dirname $G)" $T/m`},
		{"where a mount hides the groups, and another shows them", join,
			`mkdir $T/m; mount --bind "$(dirname $G)" $T/m; mount -t tmpfs none "$(dirname $G)"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := doctored(t, c.before, c.script, "10ms")
			if cpus, ok := d.Machine.QuotaCPUs.Get(); !ok || cpus != 0.5 {
				t.Errorf("quota of %v CPUs, want 0.5", d.Machine.QuotaCPUs)
			}
			if d.Decision.Mode != boot.Paravirtual ||
				!strings.Contains(d.Decision.Reason, "0.5 CPUs") {
				t.Errorf("%+v", d.Decision)
			}
		})
	}
}

func TestDoctorSaysThatAGroupIsOutOfSight(t *testing.T) {
	for _, c := range []struct{ name, script string }{
		{"what is mounted is another group",
			`mkdir $G/in $T/m; mount --bind $G/in $T/m; mount -t tmpfs none /sys/fs/cgroup`},
		{"nothing is mounted", `mount -t tmpfs none /sys/fs/cgroup`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if d := doctored(t, `echo $$ >$G/cgroup.procs`, c.script,
				"10ms"); d.Machine.QuotaCPUs.State() != host.Unknown {
				t.Errorf("quota of %v, want unknown", d.Machine.QuotaCPUs)
			}
		})
	}
}

func TestDoctorNamesTheGroupThatIsThrottled(t *testing.T) {
	t.Parallel()
	// The group above has a tenth of a CPU, the process's own four, and a neighbour uses that up.
	d := doctored(t, `mkdir $G/in
		echo 10000 >$G/cpu.cfs_quota_us 2>/dev/null || echo "10000 100000" >$G/cpu.max
		echo 400000 >$G/in/cpu.cfs_quota_us 2>/dev/null ||
			echo "400000 100000" >$G/in/cpu.max 2>/dev/null || true
		echo $$ >$G/in/cgroup.procs`,
		`sh -c 'while :; do :; done' & B=$!; (sleep 3; kill $B) >/dev/null 2>&1 &`, "1s")
	x, ok := d.Throttled.Get()
	if !ok || !strings.Contains(x.Group, "pvlock-") || strings.HasSuffix(x.Group, "/in") ||
		x.Throttled == 0 {
		t.Errorf("%+v, want the group above to be stopped", d.Throttled)
	}
}

func TestDoctorSeesThatALimitOutOfSightStopsIt(t *testing.T) {
	t.Parallel()
	if local, _ := filepath.Glob("/sys/fs/cgroup/cpu*/cpu.stat.local"); local == nil {
		t.Skip("SKIP: the kernel doesn't tell for how long a group was stopped, or its groups " +
			"are not of version 1")
	}
	d := doctored(t, `mkdir $G/in
		echo 10000 >$G/cpu.cfs_quota_us
		echo $$ >$G/in/cgroup.procs`,
		`mount -t tmpfs none /sys/fs/cgroup; mkdir $T/m; mount -t cgroup -o cpu none $T/m
		sh -c 'while :; do :; done' & B=$!; (sleep 3; kill $B) >/dev/null 2>&1 &`, "1s")
	if d.Machine.QuotaCPUs.State() != host.NotTold {
		t.Errorf("quota of %v, want one that is not told", d.Machine.QuotaCPUs)
	}
	for _, f := range d.Findings {
		if f.Topic == "CPU quota" &&
			strings.Contains(f.Advice,
				"a limit that can't be seen from here stopped the control group") {
			return
		}
	}
	t.Errorf("nothing is said about it: %+v", d.Findings)
}

// What the kernel refuses to tell is unknown, and nothing is said to be right.
func TestDoctorSaysWhatItIsRefused(t *testing.T) {
	if out, err := exec.Command("strace", "-f", "-o", os.DevNull, "true").
		CombinedOutput(); err != nil {
		t.Skipf("SKIP: no strace that may trace: %v: %s", err, out)
	}
	for _, c := range []struct {
		name   string
		inject []string
		topics []string
	}{
		{"the affinity", []string{"-e", "inject=sched_getaffinity:error=EPERM"},
			[]string{"GOMAXPROCS"}},
		{"/proc/stat", refuseFiles("/proc/stat"), []string{"steal"}},
		{"/proc/self/cgroup", refuseFiles("/proc/self/cgroup"), []string{"CPU quota"}},
		{"/proc/self/mountinfo", refuseFiles("/proc/self/mountinfo"), []string{"CPU quota"}},
		{"pressure and running threads",
			refuseFiles("/proc/pressure/cpu", "/proc/stat", "/proc/self/mountinfo"),
			[]string{"competition"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			self := pvlock(t, "doctor", "--interval", "20ms")
			cmd := exec.CommandContext(t.Context(), "strace",
				append(append([]string{"-f", "-qq", "-o", os.DevNull}, c.inject...),
					self.Args...)...)
			cmd.Env = self.Env
			got := finish(t, cmd)
			if got.code != 0 || strings.Contains(got.stdout, "Nothing is wrong") {
				t.Errorf("exit %d:\n%s%s", got.code, got.stdout, got.stderr)
			}
			for _, topic := range c.topics {
				said := false
				for line := range strings.Lines(got.stdout) {
					said = said ||
						strings.HasPrefix(line, topic+" ") && strings.Contains(line, "unknown: ")
				}
				if !said {
					t.Errorf("%s is known, in\n%s", topic, got.stdout)
				}
			}
		})
	}
}

// refuseFiles makes strace refuse to open these files.
func refuseFiles(files ...string) []string {
	args := []string{"-e", "inject=openat:error=EACCES"}
	for _, f := range files {
		args = append(args, "-P", f)
	}
	return args
}

func TestDoctorKnowsNoStealFromCountersThatCantBe(t *testing.T) {
	const line, running = `cpu  100 0 100 1000 0 0 0 `, `\nprocs_running 1\n`
	write := func(text string) string {
		return `printf "` + text + `" >$T/stat; mount --bind $T/stat /proc/stat`
	}
	later := func(text string) string {
		return "\n(sleep 0.7; printf \"" + text + "\" >$T/stat) >/dev/null 2>&1 &"
	}
	for _, c := range []struct {
		name, script, interval string
		want                   host.State
		share                  float64
	}{
		{"zeros", write(`cpu  0 0 0 0 0 0 0 0\n`), "10ms", host.NotTold, 0},
		{"backwards", write(line+`50`+running) + later(line+`20`+running), "2s", host.Unknown, 0},
		{"a reset", write(line+`50`+running) + later(`cpu  1 0 1 1 0 0 0 1`+running), "2s",
			host.Unknown, 0},
		{"twice", write(line + `50\n` + line + `60` + running), "10ms", host.Unknown, 0},
		{"too large", write(line + `99999999999999999999` + running), "10ms", host.Unknown, 0},
		{"nothing passes", write(line + `50` + running), "10ms", host.Unknown, 0},
		{"a fourth", write(line+`50`+running) + later(`cpu  130 0 100 1000 0 0 0 60`+running), "2s",
			host.Known, 0.25},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := doctored(t, ``, c.script, c.interval)
			if share, _ := d.Stolen.Get(); d.Stolen.State() != c.want || share != c.share {
				t.Errorf("%v, want %v and %v", d.Stolen, c.want, c.share)
			}
		})
	}
}

func TestDoctorGoesByPressureInItsIntervalAndNotByTheLoad(t *testing.T) {
	const loaded = "\nprintf '99.00 99.00 99.00 1/200 1\\n' >$T/load; mount --bind $T/load " +
		"/proc/loadavg"
	pressure := func(avg10, total string) string {
		return "printf 'some avg10=" + avg10 + " avg60=0.00 avg300=0.00 total=" + total +
			"\\n' >$T/cpu"
	}
	// That of the group, if there is one, is hidden.
	const over = `
		mount --bind $T/cpu /proc/pressure/cpu
		for d in /sys/fs/cgroup /sys/fs/cgroup/unified; do
			[ ! -e $d/cpu.pressure ] || mount -t tmpfs none $d
		done`
	for _, c := range []struct {
		name, script, interval string
		crowded                bool
		boots                  bool // as Boot would have it
	}{
		{"a load of sleepers", pressure("0.00", "5") + over + loaded, "100ms", false, false},
		{"a crowd that is over", pressure("95.00", "5") + over, "100ms", false, true},
		{"a crowd that has just come",
			pressure("0.00", "5") + over + "\n(sleep 0.7; " + pressure("3.00", "1500005") +
				") >/dev/null 2>&1 &", "2s", true, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if _, err := os.Stat("/proc/pressure/cpu"); err != nil {
				t.Skip("SKIP: no pressure-stall information: ", err)
			}
			d := doctored(t, ``, c.script, c.interval)
			if crowded, ok := d.Machine.Crowded.Get(); !ok || crowded != c.crowded {
				t.Errorf("crowded: %v, want %v", d.Machine.Crowded, c.crowded)
			}
			if boots := strings.Contains(d.Decision.Reason,
				"avg10 of /proc/pressure/cpu"); boots != c.boots {
				t.Errorf("%+v", d.Decision)
			}
		})
	}
}
