package host

import (
	"io/fs"
	"strings"
	"syscall"
	"testing"
	"time"
)

const quietPressure = "some avg10=0.85 avg60=1.50 avg300=1.13 total=3025581677\nfull avg10=0.00 " +
	"avg60=0.00 avg300=0.00 total=0\n"

func TestPressure(t *testing.T) {
	p, err := pressure(files(map[string]string{"proc/pressure/cpu": quietPressure}),
		"proc/pressure/cpu")
	if want := (Pressure{Avg10: 0.0085, Total: 3025581677 * time.Microsecond,
		File: "/proc/pressure/cpu"}); err != nil || p != want {
		t.Errorf("%+v, %v; want %+v", p, err, want)
	}
	for _, bad := range []string{
		"", "full avg10=0.00 avg60=0.00 avg300=0.00 total=0\n",
		"some avg10=1.00 total=1\nsome avg10=1.00 total=1\n",
		"some avg10=101.00 total=1\n", "some avg10=-1.00 total=1\n", "some avg10=NaN total=1\n",
		"some avg10=1.00\n", "some total=1\n",
		"some avg10=1.00 total=-1\n", "some avg10=1.00 total=9223372036854775807\n",
		"some avg10 total\n",
	} {
		if p, err := pressure(files(map[string]string{"p": bad}), "p"); err == nil {
			t.Errorf("%q is a pressure of %+v", bad, p)
		}
	}
	off := unreadable{files(map[string]string{"p": ""}), "p", syscall.EOPNOTSUPP}
	if f := asFact(pressure(off, "p")); f.State() != NotTold {
		t.Errorf("switched off: %+v", f)
	}
	if f := asFact(
		pressure(unreadable{files(nil), "p", fs.ErrPermission}, "p")); f.State() != Unknown {
		t.Errorf("not to be read: %+v", f)
	}
}

func TestTheShareOfAnIntervalIsOfThatIntervalAlone(t *testing.T) {
	at := func(total time.Duration) Fact[Pressure] {
		return Is(Pressure{Avg10: 0.99, Total: total, File: "/f"})
	}
	for _, c := range []struct {
		name          string
		before, after Fact[Pressure]
		interval      time.Duration
		want          float64 // -1 is unknown
	}{
		{"a fifth", at(time.Hour), at(time.Hour + 200*time.Millisecond), time.Second, 0.2},
		{"all of it, read a little late", at(time.Hour), at(time.Hour + 1010*time.Millisecond),
			time.Second, 1},
		{"more than there was time", at(time.Hour), at(2 * time.Hour), time.Second, -1},
		{"backwards", at(time.Hour), at(time.Minute), time.Second, -1},
		{"no time", at(time.Hour), at(time.Hour), 0, -1},
		{"another group", at(time.Hour), Is(Pressure{Total: time.Hour, File: "/g"}), time.Second,
			-1},
		{"not known before", UnknownFact[Pressure]("?"), at(time.Hour), time.Second, -1},
	} {
		have := waited(c.before, c.after, c.interval)
		if share, ok := have.Get(); ok != (c.want >= 0) || ok && share != c.want {
			t.Errorf("%s: %v, want %v", c.name, have, c.want)
		}
	}
}

func TestRunningThreads(t *testing.T) {
	for text, want := range map[string]State{
		"procs_running 3\n": Known, "procs_running 0\n": NotTold, "cpu 1\n": NotTold,
		"procs_running 3\nprocs_running 4\n": Unknown, "procs_running -3\n": Unknown,
		"procs_running 4294967297\n": Unknown,
	} {
		if f := running(files(map[string]string{"proc/stat": text})); f.State() != want {
			t.Errorf("%q: %+v, want %v", text, f, want)
		}
	}
}

func TestWithoutPressureTheRunningThreadsTell(t *testing.T) {
	o := Observed{After: Facts{Online: Is([]int{0, 1})}, Running: Is(1.5)}
	for n, want := range map[float64]bool{1.5: false, 2: false, 2.5: true} {
		o.Running = Is(n)
		if c, ok := o.Crowd().Get(); !ok || c.Crowded != want ||
			!strings.Contains(c.Evidence, "procs_running") {
			t.Errorf("%v: %+v", n, o.Crowd())
		}
	}
	o.Running = NotToldFact[float64]("a sandbox")
	if f := o.Crowd(); f.State() != NotTold || f.Why() != "a sandbox" {
		t.Errorf("%+v", f)
	}
}
