//go:build purego

package arch

// Park puts the goroutine to sleep until its waiter i is unparked. An Unpark that came
// first ends it at once.
func (Core) Park(i uint32, _ int) { <-bedOf(i).token }

// Unpark ends waiter i's sleep, or the next one. With handoff others run before this
// goroutine goes on.
func (c Core) Unpark(i uint32, handoff bool, _ int) { c.unparkToken(bedOf(i), handoff) }
