//go:build purego

package arch

// Park puts the goroutine to sleep until its waiter is unparked. An Unpark that came
// first ends it at once.
func (Core) Park(w *Waiter, _ int) { <-w.token }

// Unpark ends the waiter's sleep, or the next one. With handoff others run before this
// goroutine goes on.
func (c Core) Unpark(w *Waiter, handoff bool, _ int) { c.unparkToken(w, handoff) }
