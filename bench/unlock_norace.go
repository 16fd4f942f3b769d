//go:build !race && !pvlockdebug

package bench

const unlockMayBeStore = true
