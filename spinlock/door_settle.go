package spinlock

import (
	"bytes"
	"maps"
	"runtime"
)

// settle returns when no goroutine is in an unlock that looked at the tables before they changed.
//
// An unlocker that never came up on any machine reads the native operation, and may be stopped
// before its store, by the kernel or by Go, for as long as these like. A waiter that comes
// meanwhile by the new slow path, and sleeps, would be released by that store and never kicked. So
// no waiter comes before settle has returned: the first one seals the tables, and the
// caller holds the seal.
//
// A goroutine that has looked has a door's unlock, which is never inlined, on its stack. It
// is enough that each is seen without one once: whatever unlock it begins later looks at the
// new tables, and so does a goroutine that is made later.
func settle() {
	old := unlocking()
	for len(old) > 0 {
		runtime.Gosched()
		now := unlocking()
		maps.DeleteFunc(old, func(g string, _ bool) bool { return !now[g] })
	}
}

// unlocking returns the goroutines that are in a door's unlock, by the numbers that [runtime.Stack]
// gives them: "goroutine 7 [running]". These are never used again.
func unlocking() map[string]bool {
	// What the stack of a goroutine that is just coming from a system call is, the runtime doesn't
	// say.
	doors := [][]byte{[]byte("stack unavailable")}
	for _, door := range []uintptr{codeOf((*Queued).Unlock), codeOf((*Ticket).Unlock),
		codeOf((*Raw).Unlock)} {
		doors = append(doors, []byte("\n"+runtime.FuncForPC(door).Name()+"("))
	}
	in := map[string]bool{}
	for stack := range bytes.SplitSeq(stacks(), []byte("\n\n")) {
		for _, door := range doors {
			if bytes.Contains(stack, door) {
				number, _, _ := bytes.Cut(bytes.TrimPrefix(stack, []byte("goroutine ")),
					[]byte(" "))
				in[string(number)] = true
			}
		}
	}
	return in
}

// stacks returns the stacks of all goroutines, as they were at one time.
func stacks() []byte {
	for size := 64 << 10; ; size *= 2 {
		text := make([]byte, size)
		if n := runtime.Stack(text, true); n < size {
			return text[:n]
		}
	}
}
