//go:build !(amd64 || 386) || purego

package host

func cpuidReader() cpuid { return nil }

func xenCPUIDReader() cpuid { return nil }
