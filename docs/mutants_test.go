package docs

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// A mutant is the code of a row of seeds.md with an access widened, dropped or moved, or an
// operation exchanged. A test that the row names must fail with it.
type mutant struct {
	// row is how the row's first cell begins.
	row string
	// file has old in it once. It is replaced by new.
	file, old, new string
	// test is what catches it, as the row names it.
	test string
}

const (
	code2008 = "spinlock/xen2008.go"
	text2008 = "spinlock/xen2008text.go"
	code2015 = "spinlock/pvqspin2015.go"
	names    = "spinlock/door_names.go"
	queued   = "spinlock/door_queued.go"
	calls    = "spinlock/door_calls.go"
	doorgen  = "internal/doorgen/main.go"

	inCode      = "TestLetter/xen2008"
	inText      = "TestLetter/xen2008text"
	byName      = "TestATableIsInstalledByNameAndAllItsCallsArePatched"
	patching    = "TestPatchingIsNotSilentlyLeftOut"
	direct      = "TestNoIndirectCallIsLeftOnTheWayToTheTablesWaitAndKick"
	unboundTest = "TestACPUWhoseChannelCantBeBoundIsOnlineAndSpins"
	honours     = "TestEveryMachineHonoursTheTablesWaitAndKick"
)

var mutants = []mutant{
	// The text of 2008.
	{"the old x86 lock", text2008, "if c.Add8(l.lock(), ^uint8(0)) != textHeld {",
		"if c.Xchg8(l.lock(), textHeld) != 0 {", inText},
	{"if it is negative", text2008, "c.SpinWhile8(l.lock(), textSign, textSign, budget)",
		"c.SpinWhile8(l.lock(), 0xff, textHeld, budget)", inText},
	{"spin for 2^16", "spinlock/catalogue.go", "budget2008text = 1 << 16",
		"budget2008text = 1 << 15", "TestLetterBudgets"},
	{"then the waiter counts", code2008, "\tc.Add16(spinners, 1)\n", "", inText},
	{"unlocking, look", text2008, "if c.Load16(l.spinners()) != 0 {",
		"if c.Load8(l.word.Byte(2)) != 0 {", inText},
	{"if so, go through", code2008, "if c.LoadPtr(&m.Slot(cpu).Lock) == want {",
		"if true || c.LoadPtr(&m.Slot(cpu).Lock) == want {", inText},
	{"waiting vCPUs give", code2008, "\tc.Poll()\n", "", inText},

	// The code of 2008.
	{"`xen_init_lock_cpu(cpu)`", "paravirt/cpu.go", "\terr := c.Bind()\n",
		"\tc.SetOnline()\n\terr := c.Bind()\n", "TestUpBindsAndThenLetsOthersLook"},
	{"`struct xen_spinlock`", code2008, "return l.word.Half(1) } // CPUs",
		"return l.word.Half(0) } // CPUs", inCode},
	{"`lock`: 0 free", code2008, "return l.word.Byte(0) } // 0 free",
		"return l.word.Byte(1) } // 0 free", inCode},
	{"`spinners`: count", code2008,
		"c.Count(paravirt.TakenSlow)\n\tslot, spinners := &c.Slot().Lock, word.Half(1)",
		"c.Count(paravirt.TakenSlow)\n\tslot, spinners := &c.Slot().Lock, word.Half(0)", inCode},
	{"`xen_spin_is_locked`", code2008, "return c.Load8(l.lock()) != 0",
		"return c.Load32(l.word.Whole()) != 0", inCode},
	{"`xen_spin_is_contended`", code2008,
		"IsContended(c *paravirt.CPU) bool { return c.Load16(l.spinners()) != 0",
		"IsContended(c *paravirt.CPU) bool { return c.Load32(l.word.Whole()) > 1", inCode},
	{"`xen_spin_trylock`", code2008,
		"TryLock(c *paravirt.CPU) bool { return c.Xchg8(l.lock(), 1) == 0",
		"TryLock(c *paravirt.CPU) bool { return c.Cmpxchg8(l.lock(), 0, 1) == 0", inCode},
	{"`asm(\"xchgb", "internal/arch/asm_amd64.s", "XCHGB AX, 0(BX)", "XCHGW AX, 0(BX)",
		"TestFastPathsAsMachineCode"},
	{"`lock_spinners`", code2008, "slot, spinners := &c.Slot().Lock",
		"slot, spinners := &c.Machine().Slot(0).Lock", inCode},
	{"`spinning_lock`", code2008, "c.StorePtr(slot, c.Addr(word))\n\tc.Add16(spinners, 1)\n",
		"c.Add16(spinners, 1)\n\tc.StorePtr(slot, c.Addr(word))\n", inCode},
	{"`unspinning_lock`", code2008,
		"held before.\n\tc.Add16(spinners, ^uint16(0))\n\tc.StorePtr(slot, 0)\n",
		"held before.\n\tc.StorePtr(slot, 0)\n\tc.Add16(spinners, ^uint16(0))\n", inCode},
	{"`xen_spin_lock_slow`", code2008, "\tc.Add16(spinners, 1)\n\n\tc.ClearPending()\n",
		"\tc.ClearPending()\n\tc.Add16(spinners, 1)\n\n", inCode},
	{"… no interrupt yet", code2008, "if !c.Bound() {", "if false {", inCode},
	{"… `xen_clear_irq_pending`", code2008, "\tc.ClearPending()\n", "", inCode},
	{"… check again", code2008, "if c.Xchg8(word.Byte(0), taken) == 0 {",
		"if c.Load8(word.Byte(0)) == 0 && c.Xchg8(word.Byte(0), taken) == 0 {", inCode},
	{"… `xen_poll_irq`", code2008, "\tc.Poll()\n", "", inCode},
	{"`xen_spin_lock`", code2008,
		"func (l *Xen2008) Lock(c *paravirt.CPU) {\n\tif c.Xchg8(l.lock(), 1) != 0 {",
		"func (l *Xen2008) Lock(c *paravirt.CPU) {\n\tif !c.Cas32(l.word.Whole(), 0, 1) {", inCode},
	{"… `timeout = 1 << 10`", "spinlock/catalogue.go", "budget2008     = 1 << 10",
		"budget2008     = 1 << 11", "TestLetterBudgets"},
	{"… label 1", code2008, "\t\t\tif c.Xchg8(l.lock(), 1) == 0 {",
		"\t\t\tif c.Cmpxchg8(l.lock(), 0, 1) == 0 {", inCode},
	{"… label 2", code2008, "c.SpinWhile8(l.lock(), 0xff, 1, budget)",
		"c.SpinWhile8(l.lock(), 1, 1, budget)", inCode},
	{"… label 3", code2008, "&a) || c.Xchg8(l.lock(), 1) == 0 {", "&a) {", inCode},
	{"`xen_spin_unlock_slow`", code2008, "if c.LoadPtr(&m.Slot(cpu).Lock) == want {",
		"if cpu != c.ID() && c.LoadPtr(&m.Slot(cpu).Lock) == want {", inCode},
	{"… `for_each_online_cpu`", code2008, "mask := c.Load32(&online[i])",
		"mask := c.Load32(&online[i]) &^ 1", inCode},
	{"… `xen_send_IPI_one`", code2008, "\t\t\t\tc.Notify(cpu)\n",
		"\t\t\t\tparavirt.KickEvent(c, cpu)\n", inCode},
	{"… `break`", code2008, "\t\t\t\tc.Notify(cpu)\n\t\t\t\treturn\n", "\t\t\t\tc.Notify(cpu)\n",
		inCode},
	{"`xen_spin_unlock` ", code2008, "\tc.Store8(l.lock(), 0)\n", "\tc.Xchg8(l.lock(), 0)\n",
		inCode},
	{"… `smp_wmb`", code2008, "\tc.Store8(l.lock(), 0)\n", "\tc.Store16(l.word.Half(0), 0)\n",
		inCode},
	{"… `barrier()`", code2008, "\tc.Store8(l.lock(), 0)\n",
		"\tc.Store8(l.lock(), 0)\n\tc.Fence()\n", inCode},
	{"… `if (unlikely(spinners))`", code2008, "\tif c.Load16(l.spinners()) != 0 {\n",
		"\tif c.Load32(l.word.Whole()) > 0xffff {\n", inCode},
	{"… `kasprintf`", "paravirt/cpu.go", `"spinlock" + strconv`, `"lock" + strconv`,
		"TestUpBindsAndThenLetsOthersLook"},
	{"… `irq >= 0`", "paravirt/cpu.go", "\terr := c.Bind()\n",
		"\terr := c.Bind()\n\tif err != nil {\n\t\treturn err\n\t}\n", unboundTest},
	{"`xen_init_spinlocks`", names, `{"xen2008", Xen2008Raw}`, `{"xen2008", XenRaw}`, byName},
	{"`pv_lock_ops.spin_is_locked`", code2008, "methods[l]{(*l).IsLocked, (*l).IsContended,",
		"methods[l]{(*l).IsContended, (*l).IsLocked,", byName},
	{"`paravirt_use_bytelocks`", names, `{"byte", ByteRaw}`, `{"byte", TicketRaw}`, byName},

	// The text and the code of 2015.
	{"switch between", calls, "own = append(own, codeOf(q.SlowPath), ", "own = append(own, ",
		patching},
	{"the direct call becomes", calls, "\t\t\tc.Is = AStore\n", "\t\t\tc.Is = ACall\n", patching},
	{"`pv_queued_spin_unlock`", calls, "Op: codeOf(q.Unlock)}", "Op: codeOf(queuedVirtSlow)}",
		patching},
	{"`pv_wait`", doorgen, "\"queuedWait(c, \"", "\"c.Wait(\"", direct},
	{"`pv_kick`", doorgen, "\"queuedKick(c, \"", "\"c.Kick(\"", direct},
	{"`__ticket_lock_spinning`", calls, "Door: codeOf(ticketSpinning)", "Door: codeOf(ticketKick)",
		direct},
	{"`__ticket_unlock_kick`", calls, "Door: codeOf(ticketKick), Op: codeOf(t.Kick)",
		"Door: codeOf(ticketKick), Op: 0", direct},
	{"`wait(u8", "paravirt/wait.go", "case c.Load8(p) == v:", "default:", "TestWaitDoesNotSleep"},
	{"`kick(int", doorgen, "\"queuedKick(c, \"", "\"c.Kick(\"", honours},
	{"`queued_spin_unlock` renamed", "spinlock/qspin.go",
		"\tc.Store8(lockedByte(&l.word), unlocked)\n",
		"\tc.Store16(lockedPending(&l.word), unlocked)\n", "TestLetter/qspin"},
	{"… `smp_store_release`", "spinlock/qspin.go", "\tc.Store8(lockedByte(&l.word), unlocked)\n",
		"\tc.Xchg8(lockedByte(&l.word), unlocked)\n", "TestLetter/qspin"},
	{"`__pv_queued_spin_lock_slowpath`", code2015, "\t\tc.Xchg8(node.State(), halted)\n",
		"\t\tc.Store8(node.State(), halted)\n", "TestLetter/pvqspin2015"},
	{"`__pv_queued_spin_lock_slowpath`", code2015, "\tif c.Load8(node.State()) == halted {\n",
		"\tif true {\n", "TestLetter/pvqspin2015"},
	{"`__pv_queued_spin_lock_slowpath`", "spinlock/queue.go", "c.Xchg16(tailHalf(w), uint16(code))",
		"c.Xchg32(w.Whole(), code<<16|c.Load32(w.Whole())&0xffff) >> 16", "TestLetter/pvqspin2015"},
	{"`queued_spin_unlock` ", calls, "Door: codeOf((*Queued).Unlock)",
		"Door: codeOf((*Queued).lockSlow)", patching},
	{"`__native_queued_spin_unlock`", queued, "Unlock: queuedNativeUnlock, Wait: waitNothing",
		"Unlock: queuedPVUnlock, Wait: waitNothing", "TestDoors"},
	{"`pv_is_native_spin_unlock` ", queued, "== codeOf(queuedNativeUnlock)",
		"!= codeOf(queuedPVSlow)", "TestDoors"},
	{"`pv_lock_ops`, its first", "spinlock/door.go", "installed.Store(tablesOf(NativeOps()))",
		"installed.Store(tablesOf(PVOps()))", "TestDoors"},
	{"… `paravirt_nop`", calls, "codeOf(waitNothing), codeOf(kickNothing),", "", patching},
	{"… `#else`: `lock_spinning`", calls, "codeOf(ticketSpinNothing), codeOf(ticketKickNothing),",
		"", patching},
	{"… `PARAVIRT_PATCH", calls, "case c.Op == codeOf(queuedNativeUnlock) && unlockIsStore:",
		"case false:", patching},
	{"… if it is not native", calls, "case c.Op == codeOf(queuedNativeUnlock) && unlockIsStore:",
		"case unlockIsStore && i == 1:", patching},
	{"… `paravirt_patch_default`", "boot/patch.go", "\t\t\terr = r.patch.Call(s, c.Op)\n",
		"\t\t\tcontinue\n", direct},
}

// letters returns the rows that say letter: their first cells, and what they say fails otherwise.
func letters(t *testing.T) map[string]string {
	t.Helper()
	rows := map[string]string{}
	for _, cells := range rowsOf(read(t, "seeds.md")) {
		if cells[1] == "letter" {
			rows[cells[0]] = cells[3]
		}
	}
	return rows
}

var cellEnd = regexp.MustCompile(`[^\\]\|`)

// rowsOf returns the cells of the rows of a page's tables.
func rowsOf(page string) (rows [][]string) {
	for line := range strings.Lines(page) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "| ") {
			continue
		}
		var cells []string
		for rest := line[1:]; ; {
			end := cellEnd.FindStringIndex(rest)
			if end == nil {
				break
			}
			cells = append(cells, strings.TrimSpace(rest[:end[1]-1]))
			rest = rest[end[1]:]
		}
		rows = append(rows, cells)
	}
	return rows
}

func TestEachRowOfTheDocumentsHasItsWordAndEachLetterATestAndAMutant(t *testing.T) {
	tests := testNames(t)
	for _, cells := range rowsOf(read(t, "seeds.md")) {
		if len(cells) != 4 {
			t.Errorf("a row has %d cells: %v", len(cells), cells)
			continue
		}
		switch cells[1] {
		case "letter":
			if !slices.ContainsFunc(mutants, func(m mutant) bool {
				return strings.HasPrefix(cells[0]+" ", m.row) &&
					strings.Contains(cells[3], "`"+m.test+"`")
			}) {
				t.Errorf("no mutant of %s is caught by %s", cells[0], cells[3])
			}
		case "mended", "different", "none":
			if cells[3] != "" {
				t.Errorf("%s is %s, and has a test", cells[0], cells[1])
			}
		case "is":
		default:
			t.Errorf("%s has the word %q", cells[0], cells[1])
		}
		for i, quoted := range strings.Split(cells[3], "`") {
			name, _, _ := strings.Cut(quoted, "/")
			if i%2 == 1 && strings.HasPrefix(quoted, "Test") && !tests[name] {
				t.Errorf("%s names %s, which is not there", cells[0], quoted)
			}
		}
	}
	rows := letters(t)
	for _, m := range mutants {
		if n := strings.Count(read(t, root+"/"+m.file), m.old); n != 1 {
			t.Errorf("%s: %s has %q %d times", m.row, m.file, m.old, n)
		}
		found := 0
		for row, by := range rows {
			if strings.HasPrefix(row+" ", m.row) && strings.Contains(by, "`"+m.test+"`") {
				found++
			}
		}
		if found != 1 {
			t.Errorf("%s: %d letter rows begin so and name %s", m.row, found, m.test)
		}
	}
}

var testFunc = regexp.MustCompile(`(?m)^func (Test\w+)\(`)

// testNames returns the tests of the tree.
func testNames(t *testing.T) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(name, "_test.go") {
			return err
		}
		for _, m := range testFunc.FindAllStringSubmatch(read(t, name), -1) {
			names[m[1]] = true
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// packageOf returns the package of a test.
func packageOf(test string) string {
	name, _, _ := strings.Cut(test, "/")
	return map[string]string{
		"TestLetter": "./check", "TestLetterBudgets": "./check",
		"TestFastPathsAsMachineCode": "./spinlock", "TestDoors": "./spinlock",
		honours: "./spinlock", unboundTest: "./spinlock",
		"TestUpBindsAndThenLetsOthersLook": "./paravirt", "TestWaitDoesNotSleep": "./paravirt",
		byName: "./boot", patching: "./boot", direct: "./boot",
	}[name]
}

// TestMutants applies each mutant in a copy of the tree, and runs the test that must catch it:
// which passes without.
func TestMutants(t *testing.T) {
	if os.Getenv("PVLOCK_MUTANTS") == "" {
		t.Skip("half an hour: set PVLOCK_MUTANTS=1")
	}
	dir := t.TempDir()
	copyTree(t, root, dir)
	run := func(test string) (string, error) {
		var b strings.Builder
		for _, args := range [][]string{
			{"generate", "./internal/twin", "./spinlock"},
			{"test", "-count=1", "-timeout=2m",
				"-run=^" + strings.ReplaceAll(test, "/", "$/^") + "$", packageOf(test)},
		} {
			cmd := exec.Command("go", args...)
			cmd.Dir = dir
			out, err := cmd.CombinedOutput()
			b.Write(out)
			if err != nil {
				return b.String(), fmt.Errorf("go %v: %w", args, err)
			}
		}
		return b.String(), nil
	}
	sound := map[string]bool{}
	for i, m := range mutants {
		// By number, so that some can be asked for: -run 'Mutants/^1[0-9]_'.
		t.Run(fmt.Sprintf("%02d %s by %s", i, m.row, m.test), func(t *testing.T) {
			if !sound[m.test] {
				if out, err := run(m.test); err != nil {
					t.Fatalf("without a mutant: %v\n%s", err, out)
				}
				sound[m.test] = true
			}
			at := filepath.Join(dir, filepath.FromSlash(m.file))
			whole := read(t, at)
			write(t, at, strings.Replace(whole, m.old, m.new, 1))
			defer write(t, at, whole)
			out, err := run(m.test)
			name, _, _ := strings.Cut(m.test, "/")
			// A test may catch it by not coming to its end.
			if err == nil ||
				!strings.Contains(out, "--- FAIL: "+name) &&
					!strings.Contains(out, "running tests:\n\t\t"+name) {
				t.Errorf("not caught: %v\n%s", err, out)
			}
		})
	}
}
