//go:build !race

package kvm

const race = false
