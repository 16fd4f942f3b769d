//go:build race

package kvm

const race = true
