// Package machine says what the machines below it have in common: each brings up
// the CPUs of a [paravirt.Machine] on something that can lose its place to
// run, and runs a function on every one of them. A machine knows no lock.
package machine

import (
	"time"

	"example.com/pvlock/internal/arch"
	"example.com/pvlock/paravirt"
)

// Config says what to bring up.
type Config struct {
	// VCPUs is the number of virtual CPUs, 1 to paravirt.MaxCPUs.
	VCPUs int
	// HostCPUs are the CPUs, by the kernel's numbers, that they share. VCPUs over len(HostCPUs) is
	// the overcommit.
	HostCPUs []int

	// Tunables, Wait, Kick and Stats are those of paravirt.Config.
	Tunables paravirt.Tunables
	Wait     func(c *paravirt.CPU, p *arch.U8, v uint8)
	Kick     func(c *paravirt.CPU, cpu uint32)
	Stats    bool

	// Around, if not nil, is given the machine's event channels and returns what is put in their
	// place: what disturbs them, as the contract of [paravirt.ChannelOps] allows.
	Around func(paravirt.ChannelOps) paravirt.ChannelOps
}

// Paravirt returns the configuration of the machine that lock text sees.
func (cfg Config) Paravirt(channel paravirt.ChannelOps) paravirt.Config {
	if cfg.Around != nil {
		channel = cfg.Around(channel)
	}
	return paravirt.Config{
		CPUs: cfg.VCPUs, Channel: channel,
		Tunables: cfg.Tunables, Wait: cfg.Wait, Kick: cfg.Kick, Stats: cfg.Stats,
	}
}

// Machine is a machine that can be run, once.
type Machine interface {
	// Paravirt returns the machine as lock text sees it.
	Paravirt() *paravirt.Machine

	// Run brings all vCPUs up, calls ready once they are, runs body on each, takes them
	// down when their bodies have returned, and says what they used. If a vCPU
	// can't be brought up, no body runs; but one whose event channel can't be bound is up, and just
	// spins: see Usage.Unbound.
	Run(ready func(), body func(c *paravirt.CPU)) (Usage, error)
}

// Usage is what the vCPUs of a run used, together.
type Usage struct {
	// CPU is the time that they ran, in user and kernel mode.
	CPU time.Duration
	// Voluntary counts the times they gave their CPU up, Involuntary the times it was
	// taken away; -1 if that isn't known.
	Voluntary, Involuntary int64
	// Steal is for how long each of them was ready to run and had no CPU, as the host's
	// scheduler counts it; nil if that isn't known.
	Steal []time.Duration
	// Unbound says of each vCPU whose event channel couldn't be bound why.
	Unbound []error
	// Exits counts by kind how often vCPUs left their virtual machine; nil if there is none.
	Exits map[string]uint64
}
