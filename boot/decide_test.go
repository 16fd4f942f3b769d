package boot

import (
	"strings"
	"testing"

	"example.com/pvlock/host"
)

func TestTheKernelsDecisionsAreLinuxs(t *testing.T) {
	guest := func(name string, f host.Features) host.Facts {
		return host.Facts{Arch: "amd64", NumCPUs: 4, GOMAXPROCS: 4,
			Hypervisor: host.Is(host.Hypervisor{Name: name, Source: "cpuid"}), Features: host.Is(f)}
	}
	with := func(f host.Facts, change func(*host.Facts)) host.Facts {
		change(&f)
		return f
	}
	one := func(f *host.Facts) { f.Possible = host.Is([]int{0}) }
	later := func(f *host.Facts) {
		f.NumCPUs, f.Online, f.Possible = 1, host.Is([]int{0}), host.Is([]int{0, 1})
	}
	nopvspin := func(f *host.Facts) { f.Parameters = host.Is(host.Parameters{NoPVSpin: true}) }
	unhalt := host.Features{PVUnhalt: true}
	idle := host.Features{ClusterIPI: true, GuestIdle: true}
	for _, c := range []struct {
		name   string
		facts  host.Facts
		want   Mode
		reason string
	}{
		{"bare metal", guest(host.None, host.Features{}), Native, "no hypervisor"},
		{"nothing known",
			host.Facts{Arch: "amd64", NumCPUs: 4, GOMAXPROCS: 4,
				Hypervisor: host.UnknownFact[host.Hypervisor]("no evidence")}, Native,
			"nothing says"},

		{"KVM", guest("KVM", unhalt), Paravirtual, "PV_UNHALT"},
		{"KVM without PV_UNHALT", guest("KVM", host.Features{StealTime: true, PVSendIPI: true}),
			TestAndSet, "without PV_UNHALT"},
		{"KVM, dedicated CPUs", guest("KVM", host.Features{PVUnhalt: true, Realtime: true}), Native,
			"REALTIME"},
		{"KVM, dedicated CPUs, without PV_UNHALT: the order of Linux's questions",
			guest("KVM", host.Features{Realtime: true}), Native, "REALTIME"},
		{"KVM, one CPU", with(guest("KVM", unhalt), one), Native, "one possible CPU"},
		{"KVM, one CPU now, and another may come", with(guest("KVM", unhalt), later), Paravirtual,
			"PV_UNHALT"},
		{"KVM, one CPU, without PV_UNHALT", with(guest("KVM", host.Features{}), one), Native,
			"one possible CPU"},
		{"KVM, nopvspin", with(guest("KVM", unhalt), nopvspin), Native, "nopvspin"},
		{"KVM, nopvspin, without PV_UNHALT", with(guest("KVM", host.Features{}), nopvspin), Native,
			"nopvspin"},

		{"Xen", guest("Xen", host.Features{}), Paravirtual, "event channel"},
		{"Xen, one CPU", with(guest("Xen", host.Features{}), one), Native, "one possible CPU"},
		{"Xen, one CPU now, and another may come", with(guest("Xen", host.Features{}), later),
			Paravirtual, "event channel"},
		{"Xen, nopvspin", with(guest("Xen", host.Features{}), nopvspin), Native, "nopvspin"},

		{"Hyper-V", guest("Hyper-V", idle), Paravirtual, "GUEST_IDLE"},
		{"Hyper-V without the hint", guest("Hyper-V", host.Features{GuestIdle: true}), TestAndSet,
			"CLUSTER_IPI"},
		{"Hyper-V without the sleep", guest("Hyper-V", host.Features{ClusterIPI: true}), TestAndSet,
			"GUEST_IDLE"},
		{"Hyper-V, hv_nopvspin", with(guest("Hyper-V", idle), nopvspin), TestAndSet, "hv_nopvspin"},

		{"VMware", guest("VMware", host.Features{}), TestAndSet, "VMware offers no wait and kick"},
		{"another", guest("bhyve bhyve", host.Features{}), TestAndSet, "bhyve"},
		{"one that doesn't say its name", guest(host.Unnamed, host.Features{}), TestAndSet,
			"the hypervisor offers"},
		{"KVM's bits count on KVM only", guest("VMware", unhalt), TestAndSet, "VMware"},

		{"arm64", with(guest("KVM", host.Features{}), func(f *host.Facts) { f.Arch = "arm64" }),
			Native, "arm64"},
	} {
		t.Run(c.name, func(t *testing.T) {
			have := Decide(c.facts).Kernel
			if have.Mode != c.want || !strings.Contains(have.Reason, c.reason) {
				t.Errorf("%v: %s; want %v, because of %q", have.Mode, have.Reason, c.want, c.reason)
			}
		})
	}
}

func TestAProcessWaitsParavirtuallyWhereItsCPUsAreTakenAway(t *testing.T) {
	pressure := func(share float64) host.Fact[host.Pressure] {
		return host.Is(host.Pressure{Avg10: share, File: "/proc/pressure/cpu"})
	}
	quiet := host.Facts{Arch: "amd64", NumCPUs: 4, GOMAXPROCS: 4,
		Hypervisor: host.Is(host.Hypervisor{Name: host.None, Source: "cpuid"}),
		Online:     host.Is([]int{0, 1, 2, 3}), Quota: host.Is(host.Quota{CPUs: 4}),
		Competition: host.Competition{Machine: pressure(0.02), Running: host.Is(100)}}
	if d := Decide(quiet).Process; d.Mode != Native {
		t.Fatalf("with all it may have: %v, %s", d.Mode, d.Reason)
	}
	for _, c := range []struct {
		reason string
		change func(*host.Facts)
	}{
		{"the process may use 1 CPU: ", func(f *host.Facts) { f.NumCPUs, f.GOMAXPROCS = 1, 1 }},
		{"1 CPU now, of 4 possible ones", func(f *host.Facts) {
			f.NumCPUs, f.GOMAXPROCS, f.Possible = 1, 1, f.Online
		}},
		{"KVM may take a vCPU away", func(f *host.Facts) {
			f.Hypervisor = host.Is(host.Hypervisor{Name: "KVM"})
		}},
		{"VMware may take a vCPU away", func(f *host.Facts) {
			f.Hypervisor = host.Is(host.Hypervisor{Name: "VMware"})
		}},
		{"KVM may take a vCPU away", func(f *host.Facts) {
			f.Hypervisor, f.Arch = host.Is(host.Hypervisor{Name: "KVM"}), "arm64"
		}},
		{"KVM may take a vCPU away", func(f *host.Facts) {
			f.Hypervisor, f.Parameters = host.Is(host.Hypervisor{Name: "KVM"}),
				host.Is(host.Parameters{NoPVSpin: true})
		}},
		{"quota is 3.5 CPUs of 4", func(f *host.Facts) {
			f.Quota = host.Is(host.Quota{CPUs: 3.5})
		}},
		{"GOMAXPROCS is 5 on 4 CPUs", func(f *host.Facts) { f.GOMAXPROCS = 5 }},
		{"the machine waited for a CPU in 30 %", func(f *host.Facts) {
			f.Competition.Machine = pressure(0.3)
		}},
		{"this control group waited for a CPU in 30 %", func(f *host.Facts) {
			f.Competition.Group = pressure(0.3)
		}},
		{"5 threads run or are ready to on 4 CPUs", func(f *host.Facts) {
			f.Competition = host.Competition{Running: host.Is(5)}
		}},
	} {
		f := quiet
		c.change(&f)
		if d := Decide(f).Process; d.Mode != Paravirtual || !strings.Contains(d.Reason, c.reason) {
			t.Errorf("%v, %s; want pv, because %s", d.Mode, d.Reason, c.reason)
		}
	}
	dedicated := quiet
	dedicated.Hypervisor, dedicated.Features = host.Is(host.Hypervisor{Name: "KVM"}),
		host.Is(host.Features{Realtime: true})
	if d := Decide(dedicated).Process; d.Mode != Native {
		t.Errorf("with vCPUs of its own: %v, %s", d.Mode, d.Reason)
	}
	quiet.Competition, quiet.Quota = host.Competition{}, host.UnknownFact[host.Quota]("not mounted")
	if d := Decide(quiet).Process; d.Mode != Native {
		t.Errorf("what isn't known decides nothing, and it says %v, %s", d.Mode, d.Reason)
	}
}
