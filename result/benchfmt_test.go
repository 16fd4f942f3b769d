package result

import (
	"bytes"
	"errors"
	"math"
	"testing"

	"golang.org/x/perf/benchfmt"
)

func TestBenchfmtIsReadBackByItsReader(t *testing.T) {
	b := sample()
	var out bytes.Buffer
	if err := WriteBenchfmt(&out, b); err != nil {
		t.Fatal(err)
	}
	units := make(map[string]string)
	var results []*benchfmt.Result
	r := benchfmt.NewReader(&out, "sample")
	for r.Scan() {
		switch rec := r.Result().(type) {
		case *benchfmt.Result:
			results = append(results, rec.Clone())
		case *benchfmt.UnitMetadata:
			units[rec.Unit] = rec.Value
		case *benchfmt.SyntaxError:
			t.Error(rec)
		}
	}
	if err := r.Err(); err != nil {
		t.Fatal(err)
	}
	// The sample's second run got no lock, and has no time per acquisition.
	if len(results) != 1 {
		t.Fatalf("%d results, want 1", len(results))
	}
	got := results[0]
	if want := "Lock/lock=xen/on=threads/vcpus=8/overcommit=4"; string(got.Name) != want {
		t.Errorf("name %s, want %s", got.Name, want)
	}
	if got.Iters != 1_000_000 {
		t.Errorf("%d iterations", got.Iters)
	}
	for unit, want := range map[string]float64{
		"sec/op": 500e-9, "p99-sec": 991e-9, "max-sec": 99991e-9, "cpu-sec/op": 750e-9,
		"jain": 0.998,
	} {
		if have, ok := got.Value(unit); !ok || math.Abs(have-want) > want*1e-9 {
			t.Errorf("%v %s, want %v", have, unit, want)
		}
		if unit != "sec/op" && units[unit] == "" {
			t.Errorf("which way is better in %s is not said", unit)
		}
	}
	for key, want := range map[string]string{
		"goos": "linux", "goarch": "amd64", "cpu": "Some CPU @ 2.60GHz", "cpus": "2", "cs": "100ns",
		"ncs": "500ns", "emulated": "true",
	} {
		if have := got.GetConfig(key); have != want {
			t.Errorf("%s: %q, want %q", key, have, want)
		}
	}
}

func TestBenchfmtOfRealCPUsHasNoKeyForEmulation(t *testing.T) {
	b := sample()
	b.Host.Emulated = false
	var out bytes.Buffer
	if err := WriteBenchfmt(&out, b); err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(out.Bytes(), []byte("emulated")) {
		t.Errorf("it says emulated:\n%s", &out)
	}
}

func TestBenchfmtReportsWhatItCannotWrite(t *testing.T) {
	full := errors.New("disk full")
	for left := range 6 {
		if err := WriteBenchfmt(&failing{left, full}, sample()); (left < 5) != errors.Is(err,
			full) {
			t.Errorf("after %d writes: %v", left, err)
		}
	}
}

// failing takes some writes and fails from then on.
type failing struct {
	left int
	err  error
}

func (f *failing) Write(p []byte) (int, error) {
	if f.left--; f.left < 0 {
		return 0, f.err
	}
	return len(p), nil
}
