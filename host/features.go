package host

// Features is what the hypervisor says about paravirtual locks: what Linux asks when it
// chooses its own spinlock.
type Features struct {
	// What KVM offers: a halted vCPU can be kicked (PV_UNHALT); stolen time is told, and with it
	// whether a vCPU is preempted (STEAL_TIME); a vCPU can yield to a preempted one
	// (PV_SCHED_YIELD); one call sends several interrupts (PV_SEND_IPI).
	PVUnhalt, StealTime, PVSchedYield, PVSendIPI bool
	// Realtime is KVM's hint that its vCPUs are never preempted: each has a physical CPU.
	Realtime bool

	// What Hyper-V offers: it wants interrupts to be sent by hypercall (the hint
	// CLUSTER_IPI_RECOMMENDED), and has an MSR that puts a vCPU to sleep (GUEST_IDLE).
	ClusterIPI, GuestIdle bool
}

// List returns the names of what is offered and hinted, as the hypervisors' documents have them.
func (f Features) List() []string {
	list := []string{}
	for _, x := range []struct {
		have bool
		name string
	}{
		{f.PVUnhalt, "PV_UNHALT"}, {f.StealTime, "STEAL_TIME"}, {f.PVSchedYield, "PV_SCHED_YIELD"},
		{f.PVSendIPI, "PV_SEND_IPI"},
		{f.Realtime, "REALTIME"}, {f.ClusterIPI, "CLUSTER_IPI_RECOMMENDED"},
		{f.GuestIdle, "GUEST_IDLE"},
	} {
		if x.have {
			list = append(list, x.name)
		}
	}
	return list
}

// Where the bits are: Linux's uapi/asm/kvm_para.h, and Microsoft's Hypervisor Top Level Functional
// Specification, 2.4.
const (
	kvmFeatures     = 1 // leaf, counted from the base; EAX
	kvmStealTime    = 1 << 5
	kvmPVUnhalt     = 1 << 7
	kvmPVSendIPI    = 1 << 11
	kvmPVSchedYield = 1 << 13
	kvmRealtime     = 1 << 0 // EDX

	hypervFeatures   = 3 // EAX
	hypervGuestIdle  = 1 << 10
	hypervHints      = 4 // EAX
	hypervClusterIPI = 1 << 10
)

// features reads what the named hypervisor offers. One that poses as another is asked
// for its own.
func features(h Fact[Hypervisor], id cpuid) Fact[Features] {
	known, ok := h.Get()
	switch {
	case !ok:
		return missing[Features](h)
	case known.Name == None, known.Name == "Xen":
		return Is(Features{}) // which have no such bits
	case id == nil:
		return NotToldFact[Features]("features are told by CPUID, which this build does not " +
			"execute")
	}
	return Is(known.features(id))
}

func (h Hypervisor) features(id cpuid) (f Features) {
	for _, l := range h.Leaves {
		if signatures[l.Signature] != h.Name {
			continue
		}
		offered := func(leaf uint32) (eax, edx uint32) {
			if l.Base+leaf > l.Max {
				return 0, 0
			}
			eax, _, _, edx = id(l.Base+leaf, 0)
			return eax, edx
		}
		switch h.Name {
		case "KVM":
			eax, edx := offered(kvmFeatures)
			f.PVUnhalt = eax&kvmPVUnhalt != 0
			f.StealTime = eax&kvmStealTime != 0
			f.PVSchedYield = eax&kvmPVSchedYield != 0
			f.PVSendIPI = eax&kvmPVSendIPI != 0
			f.Realtime = edx&kvmRealtime != 0
		case "Hyper-V":
			eax, _ := offered(hypervFeatures)
			f.GuestIdle = eax&hypervGuestIdle != 0
			eax, _ = offered(hypervHints)
			f.ClusterIPI = eax&hypervClusterIPI != 0
		}
		break // the first interface under the name, as Linux
	}
	return f
}
