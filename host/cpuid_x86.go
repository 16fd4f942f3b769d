//go:build (amd64 || 386) && !purego

package host

// execCPUID executes CPUID. Under a hypervisor that is an exit: from one to some 90 µs.
//
//go:noescape
func execCPUID(leaf, subleaf uint32) (eax, ebx, ecx, edx uint32)

func cpuidReader() cpuid { return execCPUID }

// execXenCPUID has Xen execute CPUID: it is an invalid instruction, which Xen knows, when a guest
// that it paravirtualises executes it. Everywhere else it ends the process.
//
//go:noescape
func execXenCPUID(leaf, subleaf uint32) (eax, ebx, ecx, edx uint32)

func xenCPUIDReader() cpuid { return execXenCPUID }
