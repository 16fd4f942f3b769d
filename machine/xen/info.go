package xen

import "strings"

// Info is what can be told of the Xen beneath this domain. A string is "" where it isn't known.
type Info struct {
	// Version is Xen's: "4.17.5".
	Version string
	// Guest is what kind of guest this domain is: "PV", "PVH", "HVM".
	Guest string
	// Scheduler is what shares the processors out among the domains: "credit2". Only dom0 is told.
	Scheduler string
	// Unusable is why there can be no machines, see [Probe]; "" if there can.
	Unusable string
}

// String says it in a line.
func (i Info) String() string {
	or := func(s, other string) string {
		if s == "" {
			return other
		}
		return s
	}
	channels := "event channels are usable"
	if i.Unusable != "" {
		channels = "event channels are not usable: " + strings.TrimPrefix(i.Unusable, "xen: ")
	}
	return "Xen " + or(i.Version, "of unknown version") + ", guest " +
		or(i.Guest, "of unknown kind") +
		", scheduler " + or(i.Scheduler, "unknown (only dom0 is told, by the module xen-privcmd)") +
		"; " + channels
}

// schedulers are Xen's numbers for its schedulers, from public/domctl.h.
var schedulers = map[uint32]string{4: "sedf", 5: "credit", 6: "credit2", 7: "arinc653", 8: "rtds",
	9: "null"}
