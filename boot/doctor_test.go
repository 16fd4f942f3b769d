package boot

import (
	"strings"
	"testing"

	"example.com/pvlock/host"
)

func TestNothingIsWrongOnlyIfAllIsKnown(t *testing.T) {
	known := host.Finding{Topic: "steal", State: host.Known, Fact: "0.0 % now"}
	for _, c := range []struct {
		name     string
		findings []host.Finding
		want     string // the last line
	}{
		{"all known", []host.Finding{known}, "Nothing is wrong."},
		{"not told", []host.Finding{known, {Topic: "load", State: host.NotTold, Fact: "a sandbox"}},
			"In what is known nothing is amiss. Not known: load."},
		{"unknown", []host.Finding{known, {Topic: "quota", State: host.Unknown, Fact: "gone"}},
			"In what is known nothing is amiss. Not known: quota."},
		{"known in part",
			[]host.Finding{{Topic: "quota", State: host.Known, Fact: "2 CPUs", Unknown: "above"}},
			"In what is known nothing is amiss. Not known: quota."},
		{"advice", []host.Finding{
			{Topic: "steal", State: host.Known, Fact: "50 %", Advice: "move"}},
			"locks native: why"},
	} {
		var b strings.Builder
		if err := (DoctorReport{Findings: c.findings,
			Decision: Decision{Mode: Native, Reason: "why"}}).WriteText(&b); err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSpace(b.String()), "\n")
		if last := strings.Join(strings.Fields(lines[len(lines)-1]), " "); last != c.want {
			t.Errorf("%s: %q, want %q", c.name, last, c.want)
		}
		for _, f := range c.findings {
			if f.Unknown != "" && !strings.Contains(b.String(), f.Fact+"; unknown: "+f.Unknown) {
				t.Errorf("%s: not in part in\n%s", c.name, b.String())
			}
			if f.State != host.Known &&
				!strings.Contains(b.String(), f.State.String()+": "+f.Fact) {
				t.Errorf("%s: not as %v in\n%s", c.name, f.State, b.String())
			}
		}
	}
}
