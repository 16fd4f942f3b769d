//go:build linux && amd64 && !purego && !race

package kvm

import "example.com/pvlock/paravirt"

// EntryPC returns the address of the guest's first instruction.
func EntryPC() uintptr { return entryPC() }

// Channel returns the event channels of a machine. What WordChannel wraps is Park and Unpark.
func Channel() paravirt.ChannelOps { return channel() }

// Park and Unpark are those of the event channels.
var Park, Unpark = park, unpark

// GuestMain is the guest's first Go function.
var GuestMain = guestMain

// Exit leaves the guest for the VMM, which has nothing to do.
func Exit() { ring(nopBell) }

// Knock leaves the guest by a CPU's kick doorbell.
func Knock(cpu uint32) { ring(kickBell(cpu)) }
