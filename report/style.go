package report

import (
	"fmt"
	"slices"

	"example.com/pvlock/spinlock"
)

// A look is how a series is drawn: the same for a lock in every plot of every page. Colour, dash
// and marker are classes and symbols of the page; each alone repeats, no two series of a plot share
// all three.
type look struct {
	colour, dash, marker int
}

// Class is the classes of a series.
func (l look) Class() string { return fmt.Sprintf("c%d d%d", l.colour, l.dash) }

// Marker is the symbol of a point.
func (l look) Marker() string { return fmt.Sprintf("#m%d", l.marker) }

const (
	// colours is how many the page has: those of Okabe and Ito without black, which is the colour
	// of the text, with number 0. They are told apart with any of the common kinds of colour
	// blindness.
	colours = 7
	dashes  = 4
	markers = 12
)

// peers are what the catalogue is compared with. They have the colour of the text.
var peers = []string{"sync.Mutex", "futex"}

// looks gives each name its look: one of the catalogue by its place there, a peer by its place
// among the peers, any other by the order in which the page comes to it.
type looks struct {
	known  []string
	others []string
}

func newLooks() *looks {
	l := new(looks)
	for _, k := range spinlock.Kinds() {
		l.known = append(l.known, k.Name)
	}
	return l
}

func (l *looks) of(name string) look {
	if i := slices.Index(peers, name); i >= 0 {
		return look{0, 1 + i, markers - 1 - i}
	}
	i := slices.Index(l.known, name)
	if i < 0 {
		i = slices.Index(l.others, name)
		if i < 0 {
			i = len(l.others)
			l.others = append(l.others, name)
		}
		i += len(l.known)
	}
	return look{1 + i%colours, i / colours % dashes, i % (markers - len(peers))}
}

// variant is the look of the i'th series of one lock in a plot: the lock's colour.
func (l look) variant(i int) look {
	return look{l.colour, (l.dash + i) % dashes, (l.marker + 5*i) % markers}
}
