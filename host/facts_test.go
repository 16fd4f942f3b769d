package host

import (
	"runtime"
	"slices"
	"testing"
	"testing/fstest"
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
	f := Collect()
	t.Logf("%+v", f)
	if f.NumCPUs < 1 || f.GOMAXPROCS < 1 {
		t.Errorf("%+v", f)
	}
	if runtime.GOOS != "linux" {
		if f.CPUs.State() != NotTold || f.Quota.State() != NotTold {
			t.Errorf("known, and nobody has told: CPUs %v, quota %v", f.CPUs, f.Quota)
		}
		return
	}
	cpus := f.CPUs.Or(nil)
	if f.NumCPUs != len(cpus) || f.NumCPUs != runtime.NumCPU() || !slices.IsSorted(cpus) {
		t.Errorf("CPUs %v (%d), the runtime found %d", f.CPUs, f.NumCPUs, runtime.NumCPU())
	}
	if f.Kernel.State() != Known {
		t.Errorf("kernel: %v", f.Kernel)
	}
	before, after := f.Time, Steal()
	if before.State() != after.State() {
		t.Errorf("steal time was %v and is %v", before, after)
	}
	if share, ok := Stolen(Is(CPUTime{}), after).Get(); ok && !(share >= 0 && share <= 1) {
		t.Errorf("a share of %v was stolen since boot", share)
	}
}

func TestWithoutTheAffinityTheCPUsOnlineAreTheBestGuess(t *testing.T) {
	refused := UnknownFact[[]int]("refused")
	for _, c := range []struct {
		cpus, online Fact[[]int]
		want         int
	}{
		{Is([]int{3}), Is([]int{0, 1, 2, 3}), 1},
		{refused, Is([]int{0, 1, 2, 3}), 4},
		{refused, refused, 7},
	} {
		if have := usable(Facts{CPUs: c.cpus, Online: c.online}, 7); have != c.want {
			t.Errorf("%v of %v: %d, want %d", c.cpus, c.online, have, c.want)
		}
	}
}

func TestNothingIsKnownOfAnEmptyHost(t *testing.T) {
	f := collect(files(nil), nil, nil)
	for what, state := range map[string]State{
		"CPUs online": f.Online.State(), "possible CPUs": f.Possible.State(),
		"CPU model":  f.CPUModel.State(),
		"hypervisor": f.Hypervisor.State(), "features": f.Features.State(),
		"parameters": f.Parameters.State(),
		"kernel":     f.Kernel.State(), "time": f.Time.State(), "quota": f.Quota.State(),
		"group's pressure": f.Competition.Group.State(),
		"running threads":  f.Competition.Running.State(), "crowd": f.Crowd().State(),
	} {
		if state != Unknown {
			t.Errorf("%s is %v", what, state)
		}
	}
}
