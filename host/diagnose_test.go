package host

import (
	"strings"
	"testing"
	"time"
)

func TestWhatIsWrongGetsALineOfAdvice(t *testing.T) {
	healthy := Facts{NumCPUs: 4, GOMAXPROCS: 4, Hypervisor: Hypervisor{Name: "KVM", Source: "cpuid", Leaves: []Leaf{{Signature: "KVMKVMKVM"}}},
		Features: Features{PVUnhalt: true, StealTime: true}, Time: CPUTime{Total: time.Hour}, Load: Load{CPUs: 4, Average: 1}}
	for _, f := range Diagnose(healthy, healthy) {
		if f.Advice != "" || f.Fact == "" {
			t.Errorf("nothing is wrong, and of %s (%s) it says %q", f.Topic, f.Fact, f.Advice)
		}
	}
	quota := Quota{CPUs: 2, Period: 100 * time.Millisecond, Periods: 1000}
	for _, c := range []struct {
		topic, advice string
		change        func(before, after *Facts)
	}{
		{"hypervisor", "PVLOCK=native", func(_, f *Facts) { f.Hypervisor = Hypervisor{Name: Unknown} }},
		{"paravirtual features", "kvm-pv-unhalt=on", func(_, f *Facts) { f.Features.PVUnhalt = false }},
		{"paravirtual features", "kvm-steal-time=on", func(_, f *Facts) { f.Features.StealTime = false }},
		{"paravirtual features", "nopvspin", func(_, f *Facts) { f.Features.NoPVSpin = true }},
		{"paravirtual features", "the hint is wrong", func(b, f *Facts) { f.Features.Realtime = true; f.Time.Steal = time.Minute; b.Time = f.Time }},
		{"steal", "use pv locks", func(b, f *Facts) { f.Time.Total += 10 * time.Second; f.Time.Steal += time.Second }},
		{"steal", "use pv locks", func(b, f *Facts) { f.Time.Steal = time.Minute; b.Time = f.Time }},
		{"CPU quota", "in 5 of the last 10 periods", func(b, f *Facts) {
			b.Quota, f.Quota = quota, quota
			f.Quota.Periods, f.Quota.Throttled = 1010, 5
		}},
		{"CPU quota", "stopped often", func(b, f *Facts) { quota := quota; quota.Throttled = 100; b.Quota, f.Quota = quota, quota }},
		{"CPU quota", "lower GOMAXPROCS to 2", func(b, f *Facts) { b.Quota, f.Quota = quota, quota }},
		{"GOMAXPROCS", "lower GOMAXPROCS to 4", func(_, f *Facts) { f.GOMAXPROCS = 8 }},
		{"GOMAXPROCS", "3 CPUs are never used", func(_, f *Facts) { f.GOMAXPROCS = 1 }},
		{"load", "run less", func(_, f *Facts) { f.Load.Average = 4.5 }},
	} {
		before, after := healthy, healthy
		c.change(&before, &after)
		said := false
		for _, f := range Diagnose(before, after) {
			said = said || f.Topic == c.topic && strings.Contains(f.Advice, c.advice)
		}
		if !said {
			t.Errorf("%s: nothing says %q: %+v", c.topic, c.advice, Diagnose(before, after))
		}
	}
}
