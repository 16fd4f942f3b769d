package kvm

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
)

// ErrStopped is the error of a run that [Machine.Stop] ended.
var ErrStopped = errors.New("kvm: the machine was stopped")

// A Fault is the error of a run whose body did what can't be done in a guest.
type Fault struct {
	// VCPU is the vCPU's number.
	VCPU uint32
	// What says what happened.
	What string
	// PC is the address of the instruction.
	PC uintptr
	// Stack is where that is, the innermost function first, as far as it is known.
	Stack []runtime.Frame
}

// Error says in one line what happened, at which instruction, and, if that is in the Go
// runtime, what called on it.
func (f *Fault) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "kvm: vCPU %d: %s, at %#x", f.VCPU, f.What, f.PC)
	if runtime.FuncForPC(f.PC) == nil {
		b.WriteString(" (no code there)")
	}
	verb := " in"
	for i, frame := range f.Stack {
		inside := inRuntime(frame) && i+1 < len(f.Stack)
		if i > 0 && inside && inRuntime(f.Stack[i+1]) {
			continue // of the runtime, where it faulted and what was called are enough
		}
		fmt.Fprintf(&b, "%s %s (%s:%d)", verb, frame.Function, frame.File, frame.Line)
		if !inside {
			break
		}
		verb = ", called from"
	}
	return b.String()
}

// inRuntime reports whether a function is of the runtime or of what wraps it, rather than one that
// a body calls knowingly.
func inRuntime(f runtime.Frame) bool {
	for _, prefix := range []string{"runtime.", "internal/runtime/", "syscall."} {
		if strings.HasPrefix(f.Function, prefix) {
			return true
		}
	}
	return false
}
