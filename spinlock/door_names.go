package spinlock

import (
	"errors"
	"strconv"
	"strings"
)

// named is a door's tables, by name: the program that chooses at boot names one.
type named[O any] struct {
	door string
	all  []namedTable[O]
}

type namedTable[O any] struct {
	name string
	ops  func() O
}

var rawTables = named[RawOps]{"Raw", []namedTable[RawOps]{
	{"ticket", TicketRaw},
	{"byte", ByteRaw},
	{"xen2008", Xen2008Raw},
	{"xen2008text", Xen2008TextRaw},
	{"xen", XenRaw},
}}

var queuedTables = named[QueuedOps]{"Queued", []namedTable[QueuedOps]{
	{"native", NativeQueued},
	{"virt", VirtQueued},
	{"pvqspin2015", PVQueued2015},
	{"pvqspin", PVQueued},
}}

func (t *named[O]) find(name string) (ops O, err error) {
	for _, x := range t.all {
		if x.name == name {
			return x.ops(), nil
		}
	}
	return ops, errors.New(strconv.Quote(name) + " is no table of " + t.door + ": want " +
		strings.Join(t.names(), ", "))
}

func (t *named[O]) names() (names []string) {
	for _, x := range t.all {
		names = append(names, x.name)
	}
	return names
}

// RawTable returns a table of Raw by its name. The error says which names there are.
func RawTable(name string) (RawOps, error) { return rawTables.find(name) }

// RawTables returns the names of the tables of Raw.
func RawTables() []string { return rawTables.names() }

// QueuedTable returns a table of Queued by its name. The error says which names there are.
func QueuedTable(name string) (QueuedOps, error) { return queuedTables.find(name) }

// QueuedTables returns the names of the tables of Queued.
func QueuedTables() []string { return queuedTables.names() }
