package host

import (
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

// files makes a file system of names and texts.
func files(texts map[string]string) fstest.MapFS {
	fsys := fstest.MapFS{}
	for name, text := range texts {
		fsys[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return fsys
}

func TestFactsOfThisHost(t *testing.T) {
	f, err := Collect()
	t.Logf("%+v\n%v", f, err)
	if f.NumCPUs < 1 || f.GOMAXPROCS < 1 || f.CPUModel == "" || f.Kernel == "" || f.Hypervisor.Name == "" {
		t.Errorf("not even %q: %+v", Unknown, f)
	}
	if runtime.GOOS != "linux" {
		if err == nil {
			t.Error("nothing is said about what isn't known here")
		}
		return
	}
	if f.NumCPUs != len(f.CPUs) || f.NumCPUs != runtime.NumCPU() || !slices.IsSorted(f.CPUs) {
		t.Errorf("CPUs %v (%d), the runtime found %d", f.CPUs, f.NumCPUs, runtime.NumCPU())
	}
	if f.Kernel == Unknown {
		t.Error("the kernel's release is not known on Linux")
	}
	if f.Time.Total <= 0 || f.Time.Steal > f.Time.Total {
		t.Errorf("CPU time since boot: %+v", f.Time)
	}
	later, err := Steal()
	if err != nil || later.Steal < f.Time.Steal {
		t.Errorf("steal time went from %+v to %+v, %v", f.Time, later, err)
	}
}

func TestEachUnknownFactIsNamedAndTheOthersStand(t *testing.T) {
	f, err := collect(files(map[string]string{
		"proc/cpuinfo":        "model name\t: Some CPU\nflags\t: fpu hypervisor\n",
		"proc/stat":           "cpu  1 2 3 4 5 6 7 8 0 0\n",
		"proc/loadavg":        "0.00 0.00 0.00 1/1 1\n",
		"proc/self/cgroup":    "",
		"proc/self/mountinfo": "",
	}), nil)
	if f.CPUModel != "Some CPU" || f.Time.Steal != 80*time.Millisecond {
		t.Errorf("%+v", f)
	}
	if f.Kernel != Unknown || err == nil || !strings.Contains(err.Error(), "host: kernel: ") {
		t.Errorf("kernel %q, error %v", f.Kernel, err)
	}
	if text := err.Error(); strings.Count(text, "host: ") != 1 {
		t.Errorf("more than the kernel is unknown: %v", text)
	}
}

func TestNothingIsKnownOfAnEmptyHost(t *testing.T) {
	f, err := collect(fstest.MapFS{}, nil)
	if f.CPUModel != Unknown || f.Kernel != Unknown || f.Hypervisor.Name != Unknown {
		t.Errorf("%+v, want everything unknown", f)
	}
	for _, what := range []string{"CPU model", "hypervisor", "kernel", "steal time"} {
		if err == nil || !strings.Contains(err.Error(), "host: "+what+": ") {
			t.Errorf("%v: nothing about the %s", err, what)
		}
	}
}
