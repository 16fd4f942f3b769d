package host

import (
	"testing"
	"testing/fstest"
	"time"
)

const tick = 10 * time.Millisecond

func TestCPUTime(t *testing.T) {
	for _, c := range []struct {
		name, stat string
		want       CPUTime
		fails      bool
	}{
		{"guest time is not counted twice", "cpu  10 20 30 40 50 60 70 80 1000 1000\ncpu0 1 1 1 1 1 1 1 1 0 0\n", CPUTime{Steal: 80 * tick, Total: 360 * tick}, false},
		{"a kernel without guest time", "cpu  1 1 1 1 1 1 1 5\n", CPUTime{Steal: 5 * tick, Total: 12 * tick}, false},
		{"the sum is found though it is not first", "intr 5\ncpu 0 0 0 0 0 0 0 1\n", CPUTime{Steal: tick, Total: tick}, false},
		{"a kernel without steal time is an error", "cpu  1 1 1 1 1 1 1\n", CPUTime{}, true},
		{"what is no number is an error", "cpu  1 1 1 x 1 1 1 1\n", CPUTime{}, true},
		{"a negative number is an error", "cpu  1 1 1 -1 1 1 1 1\n", CPUTime{}, true},
		{"single CPUs only is an error", "cpu0 1 1 1 1 1 1 1 1\n", CPUTime{}, true},
		{"an empty file is an error", "", CPUTime{}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			have, err := cpuTime(files(map[string]string{"proc/stat": c.stat}))
			if have != c.want || (err != nil) != c.fails {
				t.Errorf("%+v, %v; want %+v", have, err, c.want)
			}
		})
	}
	if _, err := cpuTime(fstest.MapFS{}); err == nil {
		t.Error("no file, and no error")
	}
}

func TestCPUModel(t *testing.T) {
	for _, c := range []struct{ name, cpuinfo, want string }{
		{"x86", "processor\t: 0\nvendor_id\t: AuthenticAMD\nmodel\t\t: 17\nmodel name\t: AMD EPYC\nflags\t: fpu\n\nmodel name\t: other\n", "AMD EPYC"},
		{"a name with a colon", "model name\t: Strange: CPU\n", "Strange: CPU"},
		{"arm64 has numbers", "processor\t: 0\nCPU implementer\t: 0x41\nCPU architecture: 8\nCPU variant\t: 0x3\nCPU part\t: 0xd0c\n", "implementer 0x41 part 0xd0c"},
		{"an empty name", "model name\t:\n", Unknown},
		{"neither", "processor\t: 0\n", Unknown},
	} {
		t.Run(c.name, func(t *testing.T) {
			have, err := cpuModel(files(map[string]string{"proc/cpuinfo": c.cpuinfo}))
			if have != c.want || (err != nil) != (c.want == Unknown) {
				t.Errorf("%q, %v; want %q", have, err, c.want)
			}
		})
	}
}

func TestKernelRelease(t *testing.T) {
	for _, c := range []struct{ text, want string }{{"6.18.44-fc\n", "6.18.44-fc"}, {"\n", Unknown}} {
		have, err := kernelRelease(files(map[string]string{"proc/sys/kernel/osrelease": c.text}))
		if have != c.want || (err != nil) != (c.want == Unknown) {
			t.Errorf("%q: %q, %v; want %q", c.text, have, err, c.want)
		}
	}
}
