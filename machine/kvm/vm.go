//go:build linux && amd64 && !purego && !race

package kvm

import (
	"errors"
	"fmt"

	"example.com/pvlock/paravirt"
)

// create makes the VM, its memory and its doorbells; its vCPUs are made by bringUp. Whatever it
// returns, destroy undoes it.
func (v *vm) create(pv *paravirt.Machine) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.pv != nil {
		return errors.New("a machine runs once")
	}
	v.pv, v.kvm, v.fd = pv, -1, -1
	kvm, err := open()
	if err != nil {
		return err
	}
	v.kvm, v.alive = kvm, true
	fd, err := ioctl(kvm, ioctlCreateVM, 0)
	if err != nil {
		return fmt.Errorf("making a virtual machine: %w: %s", err, adviceOnVM(err))
	}
	v.fd = int(fd)
	size, err := ioctl(kvm, ioctlGetVCPUMmapSize, 0)
	if err != nil {
		return fmt.Errorf("asking for the size of a vCPU's page: %w", err)
	}
	v.runSize = int(size)
	if err := v.mapMemory(); err != nil {
		return err
	}
	direct := extension(kvm, capIoeventfd) > 0
	peers := make([]int32, pv.CPUs())
	for i := range pv.CPUs() {
		bell, err := newEvent()
		if err != nil {
			return fmt.Errorf("an event descriptor for each of %d vCPUs: %w", pv.CPUs(), err)
		}
		peers[i] = int32(bell)
		cpu := &vcpu{vm: v, c: pv.CPU(i), bell: bell, bells: v.bells, peers: peers, fd: -1}
		v.vcpus = append(v.vcpus, cpu)
		// The kernel's bus has room for some hundreds. The kicks of the others are exits.
		if direct && setDoorbell(v.fd, v.bells+uint64(kickBell(uint32(i))-bells), bell) != nil {
			direct = false
		}
	}
	return nil
}

// mapMemory builds the guest's address space.
func (v *vm) mapMemory() error {
	n := v.pv.CPUs()
	var err error
	if v.stacks, err = newStacks(n); err != nil {
		return fmt.Errorf("stacks of %d vCPUs: %w", n, err)
	}
	regions, err := ownRegions(uint64(entryPC()))
	if err != nil {
		return err
	}
	size := uint64(pageSize + (4*n+pageSize-1)/pageSize*pageSize)
	v.space, v.bells, err = newSpace(v.fd, append(regions, v.stacks.region()), size)
	if err != nil {
		return err
	}
	for i := range n {
		v.space.tables.unmap(v.stacks.guard(i))
	}
	for what, at := range map[string]uint64{
		"body": addressOfBody(&v.body), "text": uint64(entryPC()),
		"CPUs": addressOfCPU(v.pv.CPU(0)),
	} {
		if !v.space.has(at, 8) {
			return fmt.Errorf("the %s at %#x are in no mapping that looks like the program's or "+
				"the heap's", what, at)
		}
	}
	return nil
}

// destroy frees what create made. No vCPU runs any more.
func (v *vm) destroy() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if !v.alive {
		return nil
	}
	v.alive = false
	var errs []error
	for _, cpu := range v.vcpus {
		errs = append(errs, closeFD(cpu.bell))
	}
	for _, fd := range []int{v.fd, v.kvm} {
		if fd >= 0 {
			errs = append(errs, closeFD(fd))
		}
	}
	// After the VM: its memory slots refer to them.
	if v.space != nil {
		errs = append(errs, v.space.tables.free())
	}
	errs = append(errs, v.stacks.free())
	return errors.Join(errs...)
}

// ring rings a CPU's doorbell from outside.
func (v *vm) ring(cpu uint32) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.alive {
		v.vcpus[cpu].ring()
	}
}

// stop ends all vCPUs, now or as soon as they begin. The first reason stays.
func (v *vm) stop(why error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.why == nil {
		v.why = why
	}
	if !v.alive {
		// Their descriptors may be somebody else's by now.
		return
	}
	for _, cpu := range v.vcpus {
		cpu.stop()
	}
}

// fault returns why it was stopped.
func (v *vm) fault() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.why
}
