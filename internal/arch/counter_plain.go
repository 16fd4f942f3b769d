//go:build (amd64 || arm64) && !race

package arch

// Counter is a statistic that one CPU writes and anyone may read. The writer
// pays for a plain addition; a reader may see a value that is a moment old.
type Counter struct{ v uint64 }

// Add adds n. Only the CPU that owns the counter calls it.
func (c *Counter) Add(n uint64) { c.v += n }

// Value returns the count.
func (c *Counter) Value() uint64 { return c.v }

// Hint is what a CPU says of itself to observers outside the machine, such as
// watchdogs. No protocol reads it: a model leaves it out.
type Hint struct{ v uint32 }

// Set stores v.
func (h *Hint) Set(v uint32) { h.v = v }

// Get returns what was stored last, or a moment ago.
func (h *Hint) Get() uint32 { return h.v }
