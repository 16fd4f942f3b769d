package host

import (
	"testing"
)

func TestCPUModel(t *testing.T) {
	for _, c := range []struct{ name, cpuinfo, want string }{
		{"x86", "processor\t: 0\nvendor_id\t: AuthenticAMD\nmodel\t\t: 17\nmodel name\t: AMD " +
			"EPYC\nflags\t: fpu\n\nmodel name\t: other\n", "AMD EPYC"},
		{"a name with a colon", "model name\t: Strange: CPU\n", "Strange: CPU"},
		{"arm64 has numbers",
			"processor\t: 0\nCPU implementer\t: 0x41\nCPU architecture: 8\nCPU variant\t: " +
				"0x3\nCPU part\t: 0xd0c\n", "implementer 0x41 part 0xd0c"},
		{"an empty name", "model name\t:\n", ""},
		{"neither", "processor\t: 0\n", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			have, err := cpuModel(files(map[string]string{"proc/cpuinfo": c.cpuinfo}))
			if have != c.want || (err != nil) != (c.want == "") {
				t.Errorf("%q, %v; want %q", have, err, c.want)
			}
		})
	}
}

func TestKernelRelease(t *testing.T) {
	for _, c := range []struct{ text, want string }{{"6.18.44-fc\n", "6.18.44-fc"}, {"\n", ""}} {
		have, err := kernelRelease(files(map[string]string{"proc/sys/kernel/osrelease": c.text}))
		if have != c.want || (err != nil) != (c.want == "") {
			t.Errorf("%q: %q, %v; want %q", c.text, have, err, c.want)
		}
	}
}
