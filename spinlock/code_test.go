package spinlock_test

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	instruction = regexp.MustCompile(`^\s+\S+\s+0x[0-9a-f]+\s+([0-9a-f]+)\s+(.*?)\s*$`)
	noise       = regexp.MustCompile(`\(SP\)|SP\)|RSP|R14|FS:|GS:|0xfffffffc\(CX\)|^TESTB A.?L?, ` +
		`0\(|^MOVB \(R\d+\), R27|, ZR$|morestack|16\(R28\)|^NOP|^JMP |^ADRP|^MOVBU \d{3,}\(`)
	memory = regexp.MustCompile(`^LOCK |\([A-Z0-9]+\)|^CALL ` +
		`|^DMB|^CASAL|^STLR|^LDAR|^MFENCE|^XCHG`)
	branch   = regexp.MustCompile(`^(J[A-Z]+|CBN?Z|TBN?Z|B[A-Z]{2}|CBN?ZW)\b`)
	register = regexp.MustCompile(`\b(R\d+|[ER]?[ABCDS][XIPL]|SI|DI)\b`)
	pkg      = regexp.MustCompile(`[\w./]+/`)
)

// accesses returns, in order, what each function of the program does to memory other than its
// stack: widths, locked instructions, fences, calls, and "?" for a conditional branch. Registers
// don't matter, and become r.
func accesses(t *testing.T, goarch string) map[string]string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "fastpaths")
	build := exec.Command("go", "build", "-o", bin, "./testdata/fastpaths")
	build.Env = append(build.Environ(), "GOARCH="+goarch, "CGO_ENABLED=0", "GOFLAGS=")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	out, err := exec.Command("go", "tool", "objdump", "-s",
		`^main\.[A-Z]|spinlock\.|internal/arch\.(load|store|xchg|cmpxchg|add)`, bin).Output()
	if err != nil {
		t.Fatal(err)
	}
	code, name := map[string][]string{}, ""
	prologue := false
	for line := range strings.Lines(string(out)) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == "TEXT" {
			name = strings.TrimSuffix(pkg.ReplaceAllString(f[1], ""), "(SB)")
			prologue = false
			continue
		}
		m := instruction.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		op := m[2]
		if goarch != "arm64" && strings.HasPrefix(m[1], "f0") && !strings.HasPrefix(op, "LOCK") {
			op = "LOCK " + op // objdump drops it before an operand-size prefix
		}
		switch {
		case strings.HasPrefix(op, "CMPQ SP,"), strings.HasPrefix(op, "CMPL SP,"),
			strings.Contains(op, "16(R28)"):
			prologue = true // the check of the stack's size, and its branch
		case prologue && branch.MatchString(op):
			prologue = false
		case noise.MatchString(op):
		case branch.MatchString(op):
			code[name] = append(code[name], "?")
		case memory.MatchString(op):
			op = register.ReplaceAllString(strings.TrimSuffix(pkg.ReplaceAllString(op, ""), "(SB)"),
				"r")
			code[name] = append(code[name], op)
		}
	}
	flat := map[string]string{}
	for name, ops := range code {
		flat[name] = strings.Join(ops, "; ")
	}
	return flat
}

// The fast paths are these accesses, of this width, in this order. What the seeds say of order on
// x86 holds only if the compiler keeps it, and nothing in Go says that it must.
func TestFastPathsAsMachineCode(t *testing.T) {
	for goarch, want := range fastPaths {
		t.Run(goarch, func(t *testing.T) {
			got := accesses(t, goarch)
			for name, code := range want {
				if got[name] != code {
					t.Errorf("%s\n\tis   %s\n\twant %s", name, got[name], code)
				}
			}
		})
	}
}

var fastPaths = map[string]map[string]string{
	"amd64": {
		"arch.xchg8.abi0":    "XCHGB r, 0(r)",
		"arch.cmpxchg8.abi0": "LOCK CMPXCHGB r, 0(r)",
		"arch.add16.abi0":    "LOCK XADDW r, 0(r)",
		"main.ByteUnlock":    "MOVB $0x0, 0(r)",
		"main.PVQSpinLock":   "LOCK CMPXCHGL r, 0(r); ?; CALL spinlock.pvSlow",
		"main.QSpinLock":     "LOCK CMPXCHGL r, 0(r); ?; CALL spinlock.nativeSlow",
		"main.QSpinUnlock":   "MOVB $0x0, 0(r)",
		"main.SameLoads":     "MOVL 0(r), r; MOVL 0(r), r",
		"main.TASLock":       "LOCK CMPXCHGL r, 0(r); ?; CALL spinlock.(*TAS).lockSlow",
		"main.TASUnlock":     "MOVB $0x0, 0(r)",
		"main.TicketUnlock":  "MOVZX 0(r), r; MOVW r, 0(r)",
		"main.TwoLoads":      "MOVL 0x4(r), r; MOVL 0(r), r; ?",
		"main.XenLock": "LOCK CMPXCHGL r, 0(r); ?; CALL " +
			"spinlock.(*Xen).lockContended",
		"main.XenUnlock": "LOCK XADDL r, 0(r); ?; CALL spinlock.(*Xen).unlockSlow",
		"spinlock.(*ByteLock).Lock": "CALL arch.xchg8.abi0; ?; CALL " +
			"spinlock.(*ByteLock).lockSlow",
		"spinlock.(*NativeTicket).Lock": "LOCK XADDL r, 0(r); ?; CALL " +
			"spinlock.(*NativeTicket).lockSlow",
		"spinlock.pvUnlock2015": "CALL arch.cmpxchg8.abi0; ?; CALL " +
			"spinlock.pvUnlockSlow2015",
		"spinlock.(*PVTicket).Lock": "LOCK XADDL r, 0(r); ?; CALL " +
			"spinlock.(*PVTicket).lockSlow",
		"spinlock.(*PVTicket).Unlock": "CALL arch.add16.abi0; ?; CALL spinlock.unlockKick",
		"spinlock.(*Xen2008).Lock": "CALL arch.xchg8.abi0; ?; CALL " +
			"spinlock.(*Xen2008).lockContended",
		"spinlock.(*Xen2008).Unlock": "MOVB $0x0, 0(r); CMPW 0x2(r), $0x0; ?; CALL " +
			"spinlock.xen2008UnlockSlow",
		"spinlock.(*Xen2008Text).Lock": "CALL arch.add8.abi0; ?; CALL " +
			"spinlock.(*Xen2008Text).lockContended",
		"spinlock.(*Xen2008Text).Unlock": "MOVB $0x0, 0(r); CMPW 0x2(r), $0x0; ?; CALL " +
			"spinlock.xen2008UnlockSlow",
		"spinlock.pvUnlock": "CALL arch.cmpxchg8.abi0; ?; CALL spinlock.pvUnlockSlow",
	},
	"386": {
		"main.QSpinLock":           "CALL spinlock.(*QSpin).Lock",
		"main.QSpinUnlock":         "MOVB $0x0, 0(r)",
		"main.TicketUnlock":        "MOVZX 0(r), r; MOVW r, 0(r)",
		"main.TwoLoads":            "CALL atomic.LoadUint32; CALL atomic.LoadUint32; ?",
		"main.XenUnlock":           "CALL spinlock.(*Xen).Unlock",
		"spinlock.(*Xen2008).Lock": "CALL arch.xchg8; ?; CALL spinlock.(*Xen2008).lockContended",
		"spinlock.(*Xen2008).Unlock": "MOVB $0x0, 0(r); MOVZX 0x2(r), r; ?; CALL " +
			"spinlock.xen2008UnlockSlow",
	},
	"arm64": {
		"arch.store8.abi0": "STLRB r, (r)",
		"arch.load16.abi0": "LDARH (r), r",
		"arch.xchg8.abi0":  "LDAXRB (r), r; STLXRB r, (r), r; ?; DMB $11",
		"main.QSpinLock": "?; LDAXRW (r), r; ?; STLXRW r, (r), r; ?; ?; CALL " +
			"spinlock.nativeSlow",
		"main.QSpinUnlock":  "CALL arch.store8.abi0",
		"main.TicketUnlock": "CALL spinlock.(*NativeTicket).Unlock",
		"main.TwoLoads":     "LDARW (r), r; LDARW (r), r; ?",
		"main.XenUnlock": "?; LDAXRW (r), r; STLXRW r, (r), r; ?; ?; CALL " +
			"spinlock.(*Xen).unlockSlow",
		"spinlock.(*Xen2008).Lock": "CALL arch.xchg8.abi0; ?; CALL " +
			"spinlock.(*Xen2008).lockContended",
		"spinlock.(*Xen2008).Unlock": "CALL arch.store8.abi0; CALL arch.load16.abi0; ?; CALL " +
			"spinlock.xen2008UnlockSlow",
	},
}
