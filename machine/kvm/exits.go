package kvm

// Names of the kinds of exits that a run counts: times that a vCPU left the guest for the
// VMM. Kicks that the kernel delivers by itself are not among them.
const (
	ExitWait   = "exit_wait"   // to wait: each blocks the vCPU's thread
	ExitKick   = "exit_kick"   // to have a kick delivered
	ExitSignal = "exit_signal" // because its thread got a signal
	ExitEnd    = "exit_end"    // because its body returned
	ExitFault  = "exit_fault"  // because its body did what it must not
)
