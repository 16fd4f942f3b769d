// Package chanmachine is the simplest machine there is, for tests: its CPUs are
// goroutines, and they sleep on Go channels.
package chanmachine

import (
	"runtime"
	"sync"

	"example.com/pvlock/internal/arch"
	"example.com/pvlock/paravirt"
)

// Options are what a test can do to a machine.
type Options struct {
	// Spurious makes every park of the CPUs with even numbers return at once.
	Spurious bool
	// BeforePoll runs on the CPU each time it is about to poll, as an interrupt would
	// that comes between its last look and the poll.
	BeforePoll func(c *paravirt.CPU)
	// BeforeClear runs on the CPU each time it is about to clear its channel.
	BeforeClear func(c *paravirt.CPU)
}

// New makes a machine of cfg, whose Channel it fills in.
func New(cfg paravirt.Config, o Options) (*paravirt.Machine, error) {
	var beds sync.Map // of *arch.U32 to chan struct{}
	bed := func(word *arch.U32) chan struct{} {
		ch, _ := beds.LoadOrStore(word, make(chan struct{}, 1))
		return ch.(chan struct{})
	}
	park := func(c *paravirt.CPU, word *arch.U32, v uint32) {
		if o.Spurious && c.ID()%2 == 0 {
			runtime.Gosched()
			return
		}
		for c.Load32(word) == v {
			<-bed(word)
		}
	}
	unpark := func(_ *paravirt.CPU, _ uint32, word *arch.U32) {
		select {
		case bed(word) <- struct{}{}:
		default: // a token is there already
		}
	}
	cfg.Channel = paravirt.WordChannel(park, unpark)
	if o.BeforePoll != nil {
		poll := cfg.Channel.Poll
		cfg.Channel.Poll = func(c *paravirt.CPU) {
			o.BeforePoll(c)
			poll(c)
		}
	}
	if o.BeforeClear != nil {
		clear := cfg.Channel.Clear
		cfg.Channel.Clear = func(c *paravirt.CPU) {
			o.BeforeClear(c)
			clear(c)
		}
	}
	return paravirt.New(cfg)
}

// Run brings all CPUs up, runs body on each, and takes them down.
func Run(m *paravirt.Machine, body func(c *paravirt.CPU)) error {
	n := m.CPUs()
	for i := range n {
		if err := m.CPU(i).Up(); err != nil {
			return err
		}
	}
	var done sync.WaitGroup
	for i := range n {
		done.Go(func() { body(m.CPU(i)) })
	}
	done.Wait()
	for i := range n {
		m.CPU(i).Down()
	}
	return nil
}
