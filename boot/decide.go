package boot

import (
	"fmt"

	"example.com/pvlock/host"
)

// Decision is a mode, never Unset or Auto, and why.
type Decision struct {
	Mode   Mode   `json:"mode"`
	Reason string `json:"reason"`
	// Raw and Queued are the names of the tables that were asked for in place of the mode's.
	Raw    string `json:"raw,omitempty"`
	Queued string `json:"queued,omitempty"`
}

// Decide chooses by the facts alone.
//
// First come those that a kernel doesn't know and a process does: whether it is itself
// that something takes CPUs from. Then Linux's rules for its own spinlock,
// of 2015 to 2026: kvm_spinlock_init, xen_init_spinlocks, hv_init_spinlocks, and the
// key of virt_spin_lock.
func Decide(f host.Facts) Decision {
	quota, crowd := f.Quota.Or(host.Quota{}), f.Crowd().Or(host.Crowd{})
	switch {
	case quota.CPUs > 0 && quota.CPUs < float64(f.NumCPUs):
		return because(Paravirtual, "the control group's quota is %.3g CPUs of %d: when it is used up, holders are stopped, and spinning uses it up", quota.CPUs, f.NumCPUs)
	case f.GOMAXPROCS > f.NumCPUs:
		return because(Paravirtual, "GOMAXPROCS is %d on %d CPUs: the process's threads take them from each other", f.GOMAXPROCS, f.NumCPUs)
	case crowd.Crowded:
		return because(Paravirtual, "%s: holders lose theirs", crowd.Evidence)
	}
	return linux(f)
}

func because(m Mode, format string, args ...any) Decision {
	return Decision{Mode: m, Reason: fmt.Sprintf(format, args...)}
}

// linux decides as a Linux guest on these CPUs would.
func linux(f host.Facts) Decision {
	h, known := f.Hypervisor.Get()
	switch {
	case f.Arch != "amd64" && f.Arch != "386":
		return because(Native, "Linux has no paravirtual spinlocks on %s", f.Arch)
	case h.Name == host.None:
		return because(Native, "no hypervisor: nobody takes the CPUs away")
	case !known:
		return because(Native, "nothing says that there is a hypervisor")
	}
	switch h.Name {
	case "KVM":
		return kvm(f)
	case "Xen":
		return xen(f)
	case "Hyper-V":
		return hyperv(f)
	}
	name := h.Name
	if name == host.Unnamed {
		name = "the hypervisor"
	}
	return because(TestAndSet, "%s offers no wait and kick: without a queue, no waiter that lost its CPU holds others up", name)
}

func kvm(f host.Facts) Decision {
	x := f.Features.Or(host.Features{})
	switch {
	case !x.PVUnhalt:
		// Before the look at REALTIME, as Linux has it: so a guest with CPUs of its own on a host without
		// PV_UNHALT gets test-and-set. (A patch of 2025 swaps the two.)
		return because(TestAndSet, "KVM without PV_UNHALT: a sleeping vCPU can't be kicked; without a queue, no waiter that lost its CPU holds others up")
	case x.Realtime:
		return because(Native, "KVM hints REALTIME: each vCPU has a physical CPU")
	case f.NumCPUs == 1:
		return because(Native, "one CPU: nobody spins for another")
	case noPVSpin(f):
		return because(Native, "the kernel was started with nopvspin")
	}
	return because(Paravirtual, "KVM with PV_UNHALT: vCPUs are taken away, and can be kicked")
}

func xen(f host.Facts) Decision {
	switch {
	case f.NumCPUs == 1:
		return because(Native, "one CPU: nobody spins for another")
	case noPVSpin(f):
		return because(Native, "the kernel was started with nopvspin")
	}
	return because(Paravirtual, "Xen: vCPUs are taken away, and can be kicked by an event channel")
}

func hyperv(f host.Facts) Decision {
	x := f.Features.Or(host.Features{})
	switch {
	case noPVSpin(f):
		return because(TestAndSet, "Hyper-V, and the kernel was started with hv_nopvspin: no queue, so no waiter that lost its CPU holds others up")
	case !x.ClusterIPI || !x.GuestIdle:
		return because(TestAndSet, "Hyper-V without CLUSTER_IPI_RECOMMENDED and GUEST_IDLE: a vCPU can't sleep and be kicked; without a queue, no waiter that lost its CPU holds others up")
	}
	return because(Paravirtual, "Hyper-V with GUEST_IDLE: vCPUs are taken away, can sleep, and can be kicked")
}

// noPVSpin says whether the kernel was told to have no paravirtual locks; an unknown command line
// didn't tell it.
func noPVSpin(f host.Facts) bool { return f.Parameters.Or(host.Parameters{}).NoPVSpin }
