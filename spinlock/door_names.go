package spinlock

import (
	"errors"
	"strconv"
	"strings"
)

// The tables that there are, by name: whoever chooses at boot names one for a door.

var rawTables = []struct {
	name string
	ops  func() RawOps
}{
	{"ticket", TicketRaw},
	{"byte", ByteRaw},
	{"xen2008", Xen2008Raw},
	{"xen2008text", Xen2008TextRaw},
	{"xen", XenRaw},
}

var queuedTables = []struct {
	name string
	ops  func() QueuedOps
}{
	{"native", NativeQueued},
	{"virt", VirtQueued},
	{"pvqspin2015", PVQueued2015},
	{"pvqspin", PVQueued},
}

// RawTable returns a table of Raw by its name. The error says which names there are.
func RawTable(name string) (RawOps, error) {
	for _, t := range rawTables {
		if t.name == name {
			return t.ops(), nil
		}
	}
	return RawOps{}, noTable(name, "Raw", RawTables())
}

// RawTables returns the names of the tables of Raw.
func RawTables() (names []string) {
	for _, t := range rawTables {
		names = append(names, t.name)
	}
	return names
}

// QueuedTable returns a table of Queued by its name. The error says which names there are.
func QueuedTable(name string) (QueuedOps, error) {
	for _, t := range queuedTables {
		if t.name == name {
			return t.ops(), nil
		}
	}
	return QueuedOps{}, noTable(name, "Queued", QueuedTables())
}

// QueuedTables returns the names of the tables of Queued.
func QueuedTables() (names []string) {
	for _, t := range queuedTables {
		names = append(names, t.name)
	}
	return names
}

func noTable(name, door string, want []string) error {
	return errors.New(strconv.Quote(name) + " is no table of " + door + ": want " +
		strings.Join(want, ", "))
}
