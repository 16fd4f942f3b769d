package result

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// sample is a result with every field set to something of its own.
func sample() *Bench {
	return &Bench{
		Schema: SchemaBench,
		Host: Host{
			CPU: "Some CPU @ 2.60GHz", CPUs: 2, Hypervisor: "KVM", Emulated: true,
			Kernel: "6.18.44", GOOS: "linux", GOARCH: "amd64",
			Go: "go1.26.8", Revision: "0123abcd+dirty", GOMAXPROCS: 3, QuotaCPUs: 1.5,
			Unknown: []string{"quota_cpus unknown: why"}, PauseNanos: 15.25,
			Steal: &Steal{BeforeNanos: 10, AfterNanos: 30},
		},
		Command: []string{"pvlock", "bench", "--locks", "xen"},
		Ending:  Ending{Interrupted: true, Failed: "no CPU"},
		Started: time.Date(2026, 11, 22, 2, 30, 0, 123456789, time.UTC),
		Runs: []Run{
			{
				Lock: "xen", Peer: true, Machine: "threads", CPUs: 2, VCPUs: 8, Overcommit: 4,
				Neighbours: 3, CSNanos: 100, NCSNanos: 500, Round: 1,
				Seconds: 0.5, AcquisitionsTotal: 1_200_000, Acquisitions: 1_000_000,
				OpsPerSecond: 2_000_000, Jain: 0.998, CPUSeconds: 0.9,
				Latency:       Latency{P50: 51, P99: 991, P999: 9991, Max: 99991},
				LatencyClosed: Latency{P50: 5, P99: 99, P999: 999, Max: 9999},
				Contended:     40, Blocked: 30, LostWakeups: 2, Violations: 1, Interrupted: true,
				TimedOut: true, NVCSW: 7, NIVCSW: 9, Repeats: 1,
				Disturbed: []Disturbance{
					{Kind: DisturbedOthers, Amount: 0.25,
						Text: "other processes took 25% of the CPUs' time"}},
				Steal:      []int64{11, 12},
				Counters:   map[string]uint64{"taken_slow": 30, "event_kick": 31},
				SpinRounds: []uint64{1, 2, 3},
			},
			{
				Lock: "ticket", Machine: "threads", CPUs: 2, VCPUs: 8, Overcommit: 4, CSNanos: 100,
				NCSNanos: 500, Round: 1,
				Seconds: 0.5, Counters: map[string]uint64{}, SpinRounds: []uint64{},
			},
		},
	}
}

func write(t *testing.T, b *Bench) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := b.Write(&out); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	want := sample()
	have, err := ReadBench(bytes.NewReader(write(t, want)))
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(have, want) {
		t.Errorf("read %+v\nwrote %+v", have, want)
	}
}

func TestSampleSetsEveryField(t *testing.T) {
	b := sample()
	for _, v := range []any{*b, b.Host, *b.Host.Steal, b.Runs[0], b.Runs[0].Latency,
		b.Runs[0].LatencyClosed, b.Runs[0].Disturbed[0]} {
		rv := reflect.ValueOf(v)
		for i := range rv.NumField() {
			if rv.Field(i).IsZero() {
				t.Errorf("%s.%s is not set: the tests that use the sample say nothing about it",
					rv.Type(), rv.Type().Field(i).Name)
			}
		}
	}
}

func TestWritingRefusesNumbersThatAreNotFinite(t *testing.T) {
	b := sample()
	b.Runs[0].OpsPerSecond = math.Inf(1)
	if err := b.Write(io.Discard); err == nil {
		t.Error("no error")
	}
}

func TestReadingRefuses(t *testing.T) {
	whole := string(write(t, sample()))
	replace := func(old, new string) string {
		t.Helper()
		if !strings.Contains(whole, old) {
			t.Fatalf("the sample has no %q", old)
		}
		return strings.Replace(whole, old, new, 1)
	}
	for _, c := range []struct{ name, text, want string }{
		{"an empty file", " \n", "it is empty"},
		{"a file cut short", whole[:len(whole)/2], "cut short"},
		{"a file cut short by its last byte", strings.TrimSuffix(whole, "}\n"), "cut short"},
		{"what is not JSON", "goos: linux\n", "not JSON: line 1"},
		{"more after the end", whole + "{}", "not JSON"},
		{"a list", "[1]", "want a JSON file with schema pvlock/bench/1"},
		{"no schema", "{}", `no "schema"`},
		{"a schema that is not text", `{"schema": 1}`, `"schema" is not text`},
		{"a foreign schema", `{"schema": "fio/3"}`, "not a result of pvlock"},
		{"another kind", `{"schema": "pvlock/sim/1"}`, "another kind of result"},
		{"a newer schema", `{"schema": "pvlock/bench/2"}`, "newer pvlock"},
		{"a field of the wrong type", replace(`"cpus": 2`, `"cpus": "two"`),
			"field that it can't have"},
		{"a negative count", replace(`"acquisitions": 1000000`, `"acquisitions": -1`),
			"field that it can't have"},
		{"a field of nobody's", replace(`"lock"`, `"luck"`), `unknown field "luck"`},
		{"nothing but a schema", `{"schema": "pvlock/bench/1"}`, "incomplete: no command"},
		{"a run without a lock", replace(`"lock": "xen"`, `"lock": ""`), "run 1 has no lock"},
		{"a run without a machine", replace(`"machine": "threads"`, `"machine": ""`),
			"run 1 has no machine"},
		{"a run on no CPU", replace(`"vcpus": 8`, `"vcpus": 0`), "run 1 has 0 vCPUs"},
		{"a run of no round", replace(`"round": 1`, `"round": 0`), "run 1 is of round 0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := ReadBench(strings.NewReader(c.text))
			if err == nil {
				t.Fatal("no error")
			}
			if text := err.Error(); !strings.Contains(text, c.want) ||
				strings.Contains(text, "\n") {
				t.Errorf("%q: want one line with %q", text, c.want)
			}
		})
	}
}

func TestErrorsOfTheFileItselfAreKept(t *testing.T) {
	broken := errors.New("broken disk")
	if _, err := ReadBench(iotest.ErrReader(broken)); !errors.Is(err, broken) {
		t.Errorf("reading: %v", err)
	}
	r, w := io.Pipe()
	r.CloseWithError(broken)
	if err := sample().Write(w); !errors.Is(err, broken) {
		t.Errorf("writing: %v", err)
	}
}

func schema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	return compile(t, BenchSchema())
}

func compile(t *testing.T, text []byte) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("schema.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func validate(t *testing.T, text []byte) error {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return schema(t).Validate(doc)
}

func TestWhatIsWrittenIsOfTheSchema(t *testing.T) {
	bare := sample()
	bare.Host.Steal = nil
	bare.Runs[0].Counters, bare.Runs[0].SpinRounds = nil, nil
	none := sample()
	none.Runs = nil
	for name, b := range map[string]*Bench{"all": sample(), "no steal, no counters": bare,
		"no runs": none} {
		t.Run(name, func(t *testing.T) {
			if err := validate(t, write(t, b)); err != nil {
				t.Error(err)
			}
		})
	}
}

// Strict both ways: a field more or a field less, anywhere, is not of the schema.
func TestTheSchemaIsStrict(t *testing.T) {
	for _, at := range [][]string{{}, {"host"}, {"host", "steal"}, {"runs", "0"},
		{"runs", "0", "latency_ns"}, {"runs", "0", "latency_closed_ns"}} {
		t.Run("/"+strings.Join(at, "/"), func(t *testing.T) {
			// Absent where unknown or none.
			optional := []string{"steal", "steal_ns", "emulated", "unknown", "revision",
				"neighbours", "disturbed", "repeats"}
			if len(at) == 0 {
				optional = append(optional, "interrupted", "failed")
			}
			strict(t, schema(t), write(t, sample()), at, optional...)
		})
	}
}

// strict tests that the object at a place of the text may have no field more, and no field less but
// the optional ones.
func strict(t *testing.T, s *jsonschema.Schema, text []byte, at []string, optional ...string) {
	t.Helper()
	object := func() (root any, o map[string]any) {
		if err := json.Unmarshal(text, &root); err != nil {
			t.Fatal(err)
		}
		here := root
		for _, step := range at {
			if list, ok := here.([]any); ok {
				here = list[0]
				continue
			}
			here = here.(map[string]any)[step]
		}
		return root, here.(map[string]any)
	}
	root, o := object()
	o["more"] = true
	if s.Validate(root) == nil {
		t.Error("a field more is valid")
	}
	for field := range o {
		if field == "more" || slices.Contains(optional, field) {
			continue
		}
		root, o := object()
		delete(o, field)
		if s.Validate(root) == nil {
			t.Errorf("without %q it is valid", field)
		}
	}
}
