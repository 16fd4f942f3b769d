//go:build !race

package arch

// Race says whether the race detector is on.
const Race = false
