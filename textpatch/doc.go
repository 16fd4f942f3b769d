// Package textpatch replaces calls in the running program's own text: it finds every
// direct call of a function, and puts another instruction of the same length in its
// place. It is how a kernel switches its paravirtual operations.
//
// It works where the program is what Go's linker makes of it (stripped, position-independent, with
// the race detector, a test's binary), on Linux. Elsewhere, and where the kernel refuses to have text
// written, functions return an error that says so, and nothing has changed: a patched program must
// do the same as one that is not, only sooner.
//
// # Finding
//
// [Calls] looks at each place of the text whose bytes are a call of the wanted function, and then decodes the
// function that it lies in, from its entry: what is no instruction there is no call. Where functions begin
// is asked of Go's runtime, so nothing is read from a file, and no symbol table is needed.
//
// # Writing
//
// Text is written through /proc/self/mem: no mapping is ever writable and executable. Bytes are
// compared with what was found before anything is written; read back, decoded and compared
// afterwards; and put back if anything is not as it should be.
//
// That file writes with the kernel's memcpy, which promises nothing about the size of its stores, and a
// call may lie across two cache lines. So bytes that somebody may be executing can't be
// replaced in one go. There are two ways, and the caller says which:
//
//   - [Quiet]: nobody runs the code. The caller knows that, and how; then all bytes are simply
//     written. It is what happens at boot.
//   - [Live]: threads may be running the code (amd64). Through a breakpoint, as Linux's text_poke_bp
//     does it: one byte, INT3, over each call's first; then the other bytes; then the first. Between these
//     all cores are serialised by membarrier's SYNC_CORE. A thread that meets the INT3 is sent back to the
//     same place by a handler for SIGTRAP, until the new instruction is there. A stopped world would do
//     without the signal, but Go lets no program stop its world, and a thread that is stopped
//     anywhere might be stopped before the very call.
//
// What Live rests on: a store of one byte is not torn; a core that has executed a serialising
// instruction since the last byte was stored fetches the new ones; and no core's fetch of an instruction that begins
// with 0xCC makes use of the bytes behind it. Intel and AMD have agreed to that for the kernel; the manuals
// describe it for code that the other cores do not fetch meanwhile. That the rest (the signal, the
// handler) holds under Go's runtime is shown by a test that switches calls a million times
// while other threads run them: evidence, not a proof.
//
// A virtual machine that runs this program's text in a guest has no handler for the
// breakpoint: there, only Quiet.
//
// # Why a call can be replaced
//
// Go's compiler takes every register to be lost in a call, so whatever changes fewer can stand for it. The
// new instruction is as long as the old one, so no thread can be between its parts; and the stack pointer is where it was, so
// that the tables by which Go unwinds stacks, and attributes samples and panics to lines, stay right.
package textpatch
