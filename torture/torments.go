package torture

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"time"

	"example.com/pvlock/internal/arch"
	"example.com/pvlock/internal/gomaxprocs"
	"example.com/pvlock/paravirt"
	"example.com/pvlock/rig"
)

// A torment is one of the things that go on around a lock. The vCPUs do some of it themselves,
// while its knob is on; some is done to them from outside, by around; the others are done when a
// machine is made.
type torment struct {
	name, about string
	knob        uint32
	often       bool // the knob is off in one of four spells, not on
	around      func(ctx context.Context, s *scene)
	// missing says why it can't be had, for a lock on a machine; nil if it always can.
	missing func(cfg *Config, l *lock, on string) error
}

// scene is what a torment from outside has to do with.
type scene struct {
	cfg  *Config
	pv   *paravirt.Machine
	rand *rand.Rand
}

// The torments that are done when a machine is made.
const (
	budgets = "budgets"
	remake  = "remake"
)

func torments() []torment {
	return []torment{
		{name: "many-locks", about: "several locks, not one", knob: knobMany},
		{name: "long-holds", about: "some are held for 3 µs, a few for 200 µs", knob: knobLong},
		{name: "trylock", about: "TryLock mixed in", knob: knobTry},
		{name: "nested", about: "several locks held at once, taken in order", knob: knobNested},
		{name: "reuse",
			about: "a lock's memory is used for something else right after the last release",
			knob:  knobReuse, missing: reusable},
		{name: "come-and-go", about: "vCPUs go down, use locks without an event channel, come up",
			knob: knobComeAndGo},
		{name: "cancel", about: "LockContext that gives up", knob: knobCancel,
			missing: cancellable},
		{name: "yield", about: "holders let others run", knob: knobYield, often: true,
			missing: yielding},
		{name: "spurious-wakes", about: "sleeps end for no reason, and CPUs are kicked for none",
			knob: knobSpurious, around: kick, missing: hasChannel},
		{name: "delayed-kicks", about: "notifications are late", knob: knobDelay,
			missing: hasChannel},
		{name: budgets, about: "spin budgets from 0 up, another for each machine",
			missing: hasBudget},
		{name: remake, about: "the machine ends and another is made, about every second"},
		{name: "affinity", about: "threads move from CPU to CPU", around: moveThreads,
			missing: movable},
		{name: "gomaxprocs", about: "GOMAXPROCS changes", around: changeProcs},
		{name: "gc", about: "the collector runs all the time", around: collect},
		{name: "signals", about: "signals to threads", around: signalThreads, missing: linuxOnly},
		{name: "stop", about: "the whole process is stopped and continued", around: stopSelf,
			missing: continued},
		{name: "hogs", about: "other processes compute on the same CPUs", around: hog,
			missing: hasHog},
	}
}

// Torments returns the names of all torments.
func Torments() []string {
	var names []string
	for _, t := range torments() {
		names = append(names, t.name)
	}
	return names
}

// AboutTorments returns a line about each.
func AboutTorments() string {
	var out strings.Builder
	for _, t := range torments() {
		fmt.Fprintf(&out, "  %-14s  %s\n", t.name, t.about)
	}
	return strings.TrimSuffix(out.String(), "\n")
}

func reusable(_ *Config, l *lock, _ string) error {
	if l.keeps {
		return errors.New("its memory is the collector's")
	}
	return nil
}

func cancellable(_ *Config, l *lock, _ string) error {
	if l.give == nil {
		return errors.New("it can't give up")
	}
	return nil
}

func yielding(_ *Config, l *lock, _ string) error {
	if l.yield == nil {
		return errors.New("its holder must not")
	}
	return nil
}

// hasChannel: what a program imports sleeps by itself.
func hasChannel(_ *Config, l *lock, _ string) error {
	if l.imported() || !l.kind.Sleeps && l.control == "" {
		return errors.New("it doesn't sleep on an event channel")
	}
	return nil
}

func hasBudget(_ *Config, l *lock, _ string) error {
	if l.kind.Tunables.Spin == 0 {
		return errors.New("it has no spin budget")
	}
	return nil
}

func linuxOnly(*Config, *lock, string) error {
	if runtime.GOOS != "linux" {
		return errors.New("threads have no numbers on " + runtime.GOOS)
	}
	return nil
}

// movable: a sandbox may refuse what would then be said to have gone on.
func movable(cfg *Config, l *lock, on string) error {
	if err := linuxOnly(cfg, l, on); err != nil {
		return err
	}
	return mayMove()
}

func continued(cfg *Config, _ *lock, _ string) error {
	if cfg.Stop == nil {
		return errors.New("nobody would continue the process")
	}
	return nil
}

func hasHog(cfg *Config, _ *lock, _ string) error {
	if cfg.Hog == nil {
		return errors.New("there is no program to run")
	}
	return nil
}

// pause waits, and reports whether the spell goes on.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

func kick(ctx context.Context, s *scene) {
	for pause(ctx, 100*time.Microsecond) {
		s.pv.Rescue(s.rand.IntN(s.pv.CPUs()))
	}
}

func changeProcs(ctx context.Context, s *scene) {
	defer gomaxprocs.Save()()
	before := runtime.GOMAXPROCS(0)
	for pause(ctx, 5*time.Millisecond) {
		runtime.GOMAXPROCS(1 + s.rand.IntN(before+2))
	}
}

func collect(ctx context.Context, _ *scene) {
	for ctx.Err() == nil {
		runtime.GC()
	}
}

func stopSelf(ctx context.Context, s *scene) {
	for pause(ctx, time.Duration(1+s.rand.IntN(10))*time.Millisecond) {
		s.cfg.Stop()
	}
}

func hog(ctx context.Context, s *scene) {
	for range 1 + s.rand.IntN(len(s.cfg.HostCPUs)) {
		if stop, err := s.cfg.Hog(); err == nil {
			defer stop()
		}
	}
	<-ctx.Done()
}

// A tormentor chooses what goes on, spell by spell: what the seed says, for as long as it says.
type tormentor struct {
	arena  *arena
	scene  scene
	chosen []torment
	spell  func(on []string) // is told what is on
	// control says that what the vCPUs do themselves is always on, and nothing is done from
	// outside.
	control bool
}

// A spell is 20 ms to 80 ms. In two of three nothing is done from outside, and each knob is on in
// one of four: a lock must be fast now and then to be hammered at all. A control has little time:
// all knobs on, and its vCPUs left to run side by side.
const (
	spell   = 20 * time.Millisecond
	spells  = 4
	outside = 3
	inside  = 4
)

func (t *tormentor) run(ctx context.Context) {
	var core arch.Core
	var around []torment
	for _, c := range t.chosen {
		if c.around != nil {
			around = append(around, c)
		}
	}
	// What was asked for alone is always on.
	alone := len(t.chosen) == 1
	for ctx.Err() == nil {
		knobs, on := uint32(0), []string{}
		for _, c := range t.chosen {
			if c.knob != 0 && ((t.scene.rand.IntN(inside) == 0) != c.often || t.control || alone) {
				knobs |= c.knob
				on = append(on, c.name)
			}
		}
		var c torment
		if len(around) > 0 && !t.control && (t.scene.rand.IntN(outside) == 0 || alone) {
			c = around[t.scene.rand.IntN(len(around))]
			if !slices.Contains(on, c.name) {
				on = append(on, c.name)
			}
		}
		t.spell(on)
		core.Store32(&t.arena.knobs, knobs)
		now, cancel := context.WithTimeout(ctx,
			spell+time.Duration(t.scene.rand.Int64N(int64((spells-1)*spell))))
		if c.around != nil {
			c.around(now, &t.scene)
		}
		<-now.Done()
		cancel()
	}
	core.Store32(&t.arena.knobs, 0)
}

// choose returns the torments that a lock on a machine is to bear: those of the names that there
// are.
func choose(cfg *Config, l *lock, on string) (chosen []torment) {
	for _, t := range torments() {
		wanted := len(cfg.Torments) == 0 || slices.Contains(cfg.Torments, t.name)
		if wanted && (t.missing == nil || t.missing(cfg, l, on) == nil) {
			chosen = append(chosen, t)
		}
	}
	return chosen
}

func (l *lock) imported() bool { return l.on == rig.Goroutines }
