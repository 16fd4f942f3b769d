package boot

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"example.com/pvlock/spinlock"
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
	for _, x := range modes {
		if x.name == name {
			return x.mode, nil
		}
	}
	return Unset, fmt.Errorf("%q is no mode: want %s", name, strings.Join(modeNames(), ", "))
}

func modeNames() (names []string) {
	for _, x := range modes {
		names = append(names, x.name)
	}
	return names
}

// Words returns what [Parse] takes: the modes, and the tables that go before a mode's.
func Words() []string { return append(modeNames(), tableNames()...) }

// tableNames leaves the native table of Queued out: the mode of that name installs it.
func tableNames() []string {
	names := spinlock.RawTables()
	for _, name := range spinlock.QueuedTables() {
		if _, err := ParseMode(name); err != nil {
			names = append(names, name)
		}
	}
	return names
}

// Parse returns the configuration that a list asks for: words with commas between, a mode at most,
// and a table for each of the doors at most, as in "native,xen2008". An error is one line that says
// what is allowed.
func Parse(list string) (c Config, err error) {
	for word := range strings.SplitSeq(list, ",") {
		place, door := &c.Raw, "Raw"
		if m, err := ParseMode(word); err == nil {
			if c.Mode != Unset {
				return Config{}, fmt.Errorf("%q has two modes: want one", list)
			}
			c.Mode = m
			continue
		} else if slices.Contains(spinlock.QueuedTables(), word) {
			place, door = &c.Queued, "Queued"
		} else if !slices.Contains(spinlock.RawTables(), word) {
			return Config{}, fmt.Errorf("%q is neither a mode nor a table: want %s or %s",
				word, strings.Join(modeNames(), ", "), strings.Join(tableNames(), ", "))
		}
		if *place != "" {
			return Config{}, fmt.Errorf("%q has two tables of %s: want one", list, door)
		}
		*place = word
	}
	return c, nil
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

// The environment's variables: PVLOCK is what [Parse] takes, PVLOCK_PATCH is 0, 1 or calls. An
// empty one is as none.
const (
	EnvMode  = "PVLOCK"
	EnvPatch = "PVLOCK_PATCH"
)

// Environment returns what the environment asks for. An error is one line that says what is
// allowed.
func Environment() (Config, error) {
	var c Config
	if list := os.Getenv(EnvMode); list != "" {
		var err error
		if c, err = Parse(list); err != nil {
			return Config{}, fmt.Errorf("%s: %w", EnvMode, err)
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
