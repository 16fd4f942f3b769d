//go:build linux && amd64 && !purego && !race

package kvm

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"

	"example.com/pvlock/internal/arch"
	"example.com/pvlock/machine"
	"example.com/pvlock/machine/internal/osthread"
	"example.com/pvlock/paravirt"
)

// Probe reports why machines can't run here, in one line that says what to do about
// it, or nil.
func Probe() error {
	kvm, err := open()
	if err != nil {
		return err
	}
	defer closeFD(kvm)
	return try(kvm)
}

// try makes a virtual machine with one vCPU, and takes it down again: what is refused here would be
// refused to a run.
func try(kvm int) error {
	vm, err := ioctl(kvm, ioctlCreateVM, 0)
	if err != nil {
		return fmt.Errorf("kvm: /dev/kvm makes no virtual machine (%w): %s", err, adviceOnVM(err))
	}
	defer closeFD(int(vm))
	vcpu, err := ioctl(int(vm), ioctlCreateVCPU, 0)
	if err != nil {
		return fmt.Errorf("kvm: /dev/kvm makes no vCPU (%w): %s", err, adviceOnVM(err))
	}
	defer closeFD(int(vcpu))
	size, err := ioctl(kvm, ioctlGetVCPUMmapSize, 0)
	if err != nil {
		return fmt.Errorf("kvm: /dev/kvm doesn't say how large a vCPU's page is: %w", err)
	}
	page, err := mapRunPage(int(vcpu), int(size))
	if err != nil {
		return fmt.Errorf("kvm: a vCPU's page can't be mapped: %w", err)
	}
	return page.unmap(int(size))
}

// open opens /dev/kvm, and makes sure that it offers what is needed.
func open() (int, error) {
	if err := cmp.Or(checkTLS(), checkText()); err != nil {
		return 0, fmt.Errorf("kvm: %w", err)
	}
	kvm, err := openKVM()
	if err != nil {
		return 0, fmt.Errorf("kvm: opening /dev/kvm: %w: %s", err,
			adviceOnOpen(err, os.Geteuid(), deviceOwner()))
	}
	if v, err := ioctl(kvm, ioctlGetAPIVersion, 0); err != nil {
		closeFD(kvm)
		return 0, fmt.Errorf("kvm: /dev/kvm is not KVM's device (%w): have the right one made, "+
			"which has the number 10, 232", err)
	} else if v != apiVersion {
		closeFD(kvm)
		return 0, fmt.Errorf("kvm: /dev/kvm has version %d of the interface, want %d: use a "+
			"newer kernel", v, apiVersion)
	}
	for _, need := range []struct {
		number uintptr
		name   string
	}{
		{capUserMemory, "KVM_CAP_USER_MEMORY"},
		{capSyncMMU, "KVM_CAP_SYNC_MMU"},
		{capReadonlyMem, "KVM_CAP_READONLY_MEM"},
		{capImmediateExit, "KVM_CAP_IMMEDIATE_EXIT"},
	} {
		if extension(kvm, need.number) == 0 {
			closeFD(kvm)
			return 0, fmt.Errorf("kvm: /dev/kvm doesn't offer %s: use a newer kernel", need.name)
		}
	}
	return kvm, nil
}

// Machine is a virtual machine that shares this program's memory.
type Machine struct {
	pv  *paravirt.Machine
	cfg machine.Config
	vm  *vm
}

// New makes a machine of cfg.VCPUs virtual CPUs that share cfg.HostCPUs. The virtual machine exists
// while Run runs it; New makes one for a moment, so that what Run would be refused is refused here.
func New(cfg machine.Config) (*Machine, error) {
	if len(cfg.HostCPUs) == 0 {
		return nil, errors.New("kvm: no host CPUs to run on")
	}
	kvm, err := open()
	if err != nil {
		return nil, err
	}
	most := extension(kvm, capMaxVCPUs)
	err = try(kvm)
	closeFD(kvm)
	if err != nil {
		return nil, err
	}
	if cfg.VCPUs > most {
		return nil, fmt.Errorf("kvm: a virtual machine has at most %d vCPUs here, not %d", most,
			cfg.VCPUs)
	}
	if err := osthread.CheckAffinity(cfg.HostCPUs); err != nil {
		return nil, fmt.Errorf("kvm: %w", err)
	}
	arch.Calibrate()
	m := &Machine{cfg: cfg, vm: &vm{}}
	ops := channel()
	ops.Rescue = paravirt.WordChannel(nil,
		func(_ *paravirt.CPU, cpu uint32, _ *arch.U32) { m.vm.ring(cpu) }).Notify
	if m.pv, err = paravirt.New(cfg.Paravirt(ops)); err != nil {
		return nil, err
	}
	return m, nil
}

// Paravirt returns the machine as lock text sees it.
func (m *Machine) Paravirt() *paravirt.Machine { return m.pv }

// Run runs body on each vCPU; see machine.Machine. What a body may do is said at the
// head of the package. A body that does more ends the run with a [*Fault].
func (m *Machine) Run(ready func(), body func(c *paravirt.CPU)) (machine.Usage, error) {
	// By way of the machine, so that the body and what it captured are on the heap.
	m.vm.body = body
	defer func() { m.vm.body = nil }()
	if err := m.vm.create(m.pv); err != nil {
		return machine.Usage{}, errors.Join(fmt.Errorf("kvm: %w", err), m.vm.destroy())
	}
	usage, err := osthread.Run(m.pv, m.cfg.HostCPUs, m.vm.bringUp, ready, m.vm.run)
	runtime.KeepAlive(body)
	usage.Exits = m.vm.exits()
	if err == nil {
		err = m.vm.fault()
	}
	if down := m.vm.destroy(); down != nil {
		err = errors.Join(err, fmt.Errorf("kvm: taking the machine down: %w", down))
	}
	return usage, err
}

// Stop ends the run that is under way, or the next, wherever its vCPUs are. Run then
// returns [ErrStopped].
func (m *Machine) Stop() { m.vm.stop(ErrStopped) }

// vm is a virtual machine. It is made by create and gone after destroy.
type vm struct {
	body func(c *paravirt.CPU)

	kvm, fd int
	runSize int
	pv      *paravirt.Machine
	space   *space
	stacks  stacks
	bells   uint64 // guest-physical address of the doorbells

	mu    sync.Mutex // for what follows
	vcpus []*vcpu    // all that were made
	why   error      // why it was stopped
	alive bool       // between create and destroy
}
