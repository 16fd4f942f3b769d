package textpatch

import (
	"fmt"
	"runtime"
)

// Line is an instruction as it is in memory.
type Line struct {
	Addr uintptr
	Code []byte
	Text string
}

func (l Line) String() string {
	return fmt.Sprintf("%#x  %-24s  %s", l.Addr, fmt.Sprintf("% x", l.Code), l.Text)
}

// symbol names the function whose entry an address is, for disassembly.
func symbol(addr uint64) (string, uint64) {
	if f := runtime.FuncForPC(uintptr(addr)); f != nil {
		return f.Name(), uint64(f.Entry())
	}
	return "", 0
}
