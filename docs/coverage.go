package docs

import (
	"fmt"
	"slices"
	"strings"

	"example.com/pvlock/bench"
	"example.com/pvlock/check"
	"example.com/pvlock/sim"
	"example.com/pvlock/spinlock"
	"example.com/pvlock/torture"
)

// The marks between which the table of why.md stands.
const (
	coverageBegins = "<!-- locks -->\n"
	coverageEnds   = "<!-- end -->"
)

// WithCoverage returns why.md with its table of what runs where, as the code has it now.
func WithCoverage(page string) (string, error) {
	head, rest, begins := strings.Cut(page, coverageBegins)
	_, tail, ends := strings.Cut(rest, coverageEnds)
	if !begins || !ends {
		return "", fmt.Errorf("why.md has no %q with %q below", coverageBegins, coverageEnds)
	}
	return head + coverageBegins + coverage() + coverageEnds + tail, nil
}

// coverage is the table: the catalogue, and the peers that are measured beside it.
func coverage() string {
	var out strings.Builder
	machines := bench.Machines()
	fmt.Fprintf(&out, "| lock | vCPUs | %s | simulated | tortured | explored |\n",
		strings.Join(machines, " | "))
	fmt.Fprintf(&out, "|---|---:|%s---|---|---|\n", strings.Repeat("---|", len(machines)))
	most := map[string]int{}
	var names []string
	for _, kind := range spinlock.Kinds() {
		names, most[kind.Name] = append(names, kind.Name), kind.MaxCPUs
	}
	for _, on := range machines {
		for _, name := range bench.Locks(on) {
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	names = append(names, "mutex", "spinlock") // what programs import
	for _, name := range names {
		fmt.Fprintf(&out, "| `%s` | ", name)
		if n := most[name]; n > 0 {
			fmt.Fprint(&out, n)
		}
		for _, on := range machines {
			fmt.Fprintf(&out, " | %s", isIn(bench.Locks(on), name))
		}
		fmt.Fprintf(&out, " | %s | %s | %s |\n", isIn(sim.Locks(), name),
			isIn(torture.Locks(), name), isIn(check.Locks(), name))
	}
	return out.String()
}

func isIn(names []string, name string) string {
	if slices.Contains(names, name) {
		return "yes"
	}
	return "–"
}
