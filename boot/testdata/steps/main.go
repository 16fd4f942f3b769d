//go:build linux

// Command steps boots, and takes and releases a lock, as it is told on its standard input, a step a line. A
// debugger, an emulator or a probe comes in between. It says what came of each step in a line.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"strings"

	"example.com/pvlock/boot"
	"example.com/pvlock/internal/anontext"
	"example.com/pvlock/paravirt"
	"example.com/pvlock/spinlock"
	"example.com/pvlock/textpatch"
)

var lock spinlock.Queued

// pair is the function whose call of Unlock is looked at.
//
//go:noinline
func pair(c *paravirt.CPU) {
	lock.Lock(c)
	lock.Unlock(c)
}

// A probe is of one thread.
func init() { runtime.LockOSThread() }

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func main() {
	m, err := paravirt.New(paravirt.Config{CPUs: 1, Channel: paravirt.ChannelOps{Poll: func(*paravirt.CPU) {}}})
	must(err)
	c := m.CPU(0)
	site := unlockIn(pair)
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		switch in.Text() {
		case "boot":
			r, err := boot.Boot(boot.Config{})
			must(err)
			json.NewEncoder(os.Stdout).Encode(r.Report().Patch)
		case "run":
			for range 1000 {
				pair(c)
			}
			fmt.Println("held:", lock.IsLocked(c))
		case "exercise":
			must(boot.Exercise(300))
			fmt.Println("excluded")
		case "site":
			fmt.Printf("%#x %d\n", site, fileOffset(site))
		case "code":
			lines, err := textpatch.Disassemble(site, 1)
			must(err)
			fmt.Printf("% x\n", lines[0].Code)
		case "move":
			must(anontext.Move(false))
			fmt.Println("moved")
		case "move half":
			must(anontext.Move(true))
			fmt.Println("moved")
		default:
			must(fmt.Errorf("no step %q", in.Text()))
		}
	}
}

// unlockIn returns where a function calls Unlock: found as long as nothing is moved or patched.
func unlockIn(f func(*paravirt.CPU)) uintptr {
	sites, unsure, err := textpatch.Calls(textpatch.Entry((*spinlock.Queued).Unlock))
	if err != nil {
		return 0
	}
	for _, s := range append(sites, unsure...) {
		if runtime.FuncForPC(s.Addr).Entry() == textpatch.Entry(f) {
			return s.Addr
		}
	}
	return 0
}

// fileOffset returns where in the program's file an address is.
func fileOffset(addr uintptr) uintptr {
	maps, err := os.ReadFile("/proc/self/maps")
	must(err)
	for line := range strings.Lines(string(maps)) {
		var start, end, offset uintptr
		var perms string
		_, err := fmt.Sscanf(line, "%x-%x %s %x", &start, &end, &perms, &offset)
		must(err)
		if start <= addr && addr < end {
			return addr - start + offset
		}
	}
	return 0
}
