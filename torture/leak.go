package torture

import (
	"fmt"
	"os"
	"runtime"
	"time"

	"example.com/pvlock/internal/arch"
	"example.com/pvlock/paravirt"
)

// holdings is what a process has that can leak; -1 where it isn't known.
type holdings struct{ goroutines, threads, files int }

func hold() holdings {
	h := holdings{goroutines: runtime.NumGoroutine(), threads: -1, files: -1}
	if all, _ := threads(); all != nil {
		h.threads = len(all)
	}
	if dir, err := os.ReadDir("/proc/self/fd"); err == nil {
		h.files = len(dir)
	}
	return h
}

// leaked compares what is held with what was, and gives what is on its way out the time to go.
// Threads are kept by Go's runtime, which uses them again: they may be as many as have run at once.
func leaked(before holdings, threads int) (bad []string) {
	for patience := 0; ; patience++ {
		now := hold()
		bad = bad[:0]
		if now.goroutines > before.goroutines {
			bad = append(bad,
				fmt.Sprintf("%d goroutines, %d before", now.goroutines, before.goroutines))
		}
		if before.files >= 0 && now.files > before.files {
			bad = append(bad, fmt.Sprintf("%d open files, %d before", now.files, before.files))
		}
		if now.threads > threads {
			bad = append(bad,
				fmt.Sprintf("%d threads, at most %d have run at once", now.threads, threads))
		}
		if len(bad) == 0 || patience == 100 {
			return bad
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// leftovers says what locks that nobody holds or awaits have left behind in their machine.
func leftovers(m *paravirt.Machine, l *lock, words []*arch.Word) (bad []string) {
	c := m.CPU(0)
	for i, w := range words {
		if l.kind.IsLocked(w, c) || l.kind.IsContended(w, c) {
			bad = append(bad,
				fmt.Sprintf("lock %d says that it is held or waited for: %#x", i,
					c.Load32(w.Whole())))
		}
	}
	for i := range m.Hash() {
		if c.LoadPtr(&m.Hash()[i].Lock) != 0 {
			bad = append(bad, fmt.Sprintf("entry %d of the table of waiting nodes is in use", i))
		}
	}
	for i := range m.Waiting() {
		if mask := c.Load32(&m.Waiting()[i]); mask != 0 {
			bad = append(bad, fmt.Sprintf("CPUs %#x from %d on say that they wait", mask, i*32))
		}
	}
	for i := range m.CPUs() {
		cpu := m.CPU(i)
		if c.LoadPtr(&cpu.Slot().Lock) != 0 {
			bad = append(bad, fmt.Sprintf("CPU %d says that it waits", i))
		}
		// The first node that is free is number 0 of 4, or some are in use.
		if code, ok := cpu.TakeNode(); !ok || code&(paravirt.Contexts-1) != 0 {
			bad = append(bad, fmt.Sprintf("CPU %d has queue nodes in use", i))
		}
		cpu.DropNode()
		if cpu.EnterWait() {
			bad = append(bad, fmt.Sprintf("CPU %d has a wait under way", i))
		}
		cpu.ExitWait()
	}
	return bad
}
