//go:build race || pvlockdebug

package bench

// A store would escape the race detector, or the check for misuse.
const unlockMayBeStore = false
