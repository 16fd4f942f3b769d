package sim_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"example.com/pvlock/result"
	"example.com/pvlock/sim"
)

func TestShardsAreReadOrRefused(t *testing.T) {
	for text, want := range map[string]result.Shard{
		"1/1": {Index: 1, Of: 1}, "2/5": {Index: 2, Of: 5}, "5/5": {Index: 5, Of: 5},
		"": {}, "6/5": {}, "0/5": {}, "-1/5": {}, "1": {}, "1/0": {}, "a/b": {}, "1/5/2": {},
		"1/99999999": {},
	} {
		have, err := sim.ParseShard(text)
		if have != want || (err == nil) != (want.Of > 0) {
			t.Errorf("%q: %v, %v", text, have, err)
		}
		if err != nil && !strings.Contains(err.Error(), "want I/N") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestTheShardIsThatOfTheBatchSystem(t *testing.T) {
	for name, c := range map[string]struct {
		env  map[string]string
		want result.Shard
		err  string
	}{
		"none": {want: result.Shard{Index: 1, Of: 1}},
		"Kubernetes": {env: map[string]string{"JOB_COMPLETION_INDEX": "0",
			"PVLOCK_SHARDS": "8"}, want: result.Shard{Index: 1, Of: 8}},
		"Kubernetes, the last": {env: map[string]string{"JOB_COMPLETION_INDEX": "7",
			"PVLOCK_SHARDS": "8"}, want: result.Shard{Index: 8, Of: 8}},
		"Kubernetes, past n": {env: map[string]string{"JOB_COMPLETION_INDEX": "8",
			"PVLOCK_SHARDS": "8"}, err: "JOB_COMPLETION_INDEX=8 of PVLOCK_SHARDS=8"},
		"Kubernetes, no count": {env: map[string]string{"JOB_COMPLETION_INDEX": "0"},
			err: "PVLOCK_SHARDS is not set"},
		"Kubernetes, no number": {env: map[string]string{"JOB_COMPLETION_INDEX": "x",
			"PVLOCK_SHARDS": "8"}, err: `JOB_COMPLETION_INDEX="x": want a number`},
		"a count alone says nothing": {env: map[string]string{"PVLOCK_SHARDS": "8"},
			want: result.Shard{Index: 1, Of: 1}},
		"Slurm": {env: map[string]string{"SLURM_ARRAY_TASK_ID": "3",
			"SLURM_ARRAY_TASK_MIN": "1", "SLURM_ARRAY_TASK_COUNT": "4"},
			want: result.Shard{Index: 3, Of: 4}},
		"Slurm, in steps": {env: map[string]string{"SLURM_ARRAY_TASK_ID": "14",
			"SLURM_ARRAY_TASK_MIN": "10", "SLURM_ARRAY_TASK_STEP": "2",
			"SLURM_ARRAY_TASK_COUNT": "3"}, want: result.Shard{Index: 3, Of: 3}},
		"Slurm, with holes": {env: map[string]string{"SLURM_ARRAY_TASK_ID": "9",
			"SLURM_ARRAY_TASK_MIN": "1", "SLURM_ARRAY_TASK_COUNT": "3"},
			err: "want an array without holes"},
		"Slurm, between the steps": {env: map[string]string{"SLURM_ARRAY_TASK_ID": "11",
			"SLURM_ARRAY_TASK_MIN": "10", "SLURM_ARRAY_TASK_STEP": "2",
			"SLURM_ARRAY_TASK_COUNT": "3"}, err: "want an array without holes"},
		"Slurm, no count": {env: map[string]string{"SLURM_ARRAY_TASK_ID": "1"},
			err: "SLURM_ARRAY_TASK_COUNT is not set"},
		"both": {env: map[string]string{"JOB_COMPLETION_INDEX": "0", "PVLOCK_SHARDS": "8",
			"SLURM_ARRAY_TASK_ID": "1"}, err: "say which"},
	} {
		t.Run(name, func(t *testing.T) {
			have, err := sim.ShardFrom(func(name string) (string, bool) {
				v, ok := c.env[name]
				return v, ok
			})
			if have != c.want || (err == nil) != (c.err == "") {
				t.Errorf("%v, %v; want %v, %q", have, err, c.want, c.err)
			}
			if err != nil && !strings.Contains(err.Error(), c.err) {
				t.Errorf("%v: want %q", err, c.err)
			}
		})
	}
}

// The example has as many shards as completions, and every pod a file of its own.
func TestTheExampleJobCoversItsSweep(t *testing.T) {
	text, err := os.ReadFile("../deploy/sim-indexed-job.yaml")
	if err != nil {
		t.Fatal(err)
	}
	find := func(pattern string) string {
		t.Helper()
		m := regexp.MustCompile(`(?m)` + pattern).FindSubmatch(text)
		if m == nil {
			t.Fatalf("there is no %s", pattern)
		}
		return string(m[1])
	}
	if n, shards :=
		find(`^  completions: (\d+)$`), find(`PVLOCK_SHARDS\n +value: "(\d+)"`); n != shards {
		t.Errorf("%s completions of %s shards", n, shards)
	}
	find(`^(  completionMode: Indexed)$`)
	find(`(--json=\S*\$\(JOB_COMPLETION_INDEX\))`)
}
