package main

import (
	"strconv"

	"github.com/spf13/pflag"

	"example.com/pvlock/paravirt"
	"example.com/pvlock/sim"
)

// tuning is the flags that override the parameters of all locks.
type tuning struct {
	spin, steal rounds
	waitEarly   bool

	set *pflag.FlagSet
}

func (t *tuning) flags(f *pflag.FlagSet) {
	t.set = f
	f.Var(&t.spin, "spin", "how long a waiter spins before it sleeps (default each lock's own)")
	f.Var(&t.steal, "steal",
		"for how long pvqspin tries to take the lock past its queue; 0 is strictly fair (default "+
			"its own)")
	f.BoolVar(&t.waitEarly, "wait-early", true,
		"pvqspin: sleep early when the one in front in the queue doesn't run")
}

// apply changes what was asked for.
func (t *tuning) apply(p *paravirt.Tunables) {
	if t.set.Changed("spin") {
		p.Spin = paravirt.Exactly(uint32(t.spin))
	}
	if t.set.Changed("steal") {
		p.Steal = paravirt.Exactly(uint32(t.steal))
	}
	if t.set.Changed("wait-early") {
		p.NoWaitEarly = !t.waitEarly
	}
}

// rounds is a number of spin rounds as a flag: a number, 2^n, or "forever".
type rounds uint32

func (r *rounds) String() string { return strconv.FormatUint(uint64(*r), 10) }

func (r *rounds) Type() string { return "rounds" }

func (r *rounds) Set(s string) error {
	n, err := sim.ParseRounds(s)
	*r = rounds(n)
	return err
}
