package result

import (
	"fmt"
	"io"
	"math"
	"strconv"

	"golang.org/x/perf/benchfmt"
)

// WriteBenchfmt writes b in the format of Go's benchmarks, a line for each run, so that
// benchstat can compare two results:
//
//	BenchmarkLock/lock=xen/on=threads/vcpus=8/overcommit=4 2210400 452.4 ns/op …
//
// The units are
//
//	ns/op      time on the wall per acquisition, over all vCPUs: 1e9/ops_per_s
//	p99-ns     waiting time, corrected for coordinated omission: 99th percentile
//	max-ns     … and the longest
//	cpu-ns/op  CPU time per acquisition
//	jain       Jain's index over the vCPUs' acquisitions; higher is better
//
// A run in which nobody got the lock has no time per acquisition: it is left out.
// Figures from emulated CPUs have the key "emulated", so that benchstat puts them in
// a table of their own.
//
// Only what benchstat should keep apart is a configuration key; the rest of what is known of the
// machine is in the JSON file.
func WriteBenchfmt(w io.Writer, b *Bench) error {
	out := benchfmt.NewWriter(w)
	for _, m := range unitMetadata {
		if err := out.Write(&m); err != nil {
			return fmt.Errorf("write benchfmt: %w", err)
		}
	}
	for i := range b.Runs {
		r := &b.Runs[i]
		if r.Acquisitions == 0 || r.OpsPerSecond <= 0 {
			continue
		}
		if err := out.Write(benchfmtResult(&b.Host, r)); err != nil {
			return fmt.Errorf("write benchfmt: %w", err)
		}
	}
	return nil
}

var unitMetadata = []benchfmt.UnitMetadata{
	{UnitMetadataKey: benchfmt.UnitMetadataKey{Unit: "p99-sec", Key: "better"}, OrigUnit: "p99-ns",
		Value: "lower"},
	{UnitMetadataKey: benchfmt.UnitMetadataKey{Unit: "max-sec", Key: "better"}, OrigUnit: "max-ns",
		Value: "lower"},
	{UnitMetadataKey: benchfmt.UnitMetadataKey{Unit: "cpu-sec/op", Key: "better"},
		OrigUnit: "cpu-ns/op", Value: "lower"},
	{UnitMetadataKey: benchfmt.UnitMetadataKey{Unit: "jain", Key: "better"}, OrigUnit: "jain",
		Value: "higher"},
}

func benchfmtResult(h *Host, r *Run) *benchfmt.Result {
	key := func(name, value string) benchfmt.Config {
		return benchfmt.Config{Key: name, Value: []byte(value), File: true}
	}
	config := []benchfmt.Config{
		key("goos", h.GOOS),
		key("goarch", h.GOARCH),
		key("pkg", "example.com/pvlock/bench"),
		key("cpu", h.CPU),
		key("cpus", strconv.Itoa(r.CPUs)),
		key("cs", strconv.FormatInt(r.CSNanos, 10)+"ns"),
		key("ncs", strconv.FormatInt(r.NCSNanos, 10)+"ns"),
	}
	if h.Emulated {
		config = append(config, key("emulated", "true"))
	}
	return &benchfmt.Result{
		Config: config,
		Name: benchfmt.Name(fmt.Sprintf("Lock/lock=%s/on=%s/vcpus=%d/overcommit=%g",
			r.Lock, r.Machine, r.VCPUs, r.Overcommit)),
		Iters: int(min(r.Acquisitions, math.MaxInt)),
		Values: []benchfmt.Value{
			{Value: 1e9 / r.OpsPerSecond, Unit: "ns/op"},
			{Value: float64(r.Latency.P99), Unit: "p99-ns"},
			{Value: float64(r.Latency.Max), Unit: "max-ns"},
			{Value: r.CPUSeconds * 1e9 / float64(r.AcquisitionsTotal), Unit: "cpu-ns/op"},
			{Value: r.Jain, Unit: "jain"},
		},
	}
}
