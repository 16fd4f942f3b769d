//go:build (amd64 || 386 || arm64) && !purego && !race

package spinlock

// unlockIsStore says that the native unlock is just the store of a byte. Where the race
// detector has to see it, or misuse is looked for, it is more.
const unlockIsStore = !debug
