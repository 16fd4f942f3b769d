package bench

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"example.com/pvlock/paravirt"
	"example.com/pvlock/rig"
)

// The machines that locks are measured on.
const (
	OnThreads    = rig.Threads
	OnGoroutines = rig.Goroutines
	OnKVM        = rig.KVM
	OnXen        = rig.Xen
)

// Machines returns the names of the machines.
func Machines() []string { return rig.Machines() }

// Probe reports why there can be no such machine here, or nil.
func Probe(on string) error { return rig.Probe(on) }

// Config says what to measure.
type Config struct {
	// Locks are names of the catalogue or of peers; none means all.
	Locks []string
	// On is the machine.
	On string
	// HostCPUs are the CPUs that the vCPUs share.
	HostCPUs []int
	// Overcommit lists the numbers of vCPUs, each as a multiple of len(HostCPUs), at least 1.
	Overcommit []float64
	// Neighbours is the number of vCPUs of another virtual machine that computes on the same CPUs
	// all the time; 0 is none.
	Neighbours int
	// Critical is the length of the critical section, Think the mean time between two.
	Critical, Think time.Duration
	// Duration is how long each lock is measured, in each round, at each overcommit.
	Duration time.Duration
	// Rounds is how often. In each round all locks have a turn, so that a drift of the
	// machine hits all alike.
	Rounds int
	// Tune, if not nil, changes the parameters of each lock of the catalogue.
	Tune func(*paravirt.Tunables)
	// Seed makes the variation of the times between critical sections repeatable.
	Seed uint64
	// DrainLimit is how long a cell may take to come to its end after Duration, before it
	// is given up.
	DrainLimit time.Duration

	around func(cpus []int) *surroundings // lookAround, but in tests
}

// Bounds of what can be asked for.
const (
	maxSection  = time.Second
	maxDuration = time.Hour
	maxRounds   = 10000

	maxNeighbours = 256
)

// Check returns an error if something can't be measured: it says what is wrong and what is allowed.
func (cfg *Config) Check() error {
	if err := cfg.checkNumbers(); err != nil {
		return err
	}
	_, err := cfg.selected()
	return err
}

func (cfg *Config) checkNumbers() error {
	if err := Probe(cfg.On); err != nil {
		return err
	}
	if cfg.Neighbours < 0 || cfg.Neighbours > maxNeighbours {
		return fmt.Errorf("%d neighbours: want 0 to %d", cfg.Neighbours, maxNeighbours)
	}
	if cfg.Neighbours > 0 {
		if err := Probe(OnKVM); err != nil {
			return fmt.Errorf("neighbours: %w", err)
		}
	}
	if err := rig.CheckOvercommit(len(cfg.HostCPUs), cfg.Overcommit); err != nil {
		return err
	}
	for i, o := range cfg.Overcommit {
		for _, other := range cfg.Overcommit[:i] {
			if n := cfg.vcpus(o); n == cfg.vcpus(other) {
				return fmt.Errorf("overcommit %v and %v of %d CPUs are both %d vCPUs: want one "+
					"of the two", other, o, len(cfg.HostCPUs), n)
			}
		}
	}
	for _, d := range []struct {
		what     string
		is       time.Duration
		from, to time.Duration
	}{
		{"critical section", cfg.Critical, 0, maxSection},
		{"time between critical sections", cfg.Think, 0, maxSection},
		{"duration", cfg.Duration, time.Millisecond, maxDuration},
	} {
		if d.is < d.from || d.is > d.to {
			return fmt.Errorf("%s of %v: want %v to %v", d.what, d.is, d.from, d.to)
		}
	}
	if cfg.Rounds < 1 || cfg.Rounds > maxRounds {
		return fmt.Errorf("%d rounds: want 1 to %d", cfg.Rounds, maxRounds)
	}
	return nil
}

// vcpus returns the number of vCPUs at an overcommit.
func (cfg *Config) vcpus(overcommit float64) int {
	return int(math.Round(overcommit * float64(len(cfg.HostCPUs))))
}

// selected returns the contenders that are asked for.
func (cfg *Config) selected() ([]contender, error) {
	all := contenders(cfg.On)
	if len(cfg.Locks) == 0 {
		return all, nil
	}
	var chosen []contender
	for _, name := range cfg.Locks {
		i := slices.IndexFunc(all, func(c contender) bool { return c.kind.Name == name })
		if i < 0 {
			return nil, fmt.Errorf("unknown lock %q on %s: want one of %s", name, cfg.On,
				strings.Join(Locks(cfg.On), ", "))
		}
		most := slices.Max(cfg.Overcommit)
		if n := cfg.vcpus(most); n > all[i].kind.MaxCPUs {
			return nil, fmt.Errorf("lock %s is for at most %d vCPUs, not the %d of overcommit %v",
				name, all[i].kind.MaxCPUs, n, most)
		}
		if slices.ContainsFunc(chosen, func(c contender) bool { return c.kind.Name == name }) {
			return nil, fmt.Errorf("lock %s is given twice: its rounds would count double", name)
		}
		chosen = append(chosen, all[i])
	}
	return chosen, nil
}

// Locks returns the names of the locks that can be measured on a machine.
func Locks(on string) []string {
	var names []string
	for _, c := range contenders(on) {
		names = append(names, c.kind.Name)
	}
	return names
}
