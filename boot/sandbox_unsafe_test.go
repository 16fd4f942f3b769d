//go:build linux && amd64 && !purego

package boot

import (
	"errors"
	"runtime"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"example.com/pvlock/spinlock"
	"example.com/pvlock/textpatch"
)

// A refusal is a system call that a sandbox refuses, if certain arguments are so.
type refusal struct {
	call  uint32
	where []argument
	errno unix.Errno
}

// An argument's lower 32 bits, masked, are a value, or, negated, are not.
type argument struct {
	n           int
	mask, value uint32
	not         bool
}

const all = 1<<32 - 1

// enter puts the process into a sandbox for the rest of its life.
func enter(t *testing.T, refusals []refusal) {
	t.Helper()
	const (
		load, and = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, unix.BPF_ALU | unix.BPF_AND |
			unix.BPF_K
		equal, ret = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, unix.BPF_RET | unix.BPF_K
		argsAt     = 16 // in struct seccomp_data
	)
	var program []unix.SockFilter
	for _, r := range refusals {
		tests := append([]argument{{n: -1, mask: all, value: r.call}}, r.where...)
		for i, a := range tests {
			at := uint32(0) // the call's number
			if a.n >= 0 {
				at = argsAt + 8*uint32(a.n)
			}
			left := uint8(3*(len(tests)-i-1) + 1) // to the next refusal
			jump := unix.SockFilter{Code: equal, K: a.value, Jf: left}
			if a.not {
				jump.Jt, jump.Jf = left, 0
			}
			program = append(program, unix.SockFilter{Code: load, K: at},
				unix.SockFilter{Code: and, K: a.mask}, jump)
		}
		program = append(program,
			unix.SockFilter{Code: ret, K: unix.SECCOMP_RET_ERRNO | uint32(r.errno)})
	}
	program = append(program, unix.SockFilter{Code: ret, K: unix.SECCOMP_RET_ALLOW})
	prog := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER,
		unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&prog)))
	runtime.KeepAlive(program)
	if errno != 0 {
		t.Skipf("SKIPPED: no seccomp here: %v", errno)
	}
}

// TestInASandboxThatRefusesACallTheLocksWork refuses each system call that patching makes, some of
// them in the midst of it.
func TestInASandboxThatRefusesACallTheLocksWork(t *testing.T) {
	const syncCore, register = 1 << 5, 1 << 6
	quiet := []textpatch.When{textpatch.Quiet}
	for _, c := range []struct {
		name    string
		refused func(site uint32) refusal
		ways    []textpatch.When
		why     []string // not patched, because
		touched bool
		notLive string // patched, but not live, because
	}{
		{name: "nothing", refused: func(uint32) refusal {
			return refusal{call: unix.SYS_MEMBARRIER, where: []argument{{0, all, 12345, false}}}
		}},
		{name: "making memory executable",
			refused: func(uint32) refusal {
				return refusal{unix.SYS_MPROTECT,
					[]argument{{2, unix.PROT_EXEC, unix.PROT_EXEC, false}}, unix.EACCES}
			}},
		{name: "mapping executable memory",
			refused: func(uint32) refusal {
				return refusal{unix.SYS_MMAP,
					[]argument{{2, unix.PROT_EXEC, unix.PROT_EXEC, false}}, unix.EACCES}
			}},
		{name: "making memory writable",
			refused: func(uint32) refusal {
				return refusal{unix.SYS_MPROTECT,
					[]argument{{2, unix.PROT_WRITE, unix.PROT_WRITE, false}}, unix.EACCES}
			}},
		{name: "membarrier", why: []string{"SYNC_CORE", "not implemented"},
			refused: func(uint32) refusal {
				return refusal{call: unix.SYS_MEMBARRIER, errno: unix.ENOSYS}
			}},
		{name: "the registration for membarrier", why: []string{"SYNC_CORE", "not permitted"},
			refused: func(uint32) refusal {
				return refusal{unix.SYS_MEMBARRIER, []argument{{0, all, register, false}},
					unix.EPERM}
			}},
		{name: "membarrier, but not the registration", why: []string{"SYNC_CORE", "not permitted"},
			refused: func(uint32) refusal {
				return refusal{unix.SYS_MEMBARRIER, []argument{{0, all, syncCore, false}},
					unix.EPERM}
			}},
		{name: "writing text, as a kernel does that lets nobody",
			why: []string{"writing", "input/output error"},
			refused: func(uint32) refusal {
				return refusal{call: unix.SYS_PWRITE64, errno: unix.EIO}
			}},
		{name: "opening for writing", why: []string{"can't be written", "permission denied"},
			refused: func(uint32) refusal {
				return refusal{unix.SYS_OPENAT, []argument{{2, unix.O_ACCMODE, unix.O_RDWR, false}},
					unix.EACCES}
			}},
		{name: "reading text", why: []string{"reading", "not permitted"},
			refused: func(uint32) refusal {
				return refusal{call: unix.SYS_PREAD64, errno: unix.EPERM}
			}},
		{name: "a handler for SIGTRAP", notLive: "SIGTRAP",
			refused: func(uint32) refusal {
				return refusal{unix.SYS_RT_SIGACTION,
					[]argument{{0, all, uint32(unix.SIGTRAP), false}, {1, all, 0, true}},
					unix.EPERM}
			}},
		{name: "live, one call's first byte", why: []string{"live", "input/output error"},
			touched: true,
			refused: func(site uint32) refusal {
				return refusal{unix.SYS_PWRITE64, []argument{{3, all, site, false}}, unix.EIO}
			}},
		{name: "live, one call's other bytes", why: []string{"live", "input/output error"},
			touched: true,
			refused: func(site uint32) refusal {
				return refusal{unix.SYS_PWRITE64, []argument{{3, all, site + 1, false}}, unix.EIO}
			}},
		{name: "quietly, one call", why: []string{"writing", "input/output error"}, touched: true,
			ways: quiet,
			refused: func(site uint32) refusal {
				return refusal{unix.SYS_PWRITE64, []argument{{3, all, site, false}}, unix.EIO}
			}},
	} {
		for _, mode := range []Mode{Native, Paravirtual} {
			t.Run(c.name+", "+mode.String(), func(t *testing.T) {
				if !inChild(t) {
					mustPass(t)
					return
				}
				if c.ways != nil {
					ways = c.ways
				}
				sites, _, err := textpatch.Calls(textpatch.Entry((*spinlock.Queued).Unlock))
				if err != nil || len(sites) < 2 {
					t.Fatalf("%v, %v", sites, err)
				}
				enter(t, []refusal{c.refused(uint32(sites[1].Addr))})
				r, err := Boot(Config{Mode: mode, Patch: PatchOn})
				if err != nil {
					t.Fatal(err)
				}
				checkPatch(t, r.Patch, c.why, c.notLive)
				// Calls that were patched for a moment passed the seal by: no other tables any
				// more.
				other := map[Mode]Mode{Native: Paravirtual, Paravirtual: Native}[mode]
				_, err = Boot(Config{Mode: other, Patch: PatchOff})
				if fixed := errors.Is(err,
					spinlock.ErrPatched); fixed != (c.touched || r.Patch.Done) {
					t.Errorf("other tables afterwards: %v", err)
				}
				contend(t)
			})
		}
	}
}

func checkPatch(t *testing.T, p PatchResult, why []string, notLive string) {
	t.Helper()
	_, patched, _ := p.Sites()
	if p.Done != (why == nil) || (patched > 0) != p.Done ||
		strings.Contains(p.Why+p.NotLive, "\n") {
		t.Errorf("patched %d, %v: %q", patched, p.Done, p.Why)
	}
	for _, w := range why {
		if !strings.Contains(p.Why, w) {
			t.Errorf("no %q in %q", w, p.Why)
		}
	}
	if (p.NotLive != "") != (notLive != "") || !strings.Contains(p.NotLive, notLive) {
		t.Errorf("not live: %q, want %q", p.NotLive, notLive)
	}
}
