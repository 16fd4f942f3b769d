package calibrate

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"example.com/pvlock/internal/arch"
	"example.com/pvlock/internal/gomaxprocs"
	"example.com/pvlock/sim"
)

// on runs f on a CPU, and waits for it.
func on(cpu int, f func()) error { return <-start(cpu, f) }

func median(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
}

// A line is a cell that shares its cache line, and the one that is fetched with it, with nothing.
type line struct {
	_    [128]byte
	cell arch.U32
	_    [128]byte
}

// lines measures what it takes to get a cache line from another CPU.
func lines(m *Measured, cpus []int) error {
	near, far := cpus[1], -1
	for _, cpu := range cpus[1:] {
		if p := socket(cpu); p == socket(cpus[0]) {
			near = cpu
		} else {
			far = cpu
		}
	}
	// A hand-over is two fetches: the writer's, which takes the line from the reader, and the
	// reader's.
	const how = "half of a hand-over by a store, from CPU %d to CPU %d and back"
	ns, err := handOver(cpus[0], near)
	if err != nil {
		return err
	}
	m.set(&m.Costs.Socket, "socket", ns/2, fmt.Sprintf(how, cpus[0], near))
	if far < 0 {
		def := sim.DefaultCosts()
		m.Costs.Remote = max(m.Costs.Socket, m.Costs.Socket*def.Remote/def.Socket)
		m.How["remote"] = "not measured, there is one socket: socket's, times the ratio of the " +
			"defaults"
		return nil
	}
	if ns, err = handOver(cpus[0], far); err != nil {
		return err
	}
	m.set(&m.Costs.Remote, "remote", ns/2, fmt.Sprintf(how, cpus[0], far))
	return nil
}

// socket returns the number of a CPU's, 0 if it isn't known.
func socket(cpu int) int {
	text, err :=
		os.ReadFile(fmt.Sprintf("/sys/devices/system/cpu/cpu%d/topology/physical_package_id", cpu))
	if err != nil {
		return 0
	}
	n, _ := strconv.Atoi(strings.TrimSpace(string(text)))
	return n
}

// handOver returns what it takes to pass a turn from one CPU to another, in ns: the least of many
// times, because whatever else the CPUs do can only add to it.
func handOver(a, b int) (float64, error) {
	const turns, times = 200, 400
	var ball line
	c := arch.Core{}
	play := func(mine uint32) {
		for range turns {
			// Without PAUSE, which is long against what is measured.
			for c.Load32(&ball.cell) != mine {
			}
			c.Store32(&ball.cell, 1-mine)
		}
	}
	least := time.Duration(1 << 62)
	other := start(b, func() {
		for range times {
			play(1)
		}
	})
	err := on(a, func() {
		for range times {
			began := time.Now()
			play(0)
			least = min(least, time.Since(began))
		}
	})
	return float64(least.Nanoseconds()) / (2 * turns), errors.Join(err, <-other)
}

// sleep measures going to sleep and being woken by a futex, as the locks' waiters on threads do.
func sleep(m *Measured, cpus []int) error {
	var (
		c            = arch.Core{}
		bed          line
		kicks, wakes []float64
		// the clock when the sleeper goes to sleep, and when it was kicked
		asleep, gone atomic.Int64
	)
	const times = 200
	err := on(cpus[0], func() {
		const n = 1 << 8
		m.set(&m.Costs.Block, "block", perCall(n, func() {
			for range n {
				c.ParkThread(&bed.cell, 1)
			}
		}), "a futex wait that finds its value changed")
	})
	if err != nil {
		return err
	}
	sleeper := start(cpus[1], func() {
		for i := range uint32(times) {
			asleep.Store(int64(c.Now()))
			for c.Load32(&bed.cell) == i {
				c.ParkThread(&bed.cell, i)
			}
			wakes = append(wakes, float64(int64(c.Now())-gone.Load()))
		}
	})
	err = on(cpus[0], func() {
		for i := range uint32(times) {
			// Long enough for the CPU to be idle, and not so long that it sleeps deeply.
			for asleep.Load() == 0 || int64(c.Now())-asleep.Load() < 100_000 {
			}
			asleep.Store(0)
			c.Store32(&bed.cell, i+1)
			began := c.Now()
			gone.Store(int64(began))
			c.UnparkThread(&bed.cell, 1)
			kicks = append(kicks, float64(c.Now()-began))
		}
	})
	if err = errors.Join(err, <-sleeper); err != nil {
		return err
	}
	kick := median(kicks)
	m.set(&m.Costs.Kick, "kick", kick,
		"median of a futex wake of a thread that sleeps on an idle CPU")
	m.set(&m.Costs.Wake, "wake", median(wakes)-kick,
		"median from before that wake to the thread's first instruction, less kick")
	return nil
}

// switches measures what it takes to switch between two threads of a CPU.
func switches(m *Measured, cpus []int) error {
	const yields, times, patience = 200, 50, 300 * time.Millisecond
	alone, together := 0.0, 0.0
	err := on(cpus[0], func() {
		alone = perCall(yields, func() {
			for range yields {
				schedYield()
			}
		})
	})
	if err != nil {
		return err
	}
	var done atomic.Bool
	company := start(cpus[0], func() {
		for !done.Load() {
			schedYield()
		}
	})
	err = on(cpus[0], func() {
		var each []float64
		// Other processes on the CPU may keep the other thread from it for some time.
		for started := time.Now(); len(each) < times && time.Since(started) < patience; {
			began, before := time.Now(), switched()
			for range yields {
				schedYield()
			}
			took, n := time.Since(began), switched()-before
			if n > 0 {
				// Each time that this thread was switched from it was switched to as well.
				each = append(each, (float64(took.Nanoseconds())-yields*alone)/float64(2*n))
			}
		}
		done.Store(true)
		if len(each) > 0 {
			together = slices.Min(each)
		}
	})
	if err = errors.Join(err, <-company); err != nil {
		return err
	}
	if together <= 0 {
		m.How["switch"] = "default: two threads that yield on one CPU took no turns"
		return nil
	}
	m.set(&m.Costs.Switch, "switch", together,
		"two threads that yield to each other on one CPU, less the system call")
	return nil
}

// goroutines measures what it takes to switch between two goroutines of a thread.
func goroutines(m *Measured, _ []int) error {
	const yields = 1 << 12
	defer gomaxprocs.Save()()
	runtime.GOMAXPROCS(1)
	var done atomic.Bool
	ended := make(chan struct{})
	go func() {
		for !done.Load() {
			runtime.Gosched()
		}
		close(ended)
	}()
	ns := perCall(2*yields, func() {
		for range yields {
			runtime.Gosched()
		}
	})
	done.Store(true)
	<-ended
	m.set(&m.Costs.GoSwitch, "go_switch", ns,
		"two goroutines that yield to each other on one thread")
	return nil
}
