//go:build !(amd64 || 386 || arm64) || purego || race

package spinlock

const unlockIsStore = false
