package host

import (
	"strings"
	"testing"
	"time"
)

// healthy is a machine that nothing is wrong with.
func healthy() Facts {
	return Facts{
		At: time.Unix(1e9, 0), NumCPUs: 4, GOMAXPROCS: 4,
		CPUs: Is([]int{0, 1, 2, 3}), Online: Is([]int{0, 1, 2, 3}), Possible: Is([]int{0, 1, 2, 3}),
		Hypervisor: Is(
			Hypervisor{Name: "KVM", Source: "cpuid", Leaves: []Leaf{{Signature: "KVMKVMKVM"}}}),
		Features: Is(Features{PVUnhalt: true, StealTime: true}), Parameters: Is(Parameters{}),
		Time: Is(CPUTime{ticks: [8]uint64{3: 360_000}}), Quota: Is(Quota{}),
		Competition: Competition{
			Machine: Is(Pressure{Total: time.Hour, File: "/proc/pressure/cpu"}), Running: Is(1),
			began: time.Unix(1e9, 0), ended: time.Unix(1e9, 0)},
	}
}

// after returns the facts of a machine a second and some idle ticks later.
func after(f Facts) Facts {
	f.At = f.At.Add(time.Second)
	f.Competition.ended = f.At
	t := f.Time.Or(CPUTime{})
	t.ticks[statIdle] += 400
	f.Time = Is(t)
	return f
}

func TestWhatIsWrongGetsALineOfAdvice(t *testing.T) {
	for _, f := range (Observed{Before: healthy(), After: after(healthy())}).Diagnose() {
		if f.Advice != "" || f.Fact == "" || f.State != Known {
			t.Errorf("nothing is wrong, and of %s (%v, %s) it says %q", f.Topic, f.State, f.Fact,
				f.Advice)
		}
	}
	quota := func(cpus float64, counts ...Throttling) Fact[Quota] {
		q := Quota{CPUs: cpus, Period: 100 * time.Millisecond, Group: "/g/own"}
		for i, c := range counts {
			q.Groups = append(q.Groups,
				LimitedGroup{Group: []string{"/g/own", "/g"}[i], CPUs: cpus, Period: q.Period,
					Throttling: Is(c)})
		}
		return Is(q)
	}
	stolen := func(f *Facts, ticks uint64) {
		t := f.Time.Or(CPUTime{})
		t.ticks[statSteal] += ticks
		f.Time = Is(t)
	}
	for _, c := range []struct {
		topic, advice string
		change        func(before, after *Facts)
	}{
		{"hypervisor", "PVLOCK=native", func(_, f *Facts) {
			f.Hypervisor = UnknownFact[Hypervisor]("no evidence")
		}},
		{"paravirtual features", "kvm-pv-unhalt=on", func(_, f *Facts) {
			f.Features = Is(Features{StealTime: true})
		}},
		{"paravirtual features", "kvm-steal-time=on", func(_, f *Facts) {
			f.Features = Is(Features{PVUnhalt: true})
		}},
		{"paravirtual features", "without no-steal-acc", func(_, f *Facts) {
			f.Parameters = Is(Parameters{NoStealAcc: true})
		}},
		{"paravirtual features", "nopvspin", func(_, f *Facts) {
			f.Parameters = Is(Parameters{NoPVSpin: true})
		}},
		{"paravirtual features", "nopv", func(_, f *Facts) {
			f.Parameters = Is(Parameters{NoPV: true})
		}},
		{"paravirtual features", "the hint is wrong", func(b, f *Facts) {
			f.Features = Is(Features{PVUnhalt: true, StealTime: true, Realtime: true})
			stolen(b, 36_000)
			stolen(f, 36_000)
		}},
		{"steal", "use pv locks", func(_, f *Facts) { stolen(f, 100) }},
		{"steal", "use pv locks", func(b, f *Facts) { stolen(b, 36_000); stolen(f, 36_000) }},
		{"CPU quota", "/g/own was stopped in 5 of the last 10 periods", func(b, f *Facts) {
			b.Quota, f.Quota = quota(2, Throttling{Periods: 1000}), quota(2,
				Throttling{Periods: 1010, Throttled: 5})
		}},
		{"CPU quota", "/g was stopped in 50 of the last 51 periods", func(b, f *Facts) {
			b.Quota = quota(2, Throttling{Periods: 5}, Throttling{})
			f.Quota = quota(2, Throttling{Periods: 10}, Throttling{Periods: 51, Throttled: 50})
		}},
		{"CPU quota", "/g/own has been stopped often", func(b, f *Facts) {
			b.Quota = quota(2, Throttling{Periods: 1000, Throttled: 100})
			f.Quota = b.Quota
		}},
		{"CPU quota", "lower GOMAXPROCS to 2", func(b, f *Facts) {
			b.Quota = quota(2, Throttling{Periods: 1000})
			f.Quota = b.Quota
		}},
		{"CPU quota", "can't be seen from here stopped the control group for 20 %",
			func(b, f *Facts) {
				f.Quota = NotToldFact[Quota]("none that can be seen")
				b.Stopped, f.Stopped = Is(time.Hour), Is(time.Hour+800*time.Millisecond)
			}},
		{"CPU quota", "can't be seen from here stopped the control group for 20 %",
			func(b, f *Facts) {
				f.Quota = quota(8, Throttling{})
				q := f.Quota.Or(Quota{})
				q.Hidden = "above"
				b.Quota, f.Quota = Is(q), Is(q)
				b.Stopped, f.Stopped = Is(time.Hour), Is(time.Hour+800*time.Millisecond)
			}},
		{"GOMAXPROCS", "lower GOMAXPROCS to 4", func(_, f *Facts) { f.GOMAXPROCS = 8 }},
		{"GOMAXPROCS", "3 CPUs are never used", func(_, f *Facts) { f.GOMAXPROCS = 1 }},
		{"competition", "run less", func(_, f *Facts) {
			f.Competition.Machine =
				Is(Pressure{Total: time.Hour + 300*time.Millisecond, File: "/proc/pressure/cpu"})
		}},
		{"competition", "run less", func(b, f *Facts) {
			b.Competition.Group = Is(Pressure{File: "/cpu.pressure"})
			f.Competition.Group = Is(Pressure{Total: 300 * time.Millisecond, File: "/cpu.pressure"})
		}},
	} {
		before, after := healthy(), after(healthy())
		c.change(&before, &after)
		said := false
		for _, f := range (Observed{Before: before, After: after}).Diagnose() {
			said = said || f.Topic == c.topic && strings.Contains(f.Advice, c.advice)
		}
		if !said {
			t.Errorf("%s: nothing says %q: %+v", c.topic, c.advice,
				(Observed{Before: before, After: after}).Diagnose())
		}
	}
}

func TestALimitDoesNotHideThatOthersAreNotKnown(t *testing.T) {
	for _, c := range []struct {
		name, unseen, hidden string
		stopped              Fact[time.Duration]
		want                 string
	}{
		{"all seen", "", "", Fact[time.Duration]{}, ""},
		{"one can't be read", "/g: refused", "", Is(time.Second), "/g: refused"},
		{"those above are hidden", "", "above /g", NotToldFact[time.Duration]("old"), "above /g"},
		{"those above are hidden, and how long they stopped it is known", "", "above /g",
			Is(time.Second), ""},
		{"both", "/g: refused", "above /g", Fact[time.Duration]{}, "/g: refused; above /g"},
	} {
		f := after(healthy())
		f.Quota = Is(Quota{
			CPUs: 4, Unseen: c.unseen, Hidden: c.hidden,
			Groups: []LimitedGroup{{Group: "/g", CPUs: 4, Throttling: Is(Throttling{})}},
		})
		f.Stopped = c.stopped
		if d := diagnoseQuota(Observed{Before: f, After: f}); d.Unknown != c.want ||
			d.State != Known {
			t.Errorf("%s: %+v, want %q", c.name, d, c.want)
		}
	}
}

func TestWhatIsNotKnownIsSaidAndIsNoZero(t *testing.T) {
	for _, c := range []struct {
		topic  string
		state  State
		fact   string
		change func(f *Facts)
	}{
		{"steal", NotTold, "an emulator", func(f *Facts) {
			f.Time = NotToldFact[CPUTime]("an emulator")
		}},
		{"CPU quota", Unknown, "not mounted", func(f *Facts) {
			f.Quota = UnknownFact[Quota]("not mounted")
		}},
		{"CPU quota", Unknown, "no cpu.stat", func(f *Facts) {
			f.Quota = Is(
				Quota{CPUs: 8,
					Groups: []LimitedGroup{
						{Group: "/g", CPUs: 8,
							Throttling: UnknownFact[Throttling]("no cpu.stat")}}})
		}},
		{"paravirtual features", Unknown, "no command line", func(f *Facts) {
			f.Parameters = UnknownFact[Parameters]("no command line")
		}},
		{"competition", NotTold, "a sandbox", func(f *Facts) {
			f.Competition = Competition{Running: NotToldFact[int]("a sandbox")}
		}},
		{"GOMAXPROCS", NotTold, "another system", func(f *Facts) {
			f.CPUs = NotToldFact[[]int]("another system")
		}},
	} {
		f := after(healthy())
		c.change(&f)
		said := false
		for _, d := range (Observed{Before: healthy(), After: f,
			Running: missing[float64](f.Competition.Running)}).Diagnose() {
			said = said ||
				d.Topic == c.topic && d.State == c.state && strings.Contains(d.Fact, c.fact)
		}
		if !said {
			t.Errorf("%s is not %v because of %q", c.topic, c.state, c.fact)
		}
	}
}

// What rests on a guess of the CPUs is no ground for advice.
func TestNoAdviceOnCPUsThatAreNotKnown(t *testing.T) {
	for _, procs := range []int{1, 3} {
		f := Facts{NumCPUs: 2, GOMAXPROCS: procs, CPUs: UnknownFact[[]int]("refused")}
		if d := diagnoseProcs(f); d.Advice != "" {
			t.Errorf("GOMAXPROCS %d: %q", procs, d.Advice)
		}
		f.CPUs = Is([]int{0, 1})
		if d := diagnoseProcs(f); d.Advice == "" {
			t.Errorf("GOMAXPROCS %d on two CPUs that are known: no advice", procs)
		}
	}
}
