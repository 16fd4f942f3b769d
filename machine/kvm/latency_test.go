//go:build linux && amd64 && !purego && !race

package kvm_test

import (
	"testing"

	"example.com/pvlock/host"
	"example.com/pvlock/internal/arch"
	"example.com/pvlock/machine"
	"example.com/pvlock/machine/kvm"
	"example.com/pvlock/machine/thread"
	"example.com/pvlock/paravirt"
)

// The benchmarks below belong together: a wait on a virtual CPU can't be cheaper than an exit, nor
// than a wait of the thread that it is.
//
//	Exit/vmm       the guest stores to a doorbell, the VMM does nothing, the guest goes on
//	Exit/kernel    the same where the kernel serves the store: what a kick costs its sender
//	RoundTrip/kvm  two vCPUs wake each other in turn: two kicks and two waits
//	RoundTrip/threads  the same on threads: two futex wakes and two futex waits
//
// The time is the guest's own, from its first step to its last.

func hostCPUs(b *testing.B) []int {
	b.Helper()
	cpus := host.Collect().CPUs
	if cpus.State() != host.Known {
		b.Skip(cpus)
	}
	return cpus.Or(nil)
}

// timed runs body on n vCPUs, and reports how long CPU 0 took for each of b.N steps.
func timed(b *testing.B, on func(machine.Config) (machine.Machine, error), n int,
	body func(c *paravirt.CPU)) {
	b.Helper()
	m, err := on(machine.Config{VCPUs: n, HostCPUs: hostCPUs(b)})
	if err != nil {
		b.Fatal(err)
	}
	took := new(uint64)
	if _, err := m.Run(b.ResetTimer, func(c *paravirt.CPU) {
		began := c.Now()
		body(c)
		if c.ID() == 0 {
			*took = c.Now() - began
		}
	}); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(*took)/float64(b.N), "ns/op")
}

func onKVM(cfg machine.Config) (machine.Machine, error)     { return kvm.New(cfg) }
func onThreads(cfg machine.Config) (machine.Machine, error) { return thread.New(cfg) }

func skipWithoutKVM(b *testing.B) {
	b.Helper()
	if err := kvm.Probe(); err != nil {
		b.Skip(err)
	}
}

func BenchmarkExit(b *testing.B) {
	skipWithoutKVM(b)
	for _, tt := range []struct {
		name string
		exit func()
	}{
		{"vmm", kvm.Exit},
		{"kernel", func() { kvm.Knock(1) }},
	} {
		b.Run(tt.name, func(b *testing.B) {
			steps := b.N
			timed(b, onKVM, 2, func(c *paravirt.CPU) {
				if c.ID() == 0 {
					for range steps {
						tt.exit()
					}
				}
			})
		})
	}
}

func BenchmarkRoundTrip(b *testing.B) {
	for _, tt := range []struct {
		name string
		on   func(machine.Config) (machine.Machine, error)
	}{
		{"kvm", onKVM},
		{"threads", onThreads},
	} {
		b.Run(tt.name, func(b *testing.B) {
			if tt.name == "kvm" {
				skipWithoutKVM(b)
			}
			steps := b.N
			s := new(scratch)
			timed(b, tt.on, 2, func(c *paravirt.CPU) { passes(c, s.cell.Byte(0), steps) })
		})
	}
}

// passes passes a byte to the other CPU and waits until it is back, as often as steps says.
func passes(c *paravirt.CPU, p *arch.U8, steps int) {
	me, other := uint8(c.ID()&1), c.ID()^1
	for range steps {
		for {
			is := c.Load8(p)
			if is == me {
				break
			}
			c.Wait(p, is)
		}
		c.Xchg8(p, me^1)
		c.Kick(other)
	}
}
