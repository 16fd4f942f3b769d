//go:build !linux

package osthread

import (
	"fmt"
	"runtime"
)

// CheckAffinity reports an error unless the CPUs are all there are: threads can't
// be confined to fewer.
func CheckAffinity(cpus []int) error {
	if n := runtime.NumCPU(); len(cpus) != n {
		return fmt.Errorf("on %s threads can't be confined to %d of %d CPUs: use all", runtime.GOOS,
			len(cpus), n)
	}
	return nil
}

func become(string, []int) (putBack func() error, err error) {
	return func() error { return nil }, nil
}

// lost returns nil: threads were not confined.
func lost([]int) error { return nil }

func threadUsage() usage { return usage{steal: -1, voluntary: -1, involuntary: -1} }
