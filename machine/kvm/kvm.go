//go:build linux && amd64 && !purego && !race

package kvm

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"sync"

	"golang.org/x/sys/unix"

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
	vm, err := ioctl(kvm, ioctlCreateVM, 0)
	if err != nil {
		return fmt.Errorf("kvm: /dev/kvm makes no virtual machine (%w): if this is a virtual machine itself, have nested virtualisation switched on for it", err)
	}
	return closeFD(int(vm))
}

// open opens /dev/kvm, and makes sure that it offers what is needed.
func open() (int, error) {
	if err := cmp.Or(checkTLS(), checkText()); err != nil {
		return 0, fmt.Errorf("kvm: %w", err)
	}
	kvm, err := openKVM()
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ENODEV), errors.Is(err, unix.ENXIO):
		return 0, fmt.Errorf("kvm: no /dev/kvm here (%w): load the module kvm_intel or kvm_amd; if this is a virtual machine or a container, have it given to it", err)
	case errors.Is(err, fs.ErrPermission):
		return 0, fmt.Errorf("kvm: this user may not open /dev/kvm (%w): join the group that owns it, usually kvm", err)
	case err != nil:
		return 0, fmt.Errorf("kvm: opening /dev/kvm: %w", err)
	}
	if v, err := ioctl(kvm, ioctlGetAPIVersion, 0); err != nil || v != apiVersion {
		closeFD(kvm)
		return 0, fmt.Errorf("kvm: /dev/kvm has version %d of the interface (%v), want %d: use a newer kernel", v, err, apiVersion)
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

// New makes a machine of cfg.VCPUs virtual CPUs that share cfg.HostCPUs. The virtual machine
// exists while Run runs it.
func New(cfg machine.Config) (*Machine, error) {
	if len(cfg.HostCPUs) == 0 {
		return nil, errors.New("kvm: no host CPUs to run on")
	}
	kvm, err := open()
	if err != nil {
		return nil, err
	}
	most := extension(kvm, capMaxVCPUs)
	closeFD(kvm)
	if cfg.VCPUs > most {
		return nil, fmt.Errorf("kvm: a virtual machine has at most %d vCPUs here, not %d", most, cfg.VCPUs)
	}
	if err := osthread.CheckAffinity(cfg.HostCPUs); err != nil {
		return nil, fmt.Errorf("kvm: %w", err)
	}
	arch.Calibrate()
	m := &Machine{cfg: cfg, vm: &vm{}}
	ops := channel()
	ops.Rescue = paravirt.WordChannel(nil, func(_ *paravirt.CPU, cpu uint32, _ *arch.U32) { m.vm.ring(cpu) }).Notify
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
