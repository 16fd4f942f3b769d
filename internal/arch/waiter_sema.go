//go:build !purego

package arch

// Park puts the goroutine to sleep until its waiter is unparked. An Unpark that came
// first ends it at once. The block profile gets the stack above the caller of Park and skip more frames, of which
// the runtime allows one.
func (Core) Park(w *Waiter, skip int) { semacquire(&w.sema, false, 1+skip) }

// Unpark ends the waiter's sleep, or the next one. With handoff it runs next on this
// P, at once. The mutex profile gets the stack above the caller and skip more frames.
func (c Core) Unpark(w *Waiter, handoff bool, skip int) {
	if w.byToken.Load() {
		c.unparkToken(w, handoff)
	} else {
		semrelease(&w.sema, handoff, 1+skip)
	}
}
