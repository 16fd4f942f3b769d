//go:build !purego

package arch

// Park puts the goroutine to sleep until its waiter i is unparked. An Unpark that came
// first ends it at once. The block profile gets the stack above the caller of Park and skip more frames, of which
// the runtime allows one.
func (c Core) Park(i uint32, skip int) {
	c.mustNotHold()
	semacquire(&bedOf(i).sema, false, 1+skip)
}

// Unpark ends waiter i's sleep, or the next one. With handoff it runs next on this
// P, at once. The mutex profile gets the stack above the caller and skip more frames.
func (c Core) Unpark(i uint32, handoff bool, skip int) {
	if b := bedOf(i); b.byToken.Load() {
		c.unparkToken(b, handoff)
	} else {
		semrelease(&b.sema, handoff, 1+skip)
	}
}
