package host

import (
	"slices"
	"testing"
)

// The cases are what Linux makes of the same lines: each was tried on its parser's rules.
func TestParametersAreParsedAsTheKernelDoes(t *testing.T) {
	for _, c := range []struct{ line, hypervisor, want string }{
		{"quiet nopvspin ro\n", "KVM", "s"},
		{"nopvspin\x00", "KVM", "s"},
		{"nopvspin=1", "KVM", "s"},
		{"nopvspin=0", "KVM", "s"},
		{`"nopvspin"`, "KVM", "s"},
		{`"nopvspin=1"`, "KVM", "s"},
		{`"nopvspin ro"`, "KVM", ""},
		{`foo="a nopvspin b"`, "KVM", ""},
		{`foo="a nopvspin b" nopvspin`, "KVM", "s"},
		{`foo=a" nopvspin "b nopv`, "KVM", "v"},
		{"foo=nopvspin", "KVM", ""},
		{"-- nopvspin", "KVM", ""},
		{"nopvspin -- nopv", "KVM", "s"},
		{"--=x nopvspin", "KVM", "s"},
		{"--nopvspin nopv", "KVM", "v"},
		{"-nopvspin", "KVM", ""},
		{"nopvspin,ro", "KVM", ""},
		{"NOPVSPIN", "KVM", ""},
		{"\tnopvspin\vro", "KVM", "s"},
		{"xen_nopvspin", "KVM", ""},
		{"hv_nopvspin", "KVM", ""},
		{"nopvspin", "Xen", "s"},
		{"xen_nopvspin", "Xen", "s"},
		{"xen-nopvspin", "Xen", "s"},
		{"xen_nopv", "Xen", "v"},
		{"xen_nopv", "KVM", ""},
		{"hv_nopvspin", "Hyper-V", "s"},
		{"hv-nopvspin", "Hyper-V", "s"},
		{"nopvspin", "Hyper-V", ""},
		{"no-steal-acc", "KVM", "a"},
		{"no_steal_acc", "KVM", "a"},
		{"nopv nopvspin no-steal-acc", "KVM", "sva"},
		{"", "KVM", ""},
		{`"`, "KVM", ""},
		{`""`, "KVM", ""},
		{"=", "KVM", ""},
	} {
		p, err := parameters(files(map[string]string{"proc/cmdline": c.line}),
			Hypervisor{Name: c.hypervisor})
		if err != nil {
			t.Fatal(err)
		}
		have := ""
		for _, x := range []struct {
			set  bool
			name string
		}{{p.NoPVSpin, "s"}, {p.NoPV, "v"}, {p.NoStealAcc, "a"}} {
			if x.set {
				have += x.name
			}
		}
		if have != c.want {
			t.Errorf("%q on %s: %q, want %q: %q", c.line, c.hypervisor, have, c.want,
				slices.Collect(parameterNames(c.line)))
		}
	}
	if f := asFact(parameters(files(nil), Hypervisor{})); f.State() != Unknown {
		t.Errorf("no command line, and the parameters are %+v", f)
	}
}
