package arch

import "math/rand/v2"

// Seed returns a number from the runtime's generator, for a [Rand] that wants no
// particular seed.
func Seed() uint64 { return rand.Uint64() }

// Rand is a small generator (xorshift64*), one per CPU: a few instructions, no
// shared state, repeatable from its seed.
type Rand struct{ x uint64 }

// NewRand returns a generator for stream i of a seed.
func NewRand(seed, i uint64) Rand {
	// One step of splitmix64 keeps neighbouring streams apart, and away from 0.
	z := seed + (i+1)*0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return Rand{z ^ z>>31 | 1}
}

// Uint32 returns 32 random bits.
func (r *Rand) Uint32() uint32 {
	r.x ^= r.x >> 12
	r.x ^= r.x << 25
	r.x ^= r.x >> 27
	return uint32(r.x * 0x2545f4914f6cdd1d >> 32)
}

// Below returns a number in [0, n), or 0 if n is 0.
func (r *Rand) Below(n uint32) uint32 {
	return uint32(uint64(r.Uint32()) * uint64(n) >> 32)
}

// OneIn is true once in n times, at random.
func (Core) OneIn(n uint32) bool { return rand.Uint32N(n) == 0 }
