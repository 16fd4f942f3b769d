package host

import (
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
)

// Features is what the hypervisor and the kernel say about paravirtual locks: what Linux asks when it
// chooses its own spinlock. All false where there is no CPUID.
type Features struct {
	// What KVM offers: a halted vCPU can be kicked (PV_UNHALT); stolen time is told, and with it whether
	// a vCPU is preempted (STEAL_TIME); a vCPU can yield to a preempted one (PV_SCHED_YIELD); one call
	// sends several interrupts (PV_SEND_IPI).
	PVUnhalt, StealTime, PVSchedYield, PVSendIPI bool
	// Realtime is KVM's hint that its vCPUs are never preempted: each has a physical CPU.
	Realtime bool

	// What Hyper-V offers: it wants interrupts to be sent by hypercall (the hint
	// CLUSTER_IPI_RECOMMENDED), and has an MSR that puts a vCPU to sleep (GUEST_IDLE).
	ClusterIPI, GuestIdle bool

	// NoPVSpin says that the kernel was started with nopvspin (hv_nopvspin on Hyper-V): whoever runs the
	// machine wants no paravirtual locks.
	NoPVSpin bool
}

// List returns the names of what is offered and hinted, as the hypervisors' documents have them.
func (f Features) List() []string {
	list := []string{}
	for _, x := range []struct {
		have bool
		name string
	}{
		{f.PVUnhalt, "PV_UNHALT"}, {f.StealTime, "STEAL_TIME"}, {f.PVSchedYield, "PV_SCHED_YIELD"}, {f.PVSendIPI, "PV_SEND_IPI"},
		{f.Realtime, "REALTIME"}, {f.ClusterIPI, "CLUSTER_IPI_RECOMMENDED"}, {f.GuestIdle, "GUEST_IDLE"}, {f.NoPVSpin, "nopvspin"},
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
func features(fsys fs.FS, h Hypervisor, id cpuid) Features {
	var f Features
	word := "nopvspin"
	if h.Name == "Hyper-V" {
		word = "hv_nopvspin"
	}
	f.NoPVSpin = slices.Contains(strings.Fields(read(fsys, "proc/cmdline")), word)
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

// Load is what competes for the machine's CPUs. Zero where it isn't known.
type Load struct {
	// CPUs is how many CPUs the machine has online, also those that the process may not use.
	CPUs int
	// Average is how many threads of the whole machine ran or wanted to, averaged over the last
	// minute (the load average). Linux counts those that wait for disks too.
	Average float64
}

// load reads /proc/loadavg, and counts the CPUs of /proc/stat.
func load(fsys fs.FS) (Load, error) {
	text, err := fs.ReadFile(fsys, "proc/loadavg")
	if err != nil {
		return Load{}, err
	}
	minute, _, _ := strings.Cut(string(text), " ")
	average, err := strconv.ParseFloat(minute, 64)
	if err != nil {
		return Load{}, fmt.Errorf("/proc/loadavg: %q: want a number first", minute)
	}
	stat, err := fs.ReadFile(fsys, "proc/stat")
	if err != nil {
		return Load{}, err
	}
	n := 0
	for line := range strings.Lines(string(stat)) {
		if rest, ok := strings.CutPrefix(line, "cpu"); ok && rest != "" && rest[0] != ' ' {
			n++
		}
	}
	return Load{CPUs: n, Average: average}, nil
}
