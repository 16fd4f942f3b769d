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

// Decisions are two answers to one question, which differ because a kernel's wait and kick are the
// hypervisor's, and a process's are its kernel's: a futex, or a parked goroutine. These always
// work.
type Decisions struct {
	// Kernel is what a Linux kernel on these CPUs would choose for its own spinlocks.
	Kernel Decision `json:"kernel"`
	// Process is what this process should choose.
	Process Decision `json:"process"`
}

// Decide chooses by the facts alone.
func Decide(f host.Facts) Decisions { return Decisions{Kernel: kernel(f), Process: process(f)} }

// process decides by whether something takes this process's CPUs away: it is native only where
// nothing is known to. Test-and-set is never right for it: a waiter that sleeps holds nobody up
// either, and gives its CPU to the holder. The affinity of now may be widened or narrowed later;
// being paravirtual is right with either, so that a single CPU of now decides nothing away.
func process(f host.Facts) Decision {
	quota, crowd := f.Quota.Or(host.Quota{}), f.Crowd().Or(host.Crowd{})
	h, known := f.Hypervisor.Get()
	switch {
	case quota.CPUs > 0 && quota.CPUs < float64(f.NumCPUs):
		return because(Paravirtual,
			"the control group's quota is %.3g CPUs of %d: when it is used up, holders are "+
				"stopped, and spinning uses it up", quota.CPUs, f.NumCPUs)
	case f.GOMAXPROCS > f.NumCPUs:
		return because(Paravirtual,
			"GOMAXPROCS is %d on %d CPUs: the process's threads take them from each other",
			f.GOMAXPROCS, f.NumCPUs)
	case f.NumCPUs == 1:
		return because(Paravirtual,
			"the process may use 1 CPU%s: a waiter that spins keeps the holder off it",
			ofPossible(f))
	case crowd.Crowded:
		return because(Paravirtual, "%s: holders lose theirs", crowd.Evidence)
	case !known:
		return because(Native, "nothing says that there is a hypervisor")
	case h.Name == host.None:
		return because(Native, "no hypervisor: nobody takes the CPUs away")
	case f.Features.Or(host.Features{}).Realtime:
		return because(Native, "%s hints REALTIME: each vCPU has a physical CPU", h.Name)
	}
	return because(Paravirtual,
		"%s may take a vCPU away, and a waiter can sleep whatever that offers: by its kernel",
		nameOf(h))
}

// ofPossible says how many CPUs the process may come to use, if that is more than one.
func ofPossible(f host.Facts) string {
	if n := len(f.Possible.Or(nil)); n > 1 {
		return fmt.Sprintf(" now, of %d possible ones", n)
	}
	return ""
}

func because(m Mode, format string, args ...any) Decision {
	return Decision{Mode: m, Reason: fmt.Sprintf(format, args...)}
}

// kernel decides by Linux's rules for its own spinlock, in their present order: kvm_spinlock_init,
// xen_init_spinlocks, hv_init_spinlocks, and the key of virt_spin_lock. It goes by the CPUs that
// may ever come online: of one, nobody spins for another.
func kernel(f host.Facts) Decision {
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
	return because(TestAndSet,
		"%s offers no wait and kick: without a queue, no waiter that lost its CPU holds others up",
		nameOf(h))
}

func nameOf(h host.Hypervisor) string {
	if h.Name == host.Unnamed {
		return "the hypervisor"
	}
	return h.Name
}

// onePossible reports whether no second CPU can ever come online; what isn't known may.
func onePossible(f host.Facts) bool { return len(f.Possible.Or(nil)) == 1 }

func kvm(f host.Facts) Decision {
	x := f.Features.Or(host.Features{})
	switch {
	case x.Realtime:
		return because(Native, "KVM hints REALTIME: each vCPU has a physical CPU")
	case onePossible(f):
		return because(Native, "one possible CPU: nobody spins for another")
	case noPVSpin(f):
		return because(Native, "the kernel was started with nopvspin")
	case !x.PVUnhalt:
		// The last question since 2025: before that, a guest with CPUs of its own on a host without
		// PV_UNHALT got test-and-set.
		return because(TestAndSet,
			"KVM without PV_UNHALT: a sleeping vCPU can't be kicked; without a queue, no waiter "+
				"that lost its CPU holds others up")
	}
	return because(Paravirtual, "KVM with PV_UNHALT: vCPUs are taken away, and can be kicked")
}

func xen(f host.Facts) Decision {
	switch {
	case onePossible(f):
		return because(Native, "one possible CPU: nobody spins for another")
	case noPVSpin(f):
		return because(Native, "the kernel was started with nopvspin")
	}
	return because(Paravirtual, "Xen: vCPUs are taken away, and can be kicked by an event channel")
}

func hyperv(f host.Facts) Decision {
	x := f.Features.Or(host.Features{})
	switch {
	case noPVSpin(f):
		return because(TestAndSet,
			"Hyper-V, and the kernel was started with hv_nopvspin: no queue, so no waiter that "+
				"lost its CPU holds others up")
	case !x.ClusterIPI || !x.GuestIdle:
		return because(TestAndSet,
			"Hyper-V without CLUSTER_IPI_RECOMMENDED and GUEST_IDLE: a vCPU can't sleep and be "+
				"kicked; without a queue, no waiter that lost its CPU holds others up")
	}
	return because(Paravirtual,
		"Hyper-V with GUEST_IDLE: vCPUs are taken away, can sleep, and can be kicked")
}

// noPVSpin says whether the kernel was told to have no paravirtual locks; an unknown command line
// didn't tell it.
func noPVSpin(f host.Facts) bool { return f.Parameters.Or(host.Parameters{}).NoPVSpin }
