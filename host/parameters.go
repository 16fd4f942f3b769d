package host

import (
	"io/fs"
	"strings"
)

// Parameters is what the kernel was started with, as far as locks and stolen time go.
type Parameters struct {
	// NoPVSpin says that the machine's owner wants no paravirtual locks: nopvspin, on Xen also
	// xen_nopvspin, on Hyper-V hv_nopvspin alone.
	NoPVSpin bool
	// NoPV says that the kernel doesn't ask the hypervisor for anything: nopv, on Xen also
	// xen_nopv. A guest that Xen paravirtualises can't but ask.
	NoPV bool
	// NoStealAcc says that stolen time is not counted: no-steal-acc.
	NoStealAcc bool
}

// parameters reads the command line.
func parameters(fsys fs.FS, h Hypervisor) (Parameters, error) {
	text, err := fs.ReadFile(fsys, "proc/cmdline")
	if err != nil {
		return Parameters{}, err
	}
	var p Parameters
	for name := range parameterNames(strings.TrimRight(string(text), "\x00")) {
		switch name {
		case "nopvspin":
			p.NoPVSpin = p.NoPVSpin || h.Name != "Hyper-V"
		case "xen_nopvspin":
			p.NoPVSpin = p.NoPVSpin || h.Name == "Xen"
		case "hv_nopvspin":
			p.NoPVSpin = p.NoPVSpin || h.Name == "Hyper-V"
		case "nopv":
			p.NoPV = true
		case "xen_nopv":
			p.NoPV = p.NoPV || h.Name == "Xen"
		case "no_steal_acc":
			p.NoStealAcc = true
		}
	}
	return p, nil
}

// parameterNames yields the names of a command line's parameters, with _ for -, which are the same
// to the kernel. It goes by the kernel's rules for early parameters: blanks separate, but not
// between quotes; a parameter may be quoted as a whole; what is before the first = is its name, and
// the value of a switch doesn't matter; what follows -- is init's.
func parameterNames(line string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for line = strings.TrimLeft(line, blanks); line != ""; line = strings.TrimLeft(line,
			blanks) {
			var word string
			word, line = nextParameter(line)
			name, _, valued := strings.Cut(word, "=")
			if !valued && name == "--" || !yield(strings.ReplaceAll(name, "-", "_")) {
				return
			}
		}
	}
}

// blanks are what the kernel takes for white space.
const blanks = " \t\n\v\f\r"

// nextParameter splits a line after its first parameter.
func nextParameter(line string) (word, rest string) {
	quoted := line[0] == '"'
	if quoted {
		line = line[1:]
	}
	inside, end := quoted, 0
	for ; end < len(line) && (inside || !strings.ContainsRune(blanks, rune(line[end]))); end++ {
		if line[end] == '"' {
			inside = !inside
		}
	}
	word, rest = line[:end], line[end:]
	if quoted {
		word = strings.TrimSuffix(word, `"`)
	}
	return word, rest
}
