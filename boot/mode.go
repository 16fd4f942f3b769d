package boot

import (
	"fmt"
	"os"
	"strings"
)

// Mode is what locks are to be, or are.
type Mode uint8

const (
	// Unset leaves it to the environment, and that to Auto.
	Unset Mode = iota
	// Auto decides by the facts.
	Auto
	// Native is for CPUs that are not taken away: waiters spin in a queue.
	Native
	// Paravirtual waiters spin for a while, then sleep, and are kicked.
	Paravirtual
	// TestAndSet is native with no queue: what is left where CPUs are taken away and nothing
	// can be done about it.
	TestAndSet
)

var modes = []struct {
	mode Mode
	name string
}{{Auto, "auto"}, {Native, "native"}, {Paravirtual, "pv"}, {TestAndSet, "tas"}}

func (m Mode) String() string {
	for _, x := range modes {
		if x.mode == m {
			return x.name
		}
	}
	return "unset"
}

// MarshalText returns the mode's name.
func (m Mode) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText takes one.
func (m *Mode) UnmarshalText(name []byte) (err error) {
	*m, err = ParseMode(string(name))
	return err
}

// ParseMode returns the mode of a name: auto, native, pv or tas.
func ParseMode(name string) (Mode, error) {
	var names []string
	for _, x := range modes {
		if x.name == name {
			return x.mode, nil
		}
		names = append(names, x.name)
	}
	return Unset, fmt.Errorf("%q is no mode: want %s", name, strings.Join(names, ", "))
}

// Patching says whether the program's text is to be patched.
type Patching uint8

const (
	// PatchUnset leaves it to the environment, and that to PatchOff.
	PatchUnset Patching = iota
	PatchOff
	// PatchOn is for speed: a native unlock becomes a store. A kernel's probe (perf probe,
	// bpftrace) that is attached to the very instruction, and detached, breaks the program.
	PatchOn
	// PatchCalls leaves an unlock a call: one that goes straight to the operation. Probes may come
	// and go anywhere.
	PatchCalls
)

// The environment's variables: PVLOCK is the name of a mode, PVLOCK_PATCH 0, 1 or calls. An empty
// one is as none.
const (
	EnvMode  = "PVLOCK"
	EnvPatch = "PVLOCK_PATCH"
)

// Environment returns what the environment asks for. An error is one line that says what is
// allowed.
func Environment() (Config, error) {
	var c Config
	if name := os.Getenv(EnvMode); name != "" {
		var err error
		if c.Mode, err = ParseMode(name); err != nil {
			return Config{}, fmt.Errorf("%s=%w", EnvMode, err)
		}
	}
	switch text := os.Getenv(EnvPatch); text {
	case "":
	case "0":
		c.Patch = PatchOff
	case "1":
		c.Patch = PatchOn
	case "calls":
		c.Patch = PatchCalls
	default:
		return Config{}, fmt.Errorf("%s=%q: want 0, 1 or calls", EnvPatch, text)
	}
	return c, nil
}
