package textpatch

import (
	"fmt"
	"reflect"
	"runtime"
)

// A Site is a place in the program's text where a function is called directly.
type Site struct {
	// Addr is the address of the instruction, Target the entry of the function called.
	Addr, Target uintptr
	// Tail says that it is a jump: the last thing that a wrapper does.
	Tail bool
}

// Where returns the function and the line of the call.
func (s Site) Where() (function, file string, line int) {
	f := runtime.FuncForPC(s.Addr)
	if f == nil {
		return "", "", 0
	}
	file, line = f.FileLine(s.Addr)
	return f.Name(), file, line
}

func (s Site) String() string {
	name, file, line := s.Where()
	return fmt.Sprintf("%#x in %s (%s:%d)", s.Addr, name, file, line)
}

// Entry returns the entry of a function that is given as a function value: declared at
// package level, or a method expression. It is what a direct call of that function calls.
func Entry(function any) uintptr { return reflect.ValueOf(function).Pointer() }

// A Mismatch is an error: text is not what it was expected to be. Nothing has been changed.
type Mismatch struct {
	Addr       uintptr
	Want, Have []byte
}

func (m *Mismatch) Error() string {
	return fmt.Sprintf("textpatch: at %#x: expected the bytes % x, found % x: something else has "+
		"changed this code; it is left as it is", m.Addr, m.Want, m.Have)
}
