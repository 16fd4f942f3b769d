//go:build linux && amd64

package main

import (
	"bytes"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"example.com/pvlock/bench"
	"example.com/pvlock/host"
	"example.com/pvlock/result"
	"example.com/pvlock/spinlock"
)

// The steps.
const (
	stepDoctor = "doctor"
	stepTests  = "tests of package xen"
	stepBench  = "bench"
)

// What the bench must show: these locks, at these overcommits.
var benchLocks = []string{"xen2008", "xen", "pvqspin2015", "pvqspin"}

const (
	benchOvercommit = "1,4"
	overcommitted   = 4
)

// verdict holds what dom0 says against what it should be.
type verdict struct {
	out     io.Writer
	verbose bool

	bad      []string
	boots    int
	doctors  int
	tests    int
	bench    *result.Bench
	benchfmt []byte
}

func (v *verdict) fail(format string, args ...any) {
	v.bad = append(v.bad, fmt.Sprintf(format, args...))
}

func (v *verdict) heard(m *message) {
	switch {
	case m.Boot != nil:
		v.boot(m.Boot)
	case m.Failed != "":
		v.fail("dom0 can't go on: %s", m.Failed)
	case m.Step != nil && m.Step.Name == stepDoctor:
		v.doctor(m.Step)
	case m.Step != nil && m.Step.Name == stepTests:
		v.testing(m.Step)
	case m.Step != nil && m.Step.Name == stepBench:
		v.benched(m.Step)
	}
}

var spinlockEvent = regexp.MustCompile(`cpu (\d+) spinlock event irq \d+`)

// boot holds our detection against the kernel's: it has chosen Xen's locks if it has bound an event
// channel for each of its CPUs.
func (v *verdict) boot(b *boot) {
	v.boots++
	fmt.Fprintln(v.out, "the kernel's log:")
	for _, line := range b.Kernel {
		fmt.Fprintln(v.out, "  ", line)
	}
	f := b.Facts
	fmt.Fprintf(v.out,
		"ours: hypervisor %v, emulated: %v\n      %s\n      %d CPUs, %s, kernel %s\n",
		f.Hypervisor, f.Emulated, b.Xen, f.NumCPUs, f.CPUModel, f.Kernel)
	events := make(map[string]bool)
	for _, line := range b.Kernel {
		if m := spinlockEvent.FindStringSubmatch(line); m != nil {
			events[m[1]] = true
		}
	}
	if len(events) != cpus {
		v.fail("the kernel bound event channels of locks for %d CPUs, not %d", len(events), cpus)
	}
	if h := f.Hypervisor.Or(host.Hypervisor{}); h.Name != "Xen" || h.Source != "cpuid" {
		v.fail("the kernel runs on Xen, and we say %v, not Xen by cpuid", f.Hypervisor)
	}
	if !f.Emulated {
		v.fail("the CPUs are emulated, and we don't say so")
	}
	if f.NumCPUs != cpus {
		v.fail("dom0 has %d CPUs, not %d", f.NumCPUs, cpus)
	}
	if b.Xen.Version == "" || b.Xen.Scheduler == "" || b.Xen.Unusable != "" {
		v.fail("not all is known of Xen: %s", b.Xen)
	}
}

// doctor shows what "pvlock doctor" says of Xen.
func (v *verdict) doctor(s *step) {
	v.doctors++
	fmt.Fprintf(v.out, "\n%s: exit %d\n\n%s", strings.Join(s.Command, " "), s.Exit, s.Output)
	if s.Exit != 0 || !bytes.Contains(s.Output, []byte("event channels are usable")) {
		v.fail("pvlock doctor doesn't say that event channels are usable (exit status %d)", s.Exit)
	}
}

// expectedSkip is the one test that needs a place without Xen.
const expectedSkip = "TestWithoutXenItSaysSoInOneLine"

var testResult = regexp.MustCompile(`(?m)^( *)--- (PASS|FAIL|SKIP): (\S+) \((\S+)\)$`)

func (v *verdict) testing(s *step) {
	text := string(s.Output)
	fmt.Fprintf(v.out, "\n%s: exit %d, %.1f s\n", s.Name, s.Exit, s.Seconds)
	if v.verbose || s.Exit != 0 {
		fmt.Fprint(v.out, text)
	}
	for _, m := range testResult.FindAllStringSubmatch(text, -1) {
		outcome, name := m[2], m[3]
		if !v.verbose {
			fmt.Fprintf(v.out, "  %s%s %s (%s)\n", m[1], outcome, name, m[4])
		}
		switch {
		case outcome == "PASS":
			v.tests++
		case outcome == "FAIL":
			v.fail("%s failed", name)
		case name != expectedSkip:
			v.fail("%s was skipped", name)
		}
	}
	for _, line := range strings.Split(text, "\n") {
		if i := strings.Index(line, "killed "); i >= 0 {
			fmt.Fprintln(v.out, " ", line[i:])
		}
	}
	if s.Exit != 0 {
		v.fail("the tests ended with exit status %d", s.Exit)
	}
}

func (v *verdict) benched(s *step) {
	fmt.Fprintf(v.out, "\n%s: exit %d, %.1f s\n\n%s", strings.Join(s.Command, " "), s.Exit,
		s.Seconds, s.Output)
	if s.Exit != 0 {
		v.fail("the bench ended with exit status %d", s.Exit)
	}
	b, err := result.ReadBench(bytes.NewReader(s.Files["bench.json"]))
	if err != nil {
		v.fail("the result of the bench: %v", err)
		return
	}
	v.bench, v.benchfmt = b, s.Files["bench.txt"]
	if b.Host.Hypervisor != "Xen" || !b.Host.Emulated {
		v.fail("the result is of %s, emulated: %v; not of an emulated Xen", b.Host.Hypervisor,
			b.Host.Emulated)
	}
	v.runs(b)
}

// runs checks the runs, and writes what the channels did.
func (v *verdict) runs(b *result.Bench) {
	fmt.Fprintf(v.out, "\nwhat must hold, at overcommit %d:\n", overcommitted)
	for _, lock := range benchLocks {
		var total, kicks, wakeups, blocked, lost, violations uint64
		for i := range b.Runs {
			r := &b.Runs[i]
			if r.Lock != lock || r.Machine != bench.OnXen || r.VCPUs != overcommitted*cpus ||
				r.Interrupted || r.TimedOut {
				continue
			}
			total += r.AcquisitionsTotal
			blocked += r.Blocked
			kicks += r.Counters["event_kick"]
			wakeups += r.Counters["event_wakeup"]
			lost += r.LostWakeups
			violations += r.Violations
		}
		fmt.Fprintf(v.out,
			"  %-12s %s acquisitions, %d violations, %d slow, %d events sent, %d waits ended "+
				"pending, %d lost wake-ups\n",
			lock, strconv.FormatUint(total, 10), violations, blocked, kicks, wakeups, lost)
		switch {
		case total == 0:
			v.fail("%s was not measured at overcommit %d", lock, overcommitted)
		case violations > 0:
			v.fail("%s did not exclude, %d times", lock, violations)
		case lost > 0 && !losesWakeups(lock):
			v.fail("%s lost %d wake-ups", lock, lost)
		case kicks == 0 || wakeups == 0:
			v.fail("%s sent %d events and was woken by %d: the channels were not used", lock, kicks,
				wakeups)
		}
	}
}

// losesWakeups says whether a lock is kept with a fault that loses some.
func losesWakeups(lock string) bool {
	return slices.ContainsFunc(spinlock.Kinds(), func(k spinlock.Kind) bool {
		return k.Name == lock && k.LosesWakeups
	})
}

// end returns what is not as it should be.
func (v *verdict) end() []string {
	if v.boots != 1 {
		v.fail("dom0 did not say what it has found beneath itself")
	}
	if v.doctors != 1 {
		v.fail("pvlock doctor was not asked")
	}
	if v.tests == 0 {
		v.fail("no test passed")
	}
	if v.bench == nil {
		v.fail("nothing was measured")
	}
	return v.bad
}
