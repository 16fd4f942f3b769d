//go:build linux && amd64 && !purego && !race

package kvm

import (
	"errors"

	"example.com/pvlock/internal/arch"
	"example.com/pvlock/paravirt"
)

// The doorbells, in the guest's address space: a page for the vCPU's own, then four
// bytes for each CPU that can be kicked. Nothing of a Go program lies there; Run makes sure.
const (
	bells     = 0x3fff_0000_0000
	waitBell  = bells
	doneBell  = bells + 8
	nopBell   = bells + 16 // nothing happens: what an exit costs at least
	kickBells = bells + pageSize
)

func kickBell(cpu uint32) uintptr { return kickBells + 4*uintptr(cpu) }

// ring leaves the guest by a store of four bytes to a doorbell.
func ring(bell uintptr)

// guestEntry is the first instruction of the guest. Only a vCPU gets there.
//
//lint:ignore U1000 assembly takes its address
func guestEntry()

// entryPC returns its address.
func entryPC() uintptr

// wordOfG returns the calling goroutine's g, and the word that is 8 bytes below the
// thread's FS base.
func wordOfG() (self, below uintptr)

// guestMain is the first Go function in the guest.
func guestMain(c *paravirt.CPU, body func(c *paravirt.CPU)) { body(c) }

// channel makes event channels whose CPUs sleep in the VMM. All functions but Rescue are guest
// code. None captures anything.
func channel() paravirt.ChannelOps { return paravirt.WordChannel(park, unpark) }

// park leaves the guest until the CPU's channel is pending.
func park(c *paravirt.CPU, word *arch.U32, v uint32) {
	// An exit is dear: a last look is not.
	if c.Load32(word) == v {
		ring(waitBell)
	}
}

func unpark(_ *paravirt.CPU, cpu uint32, _ *arch.U32) { ring(kickBell(cpu)) }

// checkTLS reports an error unless this program keeps g where it is put for the guest: just
// below the FS base. Another linker than Go's may place it elsewhere.
func checkTLS() error {
	if self, below := wordOfG(); self != below {
		return errors.New("this program keeps its goroutine's address elsewhere than Go's own " +
			"linker places it: build it with CGO_ENABLED=0")
	}
	return nil
}
