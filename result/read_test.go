package result

import (
	"bytes"
	"encoding/json"
	"io"
	"reflect"
	"strings"
	"testing"
)

// writer is a result of any kind.
type writer interface{ Write(io.Writer) error }

// ofEveryKind is a small result of each kind.
func ofEveryKind() []writer {
	return []writer{
		sample(), sweep(3),
		&Torture{Schema: SchemaTorture, Command: []string{"pvlock", "torture"}, Seed: 3,
			Runs: []TortureRun{{
				Lock: "xen", Machine: "threads", CPUs: 1, VCPUs: 2, Torments: []string{"signals"},
				Counters: map[string]uint64{"a": 1},
				Findings: []TortureFinding{{Kind: "sum", AtSeconds: 1, Text: "t"}}}}},
		&Check{Schema: SchemaCheck, Command: []string{"pvlock", "check"}, Runs: []*Exploration{{
			Lock: "xen",
			Finding: &CheckFinding{Violation: Violation{"two holders", "t"}, Steps: 1,
				Rows: []CheckRow{
					{CPU: 1, What: "w", Buffers: []string{"", "b"}, Locks: []string{"0"}}}}}},
			Scenarios: []CheckScenario{
				{Name: "n", Found: &Exploration{Lock: "xen"}, Clean: []*Exploration{}}},
			Necessity: []LockNeeds{{Lock: "xen", Needs: []Need{{At: "a:1"}}}}},
		&Mutexes{Schema: SchemaMutex, Command: []string{"pvlock"},
			Cells: []MutexMeasured{
				{MutexCell{Group: "alone", Name: "empty"},
					[]MutexRun{{Mutex: MutexSync, Round: 1}}}}},
		&Unlocks{Schema: SchemaUnlock, Go: "go1", Rounds: 3,
			Ways: []UnlockWay{{Name: "a store", PairNS: 6}}},
	}
}

func TestReadTellsEveryKindApart(t *testing.T) {
	for _, want := range ofEveryKind() {
		var once, twice bytes.Buffer
		if err := want.Write(&once); err != nil {
			t.Fatal(err)
		}
		have, err := Read(bytes.NewReader(once.Bytes()))
		if err != nil || reflect.TypeOf(have) != reflect.TypeOf(want) {
			t.Errorf("%v: read a %T, wrote a %T", err, have, want)
			continue
		}
		if err := have.(writer).Write(&twice); err != nil ||
			!bytes.Equal(once.Bytes(), twice.Bytes()) {
			t.Errorf("%v: read\n%s\nwrote\n%s", err, &twice, &once)
		}
	}
}

func TestReadingAnyKindRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"":                   "it is empty",
		"{":                  "cut short",
		"x":                  "not JSON: line 1",
		`{"schema":"fio/3"}`: "not a result of pvlock",
		`{"schema":"pvlock/sim/2"}`: "newer pvlock: its schema is pvlock/sim/2, this program " +
			"reads up to pvlock/sim/1",
		`{"schema":"pvlock/doctor/1"}`: "another kind of " +
			"result",
		`{"schema":"pvlock/sim/1"}`: "incomplete: no " +
			"command",
		`{"schema":"pvlock/check/1","runs":[null]}`:                        "run 1 is null",
		`{"schema":"pvlock/check/1","runs":[],"scenarios":[{"name":"n"}]}`: "scenario 1 is null",
		`{"schema":"pvlock/check/1","runs":` +
			`[{"lock":"x","finding":{"rows":[{"cpu":5}]}}]}`: "step 1 is of another shape",
		`{"schema":"pvlock/mutex/1","command":["x"],"cells":[{}]}`:            "has no group",
		`{"schema":"pvlock/bench-unlock/1"}`:                                  "no rounds",
		`{"schema":"pvlock/torture/1","command":["x"],"runs":[{"lock":"x"}]}`: "has no machine",
	} {
		_, err := Read(strings.NewReader(text))
		if err == nil || !strings.Contains(err.Error(), want) ||
			strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want a line with %q", text, err, want)
		}
	}
}

// What can be read can be written, and is the same when it is read again. What can't is a line. Run
// with -fuzzminimizetime 50x: otherwise most of the time goes into making inputs shorter.
func FuzzRead(f *testing.F) {
	for _, w := range ofEveryKind() {
		var out bytes.Buffer
		if err := w.Write(&out); err != nil {
			f.Fatal(err)
		}
		f.Add(out.Bytes())
		f.Add(out.Bytes()[:out.Len()/2])
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := Read(bytes.NewReader(text))
		if err != nil {
			if strings.ContainsAny(err.Error(), "\n\r") {
				t.Errorf("more than a line: %q", err)
			}
			return
		}
		var once, twice bytes.Buffer
		if err := r.(writer).Write(&once); err != nil {
			t.Fatalf("read, and not written: %v", err)
		}
		again, err := Read(bytes.NewReader(once.Bytes()))
		if err != nil {
			t.Fatalf("written, and not read: %v\n%s", err, &once)
		}
		if err := again.(writer).Write(&twice); err != nil ||
			!bytes.Equal(once.Bytes(), twice.Bytes()) {
			t.Fatalf("%v: written\n%s\nand then\n%s", err, &once, &twice)
		}
		if s, ok := r.(*Sim); ok {
			_, _ = MergeSims([]*Sim{s})
		}
		if c, err := Compare(r, again); err == nil {
			if lost := c.Losses(0); lost != nil {
				x, _ := json.Marshal(lost[0].Name)
				t.Errorf("%s differs from itself", x)
			}
		}
	})
}
