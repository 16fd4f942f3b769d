// Package boot chooses, at a program's start, whether its spinlocks are native, paravirtual, or
// test-and-set: it finds out what is beneath the process, decides, fills the tables of package
// spinlock's front doors ([spinlock.Queued], [spinlock.Ticket], [spinlock.Raw]), and, if asked to,
// patches the program's own text so that the tables cost nothing.
//
//	func main() {
//		if _, err := boot.Boot(boot.Config{}); err != nil {
//			…
//		}
//
// Importing the package does nothing. The environment has its say: PVLOCK=auto|native|pv|tas,
// PVLOCK_PATCH=0|1|calls (TestWhatIsSetGoesBeforeTheEnvironment, TestTheEnvironmentIsChecked).
// PVLOCK also names single tables, among them those of the two documents' locks:
// PVLOCK=native,xen2008 (TestATableIsInstalledByNameAndAllItsCallsArePatched).
//
// A decision takes no time, so it goes by what the kernel has counted already. Whether the CPUs are
// fought for is read from the pressure-stall information of the process's control group and of the
// machine: the share of the last ten seconds (avg10) for which some thread had no CPU. Where the
// kernel tells no pressure, the number of threads that run at this instant (procs_running) is held
// against the CPUs online; where it tells neither, competition decides nothing. See
// [host.Facts.Crowd].
//
// What patched calls mean is what the tables say: locks exclude, wake their sleepers, and panic at
// the same lines (TestEachModeInstallsItsTablesAndItsLocksExclude,
// TestAnUnlockThatFindsASleeperKicksIt, TestANilLockPanicsAtItsLine), and all calls are patched
// (TestPatchingIsNotSilentlyLeftOut). Threads may take free locks and release them all the while
// (TestUnlocksThroughoutBoot).
//
// Text is written live, or, under a debugger and where there is no other way, while the other
// goroutines stand still; see package textpatch, and the tests under gdb, delve, an emulator,
// probes and a sandbox: TestUnderGDBItIsPatchedQuietly, TestUnderDelveItIsPatchedQuietly,
// TestUnderAnEmulatorTheLocksGoByTheTables, TestAProbeOnACallComesAndGoes,
// TestTextThatNoFileIsMappedToIsLeftAsItIs, TestInASandboxThatRefusesACallTheLocksWork.
package boot

import (
	"cmp"
	"fmt"
	"sync"

	"example.com/pvlock/host"
	"example.com/pvlock/spinlock"
	"example.com/pvlock/textpatch"
)

// Config says what is wanted. What is unset is left to the environment; what is set goes before it.
// The zero value, in an empty environment, decides by the facts and doesn't patch.
type Config struct {
	Mode  Mode
	Patch Patching
	// Raw and Queued name tables of these doors in place of the mode's: see [spinlock.RawTables]
	// and [spinlock.QueuedTables]. Empty ones leave it to the mode.
	Raw, Queued string
	// Show is how many sites of each call are to be disassembled, before and after, for a
	// report.
	Show int
}

// Result is what Boot found and did.
type Result struct {
	Facts host.Facts
	// Decision is what was installed, Kernel what a Linux kernel would choose here.
	Decision, Kernel Decision
	// Before and After are the tables.
	Before, After []spinlock.Entry
	// Patch is what became of the program's text.
	Patch PatchResult

	config Config
	patch  textpatch.Patch
}

var booted struct {
	sync.Mutex
	result *Result
}

// Boot decides and installs, in one step, before the first CPU comes up: later it returns an error
// that wraps [spinlock.ErrSealed], or, once text is patched, [spinlock.ErrPatched], and has done
// nothing (TestNothingChangesOnceACPUHasComeUp, TestNothingChangesOnceSomebodyHasWaited,
// TestPatchedTextFixesTheTables). Asked for again what it has done already, it returns the same
// result at any time.
//
// That text can't be patched is not an error: the calls stay, mean the same, and take longer.
// The result says why.
func Boot(cfg Config) (*Result, error) {
	env, err := Environment()
	if err != nil {
		return nil, fmt.Errorf("boot: %w", err)
	}
	cfg = cfg.or(env).or(Config{Mode: Auto, Patch: PatchOff})

	booted.Lock()
	defer booted.Unlock()
	if r := booted.result; r != nil && r.config.sameLocks(cfg) {
		return r, nil
	}
	r := &Result{config: cfg, Before: spinlock.Tables()}
	r.Facts = host.Collect()
	d := Decide(r.Facts)
	r.Decision, r.Kernel = d.Process, d.Kernel
	if cfg.Mode != Auto {
		r.Decision = because(cfg.Mode, "asked for")
	}
	r.Decision.Raw, r.Decision.Queued = cfg.Raw, cfg.Queued
	ops, err := operations(r.Decision)
	if err != nil {
		return nil, err
	}
	var patch func([]spinlock.Call) bool
	if cfg.Patch != PatchOff {
		r.Patch.Asked = true
		patch = r.patchCalls
	} else {
		r.Patch.Why = "patching was not asked for"
	}
	if err := spinlock.Install(ops, patch); err != nil {
		return nil, fmt.Errorf("boot: locks can't become %v: %w", r.Decision.Mode, err)
	}
	r.After = spinlock.Tables()
	booted.result = r
	return r, nil
}

// or returns the configuration with what is unset taken from another.
func (cfg Config) or(other Config) Config {
	if cfg.Mode == Unset {
		cfg.Mode = other.Mode
	}
	if cfg.Patch == PatchUnset {
		cfg.Patch = other.Patch
	}
	cfg.Raw, cfg.Queued = cmp.Or(cfg.Raw, other.Raw), cmp.Or(cfg.Queued, other.Queued)
	return cfg
}

// sameLocks reports whether both ask for the same.
func (cfg Config) sameLocks(other Config) bool {
	cfg.Show = other.Show
	return cfg == other
}

func operations(d Decision) (ops spinlock.Ops, err error) {
	switch d.Mode {
	case Native:
		ops = spinlock.NativeOps()
	case Paravirtual:
		ops = spinlock.PVOps()
	case TestAndSet:
		ops = spinlock.VirtOps()
	default:
		return ops, fmt.Errorf("boot: no mode %d", d.Mode)
	}
	if d.Raw != "" {
		if ops.Raw, err = spinlock.RawTable(d.Raw); err != nil {
			return ops, fmt.Errorf("boot: %w", err)
		}
	}
	if d.Queued != "" {
		if ops.Queued, err = spinlock.QueuedTable(d.Queued); err != nil {
			return ops, fmt.Errorf("boot: %w", err)
		}
	}
	return ops, nil
}
