package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"example.com/pvlock/host"
	"example.com/pvlock/internal/arch"
	"example.com/pvlock/result"
	"example.com/pvlock/sim"
)

// small are flags of a sweep that takes a moment: six cells.
var small = []string{"sim", "--locks", "xen,pvqspin,tas", "--pcpus", "2", "--overcommit", "1,2",
	"--slice", "200us", "--duration", "2ms", "--warmup", "1ms"}

func TestSimBadInputIsOneLineAndExit2(t *testing.T) {
	dir := t.TempDir()
	noCosts := filepath.Join(dir, "none.json")
	if err := os.WriteFile(noCosts, []byte(`{"schema": "pvlock/bench/1"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		args []string
		want string
	}{
		"experiment": {[]string{"colapse"},
			`unknown experiment "colapse": want one of collapse, threshold`},
		"two experiments": {[]string{"collapse", "threshold"}, "accepts at most 1 arg"},
		"lock":            {[]string{"--locks", "xenn"}, `--locks: unknown lock "xenn"`},
		"scheduler": {[]string{"--sched", "lottery"},
			`--sched: unknown "lottery": want one of fair, credit, rr`},
		"slice of 0":       {[]string{"--slice", "0s"}, "a slice of 0s"},
		"more pCPUs":       {[]string{"--pcpus", "5000"}, `--pcpus: "5000": want 1 to 4096`},
		"more vCPUs":       {[]string{"--vcpus", "5000", "--vms", "4"}, "20000 vCPUs"},
		"too many for it":  {[]string{"--locks", "xen2008text", "--vcpus", "33"}, "at most 32"},
		"kick for another": {[]string{"--locks", "tas", "--kick", "oldest"}, "lock tas"},
		"a shard past n": {[]string{"--locks", "tas", "--shard", "3/2"},
			`shard "3/2": want I/N`},
		"no shard": {[]string{"--locks", "tas", "--shard", ""}, "--shard: an empty value"},
		"timeline": {[]string{"--locks", "tas", "--timeline", "-1s"}, "--timeline -1s"},
		"cell of none": {[]string{"--locks", "tas", "--timeline", "1ms", "--timeline-of", "1"},
			"--timeline-of 1: want 0 to 0"},
		"trace elsewhere": {[]string{"--locks", "tas,xen", "--trace",
			filepath.Join(dir, "t.json"), "--shard", "1/2"}, "none of its cells is of shard 1/2"},
		"nothing to sweep": {[]string{"--seed", "7"}, "want an experiment, or flags for a sweep"},
		"no costs": {[]string{"--locks", "tas", "--costs",
			filepath.Join(dir, "absent.json")}, "can't read the costs"},
		"other costs": {[]string{"--locks", "tas", "--costs", noCosts},
			"another kind of result"},
		"unwritable": {[]string{"--locks", "tas", "--json",
			filepath.Join(dir, "no", "such", "folder.json")}, "can't write the result"},
		"stdout twice": {[]string{"--locks", "tas", "--json", "-", "--trace", "-"},
			"only one result can go to stdout"},
		"both": {[]string{"--calibrate", "--validate"}, "want one of the two"},
		"neither": {[]string{"--locks", "tas", "--measured", noCosts},
			"--measured: want it with --validate"},
		"validate a sweep":  {[]string{"--validate", "--locks", "tas"}, "--locks with --validate"},
		"calibrate a sweep": {[]string{"--calibrate", "collapse"}, "want one of the two"},
		"measured no bench": {[]string{"--validate", "--measured",
			filepath.Join(dir, "absent.json")}, "can't read the measurements"},
	} {
		t.Run(name, func(t *testing.T) {
			got := finish(t, pvlock(t, append([]string{"sim"}, tt.args...)...))
			if got.code != 2 || got.stdout != "" {
				t.Errorf("exit %d, stdout %q: want 2 and nothing", got.code, got.stdout)
			}
			if strings.Count(got.stderr, "\n") != 1 || !strings.Contains(got.stderr, tt.want) {
				t.Errorf("stderr %q, want one line with %q", got.stderr, tt.want)
			}
		})
	}
}

func TestSimBadShardVariablesAreOneLineAndExit2(t *testing.T) {
	cmd := pvlock(t, small...)
	cmd.Env = append(cmd.Env, "JOB_COMPLETION_INDEX=4", "PVLOCK_SHARDS=4")
	got := finish(t, cmd)
	if got.code != 2 || got.stdout != "" || strings.Count(got.stderr, "\n") != 1 ||
		!strings.Contains(got.stderr, "JOB_COMPLETION_INDEX=4 of PVLOCK_SHARDS=4") {
		t.Errorf("exit %d, stdout %q, stderr %q", got.code, got.stdout, got.stderr)
	}
}

func TestSimAloneListsTheExperiments(t *testing.T) {
	got := finish(t, pvlock(t, "sim"))
	if got.code != 0 || got.stderr != "" {
		t.Errorf("exit %d, stderr %q", got.code, got.stderr)
	}
	for _, e := range sim.Experiments {
		if !strings.Contains(got.stdout, "\n"+e.Name+"\n") ||
			!strings.Contains(got.stdout, e.About) {
			t.Errorf("%s is not listed:\n%s", e.Name, got.stdout)
		}
	}
}

func TestSimJSONIsWhatItsSchemaSays(t *testing.T) {
	got := finish(t, pvlock(t, append(small, "--json", "-", "--timeline", "1ms")...))
	if got.code != 0 {
		t.Fatalf("exit %d: %s", got.code, got.stderr)
	}
	if !strings.Contains(got.stderr, "million events/s") ||
		strings.Contains(got.stdout, "events/s") {
		t.Errorf("stderr %q: want events per second there, and there only", got.stderr)
	}
	mustBeOf(t, result.SimSchema(), got.stdout)
	s, err := result.ReadSim(strings.NewReader(got.stdout))
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Runs) != 6 || len(s.Timelines) != 1 {
		t.Errorf("%d runs, %d timelines: want 6 and 1", len(s.Runs), len(s.Timelines))
	}
	want := "pvlock sim --locks=xen,pvqspin,tas --slice=200us --pcpus=2 --overcommit=1,2 " +
		"--duration=2ms --warmup=1ms --timeline=1ms"
	if have := strings.Join(s.Command, " "); have != want {
		t.Errorf("command %q, want %q", have, want)
	}
}

func TestSimWritesTheSameBytesOnAnyNumberOfCPUs(t *testing.T) {
	var first outcome
	for _, cpus := range []string{"1", "2", "7"} {
		for _, args := range [][]string{append(small, "--json", "-"), small} {
			cmd := pvlock(t, args...)
			cmd.Env = append(cmd.Env, "GOMAXPROCS="+cpus)
			got := finish(t, cmd)
			if got.code != 0 {
				t.Fatalf("exit %d: %s", got.code, got.stderr)
			}
			first.stdout += got.stdout
		}
		if cpus == "1" {
			first.stderr = first.stdout
		} else if first.stdout != first.stderr {
			t.Errorf("on %s CPUs:\n%s\non 1:\n%s", cpus, first.stdout, first.stderr)
		}
		first.stdout = ""
	}
}

func TestSimShardsAreTheSweep(t *testing.T) {
	read := func(env []string, args ...string) *result.Sim {
		t.Helper()
		cmd := pvlock(t, append(append(small, "--json", "-"), args...)...)
		cmd.Env = append(cmd.Env, env...)
		got := finish(t, cmd)
		s, err := result.ReadSim(strings.NewReader(got.stdout))
		if got.code != 0 || err != nil {
			t.Fatalf("exit %d, %v: %s", got.code, err, got.stderr)
		}
		return s
	}
	all := read(nil)
	have := make([]result.SimRun, len(all.Runs))
	for i, part := range []*result.Sim{
		read(nil, "--shard", "1/3"),
		read([]string{"JOB_COMPLETION_INDEX=1", "PVLOCK_SHARDS=3"}),
		read([]string{"SLURM_ARRAY_TASK_ID=12", "SLURM_ARRAY_TASK_MIN=10",
			"SLURM_ARRAY_TASK_COUNT=3"}),
	} {
		if part.Shard != (result.Shard{Index: i + 1, Of: 3}) ||
			fmt.Sprint(part.Command) != fmt.Sprint(all.Command) {
			t.Errorf("shard %v of %q", part.Shard, part.Command)
		}
		for _, r := range part.Runs {
			have[r.Cell] = r
		}
	}
	if fmt.Sprint(have) != fmt.Sprint(all.Runs) {
		t.Errorf("the shards have %v, want %v", have, all.Runs)
	}
}

func TestSimTraceIsWhatPerfettoOpens(t *testing.T) {
	file := filepath.Join(t.TempDir(), "trace.json")
	got := finish(t,
		pvlock(t, "sim", "--locks", "xen", "--pcpus", "2", "--overcommit", "4", "--spin", "2^4",
			"--slice", "200us", "--duration", "5ms", "--warmup", "1ms", "--trace", file,
			"--timeline", "2ms"))
	if got.code != 0 {
		t.Fatalf("exit %d: %s", got.code, got.stderr)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var trace struct {
		TraceEvents []struct {
			Name, Ph     string
			TS, Dur      json.Number
			PID, TID, ID int
		}
	}
	if err := json.Unmarshal(text, &trace); err != nil {
		t.Fatal(err)
	}
	kinds := make(map[string]int)
	for _, e := range trace.TraceEvents {
		kinds[e.Ph]++
		kinds[e.Name]++
	}
	// Two physical CPUs and eight virtual ones, what they do, and kicks.
	if kinds["thread_name"] != 10 || kinds["process_name"] != 2 || kinds["s"] == 0 ||
		kinds["s"] != kinds["f"] {
		t.Errorf("events %v", kinds)
	}
	for _, state := range []string{"running", "spinning", "holding", "blocked", "preempted"} {
		if kinds[state] == 0 {
			t.Errorf("nobody was %s in %v", state, kinds)
		}
	}
}

func TestAnInterruptEndsTheSimAndWritesWhatWasSimulated(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no interrupts to send on Windows")
	}
	file := filepath.Join(t.TempDir(), "result.json")
	cmd := pvlock(t, "sim", "--locks", "tas,xen", "--duration", "1h", "--json", file)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	begins(file)
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	mustBeInterrupted(t, cmd, &stderr)
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s, err := result.ReadSim(f)
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Runs) != 0 || s.Cells != 2 || !s.Interrupted {
		t.Errorf("%d runs of %d cells: want none of 2, an hour isn't over", len(s.Runs), s.Cells)
	}
}

func TestSimCountsByCalibratedCosts(t *testing.T) {
	if !arch.HasFutex || len(host.Collect().CPUs.Or(nil)) < 2 {
		t.Skip("calibration needs Linux and two CPUs")
	}
	file := filepath.Join(t.TempDir(), "costs.json")
	if got := finish(t, pvlock(t, "sim", "--calibrate", "--costs", file)); got.code != 0 ||
		!strings.Contains(got.stdout, "go_switch") {
		t.Fatalf("exit %d: %s%s", got.code, got.stdout, got.stderr)
	}
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	costs, err := result.ReadCosts(f)
	if err != nil {
		t.Fatal(err)
	}
	got := finish(t, pvlock(t, append(small, "--costs", file, "--json", "-")...))
	s, err := result.ReadSim(strings.NewReader(got.stdout))
	if got.code != 0 || err != nil {
		t.Fatalf("exit %d, %v: %s", got.code, err, got.stderr)
	}
	if fmt.Sprint(s.Costs) != fmt.Sprint(costs.Costs) ||
		!strings.HasPrefix(s.CostsFrom, "calibrated on ") {
		t.Errorf("costs %v from %q, want %v", s.Costs, s.CostsFrom, costs.Costs)
	}
}

// Far from any machine: a lock that is taken once in a millisecond.
func TestValidateFindsASimulationThatIsOut(t *testing.T) {
	file := filepath.Join(t.TempDir(), "bench.json")
	b := result.Bench{
		Host: result.Host{CPU: "some", CPUs: 2, Hypervisor: "none", Kernel: "some", GOOS: "linux",
			GOARCH: "amd64", Go: "go1", GOMAXPROCS: 2}, Command: []string{"pvlock", "bench"},
		Runs: []result.Run{
			{Lock: "tas", Machine: "threads", CPUs: 1, VCPUs: 1, Overcommit: 1, CSNanos: 100,
				NCSNanos: 1e4, Round: 1, OpsPerSecond: 1000}},
	}
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := b.Write(f); err != nil {
		t.Fatal(err)
	}
	costs := filepath.Join(t.TempDir(), "costs.json")
	c := result.Costs{Host: b.Host, Costs: sim.DefaultCosts().Map()}
	g, err := os.Create(costs)
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	if err := c.Write(g); err != nil {
		t.Fatal(err)
	}
	got := finish(t, pvlock(t, "sim", "--validate", "--measured", file, "--costs", costs))
	if got.code != 1 || !strings.Contains(got.stdout, "OUT: by more than 1.3") ||
		!strings.Contains(got.stdout, "0 of 1 rows agree") {
		t.Errorf("exit %d:\n%s%s", got.code, got.stdout, got.stderr)
	}
}
