package native

import "syscall"

// Regs are what an instruction reads and writes. RSP and R15 are not its to use.
type Regs struct {
	R     [16]uint64
	X     [16][2]uint64
	Flags uint64
}

// Code is memory for one instruction.
type Code struct{ page []byte }

// New maps memory that can be executed.
func New() (*Code, error) {
	page, err := syscall.Mmap(-1, 0, 4096, syscall.PROT_READ|syscall.PROT_WRITE|syscall.PROT_EXEC,
		syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		return nil, err
	}
	return &Code{page}, nil
}

// PC is where the instruction lies.
func (c *Code) PC() *byte { return &c.page[0] }

// Run executes an instruction.
func (c *Code) Run(insn []byte, r *Regs) {
	n := copy(c.page, insn)
	c.page[n] = 0xc3 // RET
	run(&c.page[0], r)
}

//go:noescape
func run(code *byte, r *Regs)
