package result

import (
	"bytes"
	"encoding/json"
	"io"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// tortureSample is a result with every field set to something of its own.
func tortureSample() *Torture {
	return &Torture{
		Schema: SchemaTorture, Host: sample().Host,
		Ending: Ending{Interrupted: true, Failed: "no CPU"}, Command: []string{"pvlock", "torture"},
		Started: time.Date(2026, 11, 22, 2, 30, 0, 123456789, time.UTC), Seed: 7,
		Skipped: []TortureSkip{{What: "xen", Why: "no event channels here"}},
		Runs: []TortureRun{
			{
				Lock: "busted", Machine: "threads", CPUs: 2, VCPUs: 8, Overcommit: 4, Seconds: 0.5,
				Machines: 3, Torments: []string{"gc", "stop"},
				Acquisitions: 1000, Slow: 100, TryFailed: 10, Fewest: 90, Unlocks: 999,
				LostWakeups: 2, Stalls: 3, LongestWaitNanos: 12345,
				Counters: map[string]uint64{"torment_gc": 4}, Expected: true, Missed: true,
				Interrupted: true, Failed: "no CPU",
				Findings: []TortureFinding{
					{Kind: FindingSum, AtSeconds: 0.25, Count: 5, Text: "it doesn't add up"}},
			},
			{Lock: "xen", Machine: "kvm", CPUs: 1, VCPUs: 2, Overcommit: 2, Torments: []string{},
				Counters: map[string]uint64{}, Findings: []TortureFinding{}},
		},
	}
}

func writeTorture(t *testing.T, r *Torture) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := r.Write(&out); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestATortureThatIsWrittenIsRead(t *testing.T) {
	want := tortureSample()
	have, err := ReadTorture(bytes.NewReader(writeTorture(t, want)))
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(have, want) {
		t.Errorf("read %+v\nwrote %+v", have, want)
	}
}

func TestTortureSampleSetsEveryField(t *testing.T) {
	r := tortureSample()
	for _, v := range []any{*r, r.Skipped[0], r.Runs[0], r.Runs[0].Findings[0]} {
		rv := reflect.ValueOf(v)
		for i := range rv.NumField() {
			if rv.Field(i).IsZero() {
				t.Errorf("%s.%s is not set: the tests that use the sample say nothing about it",
					rv.Type(), rv.Type().Field(i).Name)
			}
		}
	}
}

func TestReadingATortureRefuses(t *testing.T) {
	whole := string(writeTorture(t, tortureSample()))
	for _, c := range []struct{ name, old, new, want string }{
		{"another kind", "pvlock/torture/1", "pvlock/bench/1", "another kind of result"},
		{"a newer schema", "pvlock/torture/1", "pvlock/torture/2", "newer pvlock"},
		{"a field of nobody's", `"lock"`, `"luck"`, `unknown field "luck"`},
		{"a run without a lock", `"lock": "busted"`, `"lock": ""`, "run 1 has no lock"},
		{"a run without a machine", `"machine": "kvm"`, `"machine": ""`, "run 2 has no machine"},
		{"a run on no CPU", `"vcpus": 8`, `"vcpus": 0`, "run 1 has 0 vCPUs"},
		{"no command", "\"pvlock\",\n    \"torture\"", "", "incomplete: no command"},
	} {
		if !strings.Contains(whole, c.old) {
			t.Fatalf("%s: the sample has no %q", c.name, c.old)
		}
		_, err := ReadTorture(strings.NewReader(strings.Replace(whole, c.old, c.new, 1)))
		if err == nil || !strings.Contains(err.Error(), c.want) ||
			strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want one line with %q", c.name, err, c.want)
		}
	}
	r := tortureSample()
	r.Runs[0].Seconds = math.NaN()
	if err := r.Write(io.Discard); err == nil {
		t.Error("a number that is not finite is written")
	}
}

func validateTorture(t *testing.T, doc any) error {
	t.Helper()
	text, err := jsonschema.UnmarshalJSON(bytes.NewReader(TortureSchema()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("torture-1.json", text); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("torture-1.json")
	if err != nil {
		t.Fatal(err)
	}
	return s.Validate(doc)
}

func TestATortureIsOfItsSchema(t *testing.T) {
	bare := tortureSample()
	bare.Host.Steal, bare.Skipped = nil, nil
	bare.Runs[0].Counters, bare.Runs[0].Findings, bare.Runs[0].Torments = nil, nil, nil
	none := tortureSample()
	none.Runs = nil
	for name, r := range map[string]*Torture{"all": tortureSample(), "bare": bare,
		"no runs": none} {
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(writeTorture(t, r)))
		if err != nil {
			t.Fatal(err)
		}
		if err := validateTorture(t, doc); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Strict both ways: a field more or a field less, anywhere, is not of the schema.
func TestTheSchemaOfATortureIsStrict(t *testing.T) {
	for _, at := range [][]string{{}, {"skipped"}, {"runs"}, {"runs", "findings"}} {
		object := func() (root any, o map[string]any) {
			if err := json.Unmarshal(writeTorture(t, tortureSample()), &root); err != nil {
				t.Fatal(err)
			}
			o = root.(map[string]any)
			for _, field := range at {
				o = o[field].([]any)[0].(map[string]any)
			}
			return root, o
		}
		root, o := object()
		o["more"] = true
		if validateTorture(t, root) == nil {
			t.Errorf("%v: a field more is valid", at)
		}
		_, o = object()
		for field := range o {
			root, o := object()
			delete(o, field)
			if validateTorture(t, root) == nil && field != "failed" &&
				!(field == "interrupted" && len(at) == 0) {
				t.Errorf("%v: without %q it is valid", at, field)
			}
		}
	}
}
