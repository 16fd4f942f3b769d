//go:build linux && amd64 && !purego && !race

package kvm

import (
	"fmt"
	"runtime"
	"strings"
	"syscall"
)

// fault makes an error of an exit that the guest should not have made, or of why the kernel doesn't
// run it: that is not the guest's fault.
func (cpu *vcpu) fault(errno syscall.Errno) error {
	if errno != 0 {
		return fmt.Errorf("kvm: vCPU %d: the kernel no longer runs it: KVM_RUN: %w", cpu.c.ID(),
			errno)
	}
	f := &Fault{VCPU: cpu.c.ID()}
	r, err := getRegs(cpu.fd)
	if err != nil {
		return fmt.Errorf("kvm: vCPU %d: reading its registers: %w", f.VCPU, err)
	}
	s, err := getSregs(cpu.fd)
	if err != nil {
		return fmt.Errorf("kvm: vCPU %d: reading its registers: %w", f.VCPU, err)
	}
	f.PC = uintptr(r.rip)
	f.Stack = cpu.backtrace(&r)
	f.What = cpu.describe(&s, f.Stack)
	return f
}

// describe says what happened.
func (cpu *vcpu) describe(s *sregs, stack []runtime.Frame) string {
	switch reason := cpu.page.reason; reason {
	case exitMMIO:
		gpa, verb := cpu.page.gpa, "a read of"
		if cpu.page.write != 0 {
			verb = "a write to"
		}
		for i := range cpu.vm.space.regions {
			if r := &cpu.vm.space.regions[i]; gpa >= r.gpa && gpa-r.gpa < r.size {
				return fmt.Sprintf("%s %#x, in the %s, which is read-only", verb, gpa-r.gpa+r.va,
					r.name)
			}
		}
		return fmt.Sprintf("%s the guest-physical address %#x, where there is nothing", verb, gpa)
	case exitShutdown:
		return cpu.exception(s, stack)
	case exitFailEntry:
		return fmt.Sprintf("the processor refused to enter the guest (%#x)", cpu.page.gpa)
	case exitInternalError:
		return fmt.Sprintf("KVM gave up (internal error %d)", uint32(cpu.page.gpa))
	case exitHLT:
		return "a HLT instruction"
	default:
		return fmt.Sprintf("an exit for reason %d, which is not expected", reason)
	}
}

// exception says what the exception may have been. The processor found no handler for it, and
// that is all that it tells.
func (cpu *vcpu) exception(s *sregs, stack []runtime.Frame) string {
	guard := cpu.vm.stacks.guard(int(cpu.c.ID()))
	if s.cr2 >= guard && s.cr2 < guard+pageSize {
		return stackUsedUp
	}
	for _, frame := range stack {
		switch {
		case frame.Function == "runtime.morestack":
			return stackUsedUp
		case strings.HasPrefix(frame.Function, "runtime.panic"),
			frame.Function == "runtime.gopanic":
			return "a panic"
		case !inRuntime(frame):
			return fmt.Sprintf("an exception, perhaps by an access to %#x", s.cr2)
		}
	}
	return fmt.Sprintf("an exception, perhaps by an access to %#x", s.cr2)
}

var stackUsedUp = fmt.Sprintf("its stack of %d kB is used up", stackSize>>10)

// maxFrames bounds a backtrace.
const maxFrames = 16

// backtrace returns the functions that the vCPU is in, by the frame pointers that Go code keeps.
func (cpu *vcpu) backtrace(r *regs) []runtime.Frame {
	i := int(cpu.c.ID())
	// Return addresses are those after the calls; the instruction that faulted was to be executed.
	pcs := []uintptr{uintptr(r.rip) + 1}
	if fn := runtime.FuncForPC(uintptr(r.rip)); fn != nil && fn.Name() == "runtime.morestack" {
		// It has no frame: its caller is on top of the stack.
		if pc, ok := cpu.vm.stacks.word(i, r.rsp); ok {
			pcs = append(pcs, uintptr(pc))
		}
	}
	for fp := r.rbp; len(pcs) < maxFrames; {
		next, ok := cpu.vm.stacks.word(i, fp)
		pc, ok2 := cpu.vm.stacks.word(i, fp+8)
		if !ok || !ok2 || pc == 0 {
			break
		}
		pcs = append(pcs, uintptr(pc))
		if next <= fp {
			break
		}
		fp = next
	}
	var stack []runtime.Frame
	frames := runtime.CallersFrames(pcs)
	for {
		frame, more := frames.Next()
		if frame.Function != "" {
			stack = append(stack, frame)
		}
		if !more {
			return stack
		}
	}
}
