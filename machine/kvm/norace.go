//go:build !race && (!linux || !amd64 || purego)

package kvm

const race = false
