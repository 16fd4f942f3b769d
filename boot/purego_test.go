//go:build purego

package boot

const purego = true
