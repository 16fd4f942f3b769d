// Package contract is the test that every machine passes: that its CPUs sleep and are
// woken as package paravirt says. It is called from the machine's own tests.
package contract

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"example.com/pvlock/internal/arch"
	"example.com/pvlock/paravirt"
)

// Run runs body on each of n CPUs of a fresh machine, all of them up and at the same time, and
// returns when all bodies have. The machine calls ready, if it likes, before they
// begin: the watchdog then can say which CPUs sleep.
//
// Bodies use CPUs and arch cells alone: no channels, no allocation, no testing.T. So
// a machine may run them where there is no Go runtime.
type Run func(t *testing.T, n int, ready func(m *paravirt.Machine), body func(c *paravirt.CPU))

// Rounds is how often the tests that look for a lost wake-up try: a few thousand
// hand-overs. A machine on which a wake-up is slow may lower it.
var Rounds uint32 = 3000

// Patience is how long all of a machine's CPUs may go without any progress before the
// watchdog gives up: it ends only tests that would never end.
var Patience = 60 * time.Second

// cell is a shared cell with a line of its own, so that the tests are about
// waking and not about a line that all fight for.
type cell struct {
	w arch.Word
	_ [60]byte
}

func (c *cell) byte() *arch.U8  { return c.w.Byte(0) }
func (c *cell) word() *arch.U32 { return c.w.Whole() }

// shared is all that the bodies of a test touch. Progress counts the steps of each CPU, for the
// watchdog and for the checks after the end.
type shared struct {
	flags    []cell
	progress []cell
	wrong    *cell
}

// bad notes that something did not hold; code says what. The first one stays.
func (s *shared) bad(c *paravirt.CPU, code uint32) { c.Cas32(s.wrong.word(), 0, code) }

func (s *shared) step(c *paravirt.CPU) { c.Add32(s.progress[c.ID()].word(), 1) }

// await waits until the byte is v, by Wait alone: no wake-up may be missed. While it is anything
// else it says so with its own value, since Wait sleeps on one value.
func await(c *paravirt.CPU, p *arch.U8, v uint8) {
	for {
		is := c.Load8(p)
		if is == v {
			return
		}
		c.Wait(p, is)
	}
}

// What a body can find wrong.
const (
	_ = iota
	sleptOnOther
	lostValue
	strayValue
)

var faults = map[uint32]string{
	sleptOnOther: "Wait changed the byte that it looked at",
	lostValue:    "a CPU was woken and what its kicker had stored before was not there",
	strayValue:   "a byte has a value that nobody stored",
}

// Test runs the whole contract.
func Test(t *testing.T, run Run) {
	for _, tt := range []struct {
		name string
		cpus int
		body func(s *shared) func(c *paravirt.CPU)
		want func(cpu int) uint32 // steps of each CPU
	}{
		{"WaitReturnsAtOnceWhenTheByteDiffers", 1, waitDiffers, all(Rounds)},
		{"KickBeforeWaitIsNotLost", 1, kickFirst, all(1)},
		{"NeedlessKicksAreHarmless", 3, needlessKicks, all(Rounds)},
		{"PingPongLosesNoWakeup", 2, pingPong, all(Rounds)},
		{"PairsDoNotDisturbEachOther", 6, pingPong, all(Rounds / 3)},
		{"ManyKickersOfOneWaiter", 5, manyKickers, nil},
		{"KickCarriesWhatWasStoredBefore", 2, message, all(Rounds)},
		{"RingWakesEveryone", 4, ring, all(Rounds / 4)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := &shared{flags: make([]cell, 2*tt.cpus), progress: make([]cell, tt.cpus),
				wrong: new(cell)}
			s.drive(t, run, tt.cpus, tt.body(s))
			var c arch.Core
			if code := c.Load32(s.wrong.word()); code != 0 {
				t.Error(faults[code])
			}
			if tt.want == nil {
				return
			}
			for cpu := range tt.cpus {
				if got, want := c.Load32(s.progress[cpu].word()), tt.want(cpu); got != want {
					t.Errorf("CPU %d made %d steps of %d", cpu, got, want)
				}
			}
		})
	}
}

func all(n uint32) func(int) uint32 { return func(int) uint32 { return n } }

// drive runs the bodies while another goroutine collects garbage all the time, and
// a watchdog looks at their progress.
func (s *shared) drive(t *testing.T, run Run, n int, body func(c *paravirt.CPU)) {
	var machine *paravirt.Machine
	running, done := make(chan struct{}), make(chan struct{})
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
				runtime.GC()
			}
		}
	}()
	go s.watch(running, done, &machine)
	defer func() { close(done); close(stop); <-stopped }()
	run(t, n, func(m *paravirt.Machine) { machine = m; close(running) }, body)
}

// watch ends the program when nothing has moved for Patience: a CPU that never
// wakes can't be taken off its machine.
func (s *shared) watch(running, done chan struct{}, m **paravirt.Machine) {
	var c arch.Core
	tick := time.NewTicker(Patience / 4)
	defer tick.Stop()
	for last, still := uint32(0), 0; ; {
		select {
		case <-done:
			return
		case <-tick.C:
		}
		sum := uint32(0)
		for i := range s.progress {
			sum += c.Load32(s.progress[i].word())
		}
		if sum != last {
			last, still = sum, 0
			continue
		}
		if still++; still == 4 {
			select {
			case <-running:
				panic(s.where(*m))
			default:
				panic(s.where(nil))
			}
		}
	}
}

// where says which CPU is where.
func (s *shared) where(m *paravirt.Machine) string {
	var c arch.Core
	var b strings.Builder
	fmt.Fprintf(&b, "contract: nothing has moved for %v: a wake-up is lost\n", Patience)
	for i := range s.progress {
		state := "unknown"
		if m != nil {
			state = "runs, or is being woken"
			if m.Asleep(i) {
				state = "sleeps with nothing pending"
			}
		}
		fmt.Fprintf(&b, "\tCPU %d: step %d, flag %d: %s\n", i, c.Load32(s.progress[i].word()),
			c.Load8(s.flags[i].byte()), state)
	}
	return b.String()
}

// waitDiffers: Wait on a value that isn't there returns though nobody ever kicks.
func waitDiffers(s *shared) func(c *paravirt.CPU) {
	return func(c *paravirt.CPU) {
		p := s.flags[0].byte()
		c.Store8(p, 3)
		for range Rounds {
			c.Wait(p, 1)
			if c.Load8(p) != 3 {
				s.bad(c, sleptOnOther)
			}
			s.step(c)
		}
	}
}

// kickFirst: a CPU that kicks itself, or is kicked, before it waits does not sleep.
func kickFirst(s *shared) func(c *paravirt.CPU) {
	return func(c *paravirt.CPU) {
		c.Kick(c.ID())
		c.Wait(s.flags[0].byte(), 0)
		s.step(c)
	}
}

// needlessKicks: kicks at all times, to CPUs that run, that sleep and that are finished, change
// nothing.
func needlessKicks(s *shared) func(c *paravirt.CPU) {
	return func(c *paravirt.CPU) {
		n := uint32(len(s.progress))
		for i := range Rounds {
			c.Kick((c.ID() + 1 + i%(n-1)) % n)
			c.Wait(s.flags[c.ID()].byte(), 1)
			s.step(c)
		}
	}
}

// pingPong: CPUs 2i and 2i+1 pass a byte to and fro, each asleep while the other has it. One lost
// wake-up, and both stand still.
func pingPong(s *shared) func(c *paravirt.CPU) {
	n := uint32(len(s.progress))
	rounds := Rounds
	if n > 2 {
		rounds /= 3
	}
	return func(c *paravirt.CPU) {
		me, other := uint8(c.ID()&1), c.ID()^1
		p := s.flags[c.ID()&^1].byte()
		for range rounds {
			await(c, p, me)
			c.Xchg8(p, me^1)
			c.Kick(other)
			s.step(c)
		}
	}
}

// ring: a byte goes round; everyone but its holder sleeps.
func ring(s *shared) func(c *paravirt.CPU) {
	n := uint32(len(s.progress))
	return func(c *paravirt.CPU) {
		next := (c.ID() + 1) % n
		for i := range Rounds / 4 {
			// A counter of 8 bits is enough: neighbours are at most one apart.
			await(c, s.flags[c.ID()].byte(), uint8(i)+b2u8(c.ID() != 0))
			c.Xchg8(s.flags[next].byte(), uint8(i)+1)
			c.Kick(next)
			s.step(c)
		}
	}
}

func b2u8(b bool) uint8 {
	if b {
		return 1
	}
	return 0
}

// manyKickers: all others add to CPU 0's count and kick it at the same time. However the
// kicks coalesce, it sees the last of them.
func manyKickers(s *shared) func(c *paravirt.CPU) {
	kickers := uint32(len(s.progress) - 1)
	total := kickers * Rounds / 2
	return func(c *paravirt.CPU) {
		sum, low := s.flags[0].word(), s.flags[0].byte()
		if c.ID() != 0 {
			for range Rounds / 2 {
				c.Add32(sum, 1)
				c.Kick(0)
				s.step(c)
			}
			return
		}
		for {
			v := c.Load32(sum)
			if v == total {
				return
			}
			if v > total {
				s.bad(c, strayValue)
				return
			}
			c.Wait(low, uint8(v))
			s.step(c)
		}
	}
}

// message: what was stored before the byte is there for the one that was woken by it.
func message(s *shared) func(c *paravirt.CPU) {
	return func(c *paravirt.CPU) {
		flag, data := s.flags[0].byte(), s.flags[1].word()
		for i := range Rounds {
			if c.ID() == 0 {
				c.Store32(data, i*7)
				c.Xchg8(flag, 1)
				c.Kick(1)
				await(c, flag, 0)
			} else {
				await(c, flag, 1)
				if c.Load32(data) != i*7 {
					s.bad(c, lostValue)
				}
				c.Xchg8(flag, 0)
				c.Kick(0)
			}
			s.step(c)
		}
	}
}
