// Package textpatch replaces calls in the running program's own text: it finds every
// direct call of a function, and puts another instruction of the same length in its
// place. It is how a kernel switches its paravirtual operations.
//
// It works where the program is what Go's linker makes of it (stripped, position-independent, with
// the race detector, a test's binary:
// TestAProgramWithThousandsOfCallsIsPatchedWholeHoweverItIsBuilt of package boot), on Linux.
// Elsewhere, and where the kernel or a sandbox refuses to have text written, functions return an
// error that says so in one line, and nothing has changed: a patched program must do the same as
// one that is not, only sooner (TestInASandboxThatRefusesACallTheLocksWork).
//
// # Finding
//
// [Calls] looks at each place of the text whose bytes are a call of the wanted function, and then
// decodes the function that it lies in, from its entry: what is no instruction there is no call
// (TestEveryCallIsFoundWhereItIs, TestBytesWithinAnInstructionAreNoCall). Where functions begin is
// asked of Go's runtime, so nothing is read from a file, and no symbol table is needed. A
// call with a breakpoint on it, or before it in its function, is not sure to be one
// (TestACallWithABreakpointOnItOrBeforeItIsUnsure); on arm64, where a breakpoint leaves nothing of
// the instruction, such a call isn't found.
//
// Text that no file is mapped to, of a packed program or on larger pages, is refused whole, not
// patched in part (TestTextIsWhatTheProgramsFileIsMappedTo).
//
// # Writing
//
// Text is written through /proc/self/mem: no mapping is ever writable and executable
// (TestNoMappingIsWritableAndExecutable). Bytes are compared with what was found before anything is
// written (TestOtherCodeThanExpectedIsRefusedByNameAndLeftAlone), decoded
// (TestWhatIsNoInstructionIsNotWritten), read back and compared afterwards, and put back if
// anything is not as it should be (TestAWriteThatIsRefusedChangesNothing).
//
// That file writes with the kernel's memcpy, which promises nothing about the size of its stores,
// and a call may lie across two cache lines. So bytes that somebody may be executing can't be
// replaced in one go. There are two ways, both for code that other threads run meanwhile
// (TestThreadsThatRunTheCodeSeeTheOldOrTheNewInstruction):
//
//   - [Live] (amd64): through a breakpoint, as Linux's text_poke_bp does it: one byte, INT3, over
//     each call's first; then the other bytes; then the first. Between these all cores are
//     serialised by membarrier's SYNC_CORE. A thread that meets the INT3 is sent back to the same
//     place by a handler for SIGTRAP, until the new instruction is there. Traps of others go to
//     Go's runtime (TestABreakpointThatIsNotOursIsTheRuntimes). A debugger keeps the traps for
//     itself, so there is no Live under one (TestLiveIsRefusedUnderADebugger). One that attaches in
//     the few µs between the steps isn't noticed.
//   - [Quiet]: with GOMAXPROCS at 1, and that one P pinned, no other goroutine runs
//     (TestQuietIsWhileNothingElseRuns). Each stands between two instructions, or in a system call,
//     and fetches what it executes next afterwards. Go lets no program stop its world; this comes
//     to the same for Go code, and C code has no calls of Go's functions in it.
//
// What Live rests on: a store of one byte is not torn; a core that has executed a serialising
// instruction since the last byte was stored fetches the new ones; and no core's fetch of an
// instruction that begins with 0xCC makes use of the bytes behind it. Intel and AMD have agreed to
// that for the kernel; the manuals describe it for code that the other cores do not fetch
// meanwhile. That the rest (the signal, the handler) holds under Go's runtime is shown by a test
// that switches calls while other threads run them, as often as -textpatch.cycles says: evidence,
// not a proof.
//
// A virtual machine that runs this program's text in a guest has no handler for the
// breakpoint, and no P: nobody may be running one meanwhile.
//
// Before the first edit of either way a call of the package's own is replaced, called, put back and
// called. An emulator runs a copy of the text that it made earlier: then nothing is written but
// that, and the error is [ErrNoEffect] (TestWhatHasNoEffectUnderAnEmulatorIsPutBackAndSaidSo).
//
// # Probes
//
// The kernel's uprobes (perf probe, bpftrace) put an INT3 over an instruction's first byte. When it
// is hit the kernel executes the instruction that is in the file: the call as it was compiled,
// which means the same. When the probe is detached the kernel restores the first byte from the
// file, and leaves the others as they are in memory. Therefore
//
//   - a call that becomes another call keeps its first byte, and one that becomes nothing keeps the
//     others: it tests a register against a constant, the distance. A body, on 386, keeps its first
//     byte. Probes on them come and go (TestAProbeOnACallComesAndGoes,
//     TestAProbeThatGoesFromACallThatIsNothingLeavesTheCall).
//   - a call that becomes a store ([Patch.StoreZero], amd64) keeps neither: there is no store that
//     could. A probe on that very instruction does no harm while it is attached; when it goes, it
//     leaves the call of some address, and the program dies there
//     (TestAProbeThatGoesFromAStoreLeavesNoCode). Probes on functions' entries are no danger.
//
// # Why a call can be replaced
//
// Go's compiler takes every register to be lost in a call, so whatever changes fewer can stand for
// it (TestAStoreInPlaceOfACallStores, TestACallThatIsReplacedByNothingDoesNothing,
// TestACallThatIsReplacedByAnotherCallsThat). The new instruction is as long as the old one, so no
// thread can be between its parts; and the stack pointer is where it was, so that the tables by
// which Go unwinds stacks, and attributes samples and panics to lines, stay right
// (TestANilPointerPanicsAtTheLineOfTheCall).
//
// # Security
//
// See docs/patching.md.
package textpatch
