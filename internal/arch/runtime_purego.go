//go:build purego

package arch

// CanPin says whether Pin pins.
const CanPin = false

// Pin does nothing without the runtime's help.
func (Core) Pin() int { return 0 }

// Unpin does nothing without the runtime's help.
func (Core) Unpin() {}

// Fatal panics in a goroutine of its own, so that no deferred function of the
// caller's can recover from it: the program ends.
func (Core) Fatal(msg string) {
	go panic("fatal error: " + msg)
	select {}
}
