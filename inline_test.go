package pvlock

import (
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"example.com/pvlock/internal/arch"
)

// The fast paths inline into the caller on 64-bit machines. (On 386 sync/atomic's operations are
// calls.)
func TestFastPathsInline(t *testing.T) {
	if testing.Short() || checked {
		t.Skip("compiles the package; and a build that checks is not inlined")
	}
	for _, goarch := range []string{"amd64", "arm64"} {
		t.Run(goarch, func(t *testing.T) {
			cmd := exec.Command("go", "build", "-gcflags=-m=2", ".")
			cmd.Env = append(cmd.Environ(), "GOARCH="+goarch, "CGO_ENABLED=0", "GOFLAGS=")
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			for _, method := range []string{"Lock", "TryLock", "Unlock"} {
				if !strings.Contains(string(out), "can inline (*Mutex)."+method+" with cost") {
					t.Errorf("%s doesn't inline", method)
				}
			}
		})
	}
}

//go:noinline
func lockUnlock(m *Mutex, protected *int) {
	m.Lock()
	*protected++
	m.Unlock()
}

var keep = lockUnlock

// The fast paths are: a load of wait, a locked compare-and-swap of lock, and (after what the mutex
// protects) a store of all of lock, a load of wait. In this order, at this width.
func TestFastPathsAsMachineCode(t *testing.T) {
	if testing.Short() || checked || !arch.StoreLoadBarrier {
		t.Skip("disassembles the fast paths as they are on amd64")
	}
	var m Mutex
	keep(&m, new(int))
	exe, err := exec.LookPath("go")
	if err != nil {
		t.Skip("takes the go command")
	}
	bin := t.TempDir() + "/test"
	build := exec.Command(exe, "test", "-c", "-o", bin, ".")
	build.Env = append(build.Environ(), "GOARCH=amd64", "CGO_ENABLED=0", "GOFLAGS=")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	out, err := exec.Command(exe, "tool", "objdump", "-s", `pvlock\.lockUnlock$`, bin).Output()
	if err != nil {
		t.Fatal(err)
	}
	var ops []string
	for line := range strings.Lines(string(out)) {
		if op := instructionOnMemory.FindString(line); op != "" {
			ops = append(ops, registers.ReplaceAllString(op, "r"))
		}
	}
	got := strings.Join(ops, "; ")
	const want = `MOVL 0x4(r), r; LOCK CMPXCHGL r, 0(r); INCQ 0(r); MOVL $0x0, 0(r); MOVL 0x4(r), r`
	if got != want {
		t.Errorf("the fast paths are\n%s\nwant\n%s\n%s", got, want, out)
	}
}

var (
	// What touches memory by a register other than the stack's.
	instructionOnMemory = regexp.MustCompile(`(LOCK )?(MOV[BWLQ]|CMPXCHG[LQ]|INCQ|XCHG[LQ]|` +
		`XADD[LQ]|CMP[BLQ]|TEST[BL]) [^,]*(0x\d+|\b0)\((A|B|C|D|S)[XI]\)(, \w+)?|(LOCK ` +
		`)?(MOV[BWLQ]|CMPXCHG[LQ]) [^,]*, (0x\d+|\b0)\((A|B|C|D|S)[XI]\)`)
	registers = regexp.MustCompile(`\b(R\d+|[ABCDS][XI])\b`)
)
